"""The verdict on what goes back: each refund and each dispute of the bank's book against our rows and our ledger.

In SQL of its own, as all of the verdict. It reads and judges; it never repairs.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row

Line = Mapping[str, Any]
# Micros in one minor unit.
MINOR = {"USD": 10_000, "EUR": 10_000, "SAR": 10_000, "JOD": 1_000, "KWD": 1_000}

_REFUNDS = "SELECT r.id::text AS key, r.state, r.amount_minor, r.currency, r.part_ref FROM payments_refund r"
_DISPUTES = (
    "SELECT d.id::text AS key, d.state, d.amount_minor, d.currency, d.part_ref FROM payments_paymentdispute d"
)
_POSTED = """
SELECT coalesce(e.memo ->> 'refund_id', e.memo ->> 'dispute_id') AS key, e.id, t.debit, t.credit, t.currency, t.amount_micros
FROM ledger_entry e JOIN ledger_transfer t ON t.account_id = e.account_id AND t.entry_id = e.id
WHERE e.memo ? 'refund_id' OR e.memo ? 'dispute_id'
"""
# Payments of which more went out of our books by the gateway than came in by it.
_OVERDRAWN = """
SELECT DISTINCT e.memo ->> 'payment_id'
FROM ledger_entry e JOIN ledger_transfer t ON t.account_id = e.account_id AND t.entry_id = e.id
WHERE e.memo ? 'payment_id' AND 'gateway_clearing' IN (t.debit, t.credit)
GROUP BY e.memo ->> 'payment_id', t.currency
HAVING sum(CASE t.debit WHEN 'gateway_clearing' THEN t.amount_micros ELSE -t.amount_micros END) < 0
"""


@dataclass
class GivenBack:
    """Counts of refunds and disputes; `difference_minor` in minor units."""

    refunds: int = 0
    refunds_failed: int = 0
    disputes: int = 0
    disputes_won: int = 0
    double_refunded: int = 0
    misrefunded: int = 0
    misdisputed: int = 0
    over_given: int = 0
    given_back_open: int = 0
    difference_minor: int = 0


@dataclass
class _Posted:
    """What our ledger holds of one refund or dispute: entries that took, entries that put back, and their sums in micros."""

    took: set[Any] = field(default_factory=set)
    put_back: set[Any] = field(default_factory=set)
    net: Counter[tuple[str, str]] = field(default_factory=Counter)

    def out(self, currency: str) -> int:
        """What the gateway is to have got of us, in micros."""
        return self.net["gateway_clearing", currency]

    @property
    def is_undone(self) -> bool:
        """Whether every ledger account is where it was, to the micro."""
        return not any(self.net.values())


def judge_given_back(
    owner: psycopg.Connection[Any], dump: Mapping[str, list[Line]], entries: Iterable[Line]
) -> GivenBack:
    """Compare the lines `entries` of the bank's book with our books; the bank's `dump` says which order each refund is."""
    entries = list(entries)
    posted, found = _posted(owner), GivenBack()
    _judge_refunds(found, owner, posted, entries, {one["ref"]: one["reference"] for one in dump["refunds"]})
    _judge_disputes(found, owner, posted, entries)
    # What was posted of a refund or dispute that has no row.
    stray = [one for one in posted.values() if not one.is_undone]
    found.misrefunded += len(stray)
    found.difference_minor += sum(_apart(Counter(), one) for one in stray)
    overdrawn = {reference for (reference,) in owner.execute(_OVERDRAWN)} | _over_captured(entries)
    found.over_given = len(overdrawn)
    return found


def _judge_refunds(
    found: GivenBack,
    owner: psycopg.Connection[Any],
    posted: dict[str, _Posted],
    entries: list[Line],
    orders: Mapping[str, str],
) -> None:
    given: dict[str, dict[str, Line]] = defaultdict(dict)
    for part_ref, line in _given(entries).items():
        given[orders[part_ref]][part_ref] = line
    for row in owner.cursor(row_factory=namedtuple_row).execute(_REFUNDS):
        lines, booked = given.pop(row.key, {}), posted.pop(row.key, _Posted())
        found.refunds += 1
        found.refunds_failed += row.state == "failed"
        found.double_refunded += max(len(lines), len(booked.took), len(booked.put_back)) > 1
        found.difference_minor += _apart(_micros(lines.values()), booked)
        if row.state in {"created", "submitted", "pending"}:
            found.given_back_open += 1
        elif lines:
            told = [(one["detail"], int(one["amount"]), one["currency"]) for one in lines.values()]
            kept = row.state == "succeeded" and not booked.put_back
            found.misrefunded += not (kept and told == [(row.part_ref, row.amount_minor, row.currency)])
        else:
            undone = len(booked.took) == len(booked.put_back) == 1 and booked.is_undone
            found.misrefunded += not (row.state == "failed" and undone)
    # Given back and never ordered.
    found.misrefunded += len(given)
    found.difference_minor += sum(_apart(_micros(lines.values()), _Posted()) for lines in given.values())


def _judge_disputes(
    found: GivenBack, owner: psycopg.Connection[Any], posted: dict[str, _Posted], entries: list[Line]
) -> None:
    told: dict[str, dict[str, Line]] = defaultdict(dict)
    for line in entries:
        if line["kind"].startswith("dispute"):
            told[line["detail"]][line["kind"]] = line
    for row in owner.cursor(row_factory=namedtuple_row).execute(_DISPUTES):
        kinds, booked = told.pop(row.part_ref, {}), posted.pop(row.key, _Posted())
        won = "dispute_won" in kinds
        opened = kinds.get("dispute")
        found.disputes += 1
        found.disputes_won += won
        found.difference_minor += _apart(_micros([opened] if opened and not won else []), booked)
        if row.state == "open":
            found.given_back_open += 1
            continue
        right = opened is not None and (int(opened["amount"]), opened["currency"]) == (
            row.amount_minor,
            row.currency,
        )
        right &= row.state == ("won" if won else "lost" if "dispute_lost" in kinds else "open")
        right &= len(booked.took) == 1 and len(booked.put_back) == won
        if won:
            right &= booked.is_undone
        else:
            right &= booked.net["customer", row.currency] == -row.amount_minor * MINOR[row.currency]
        found.misdisputed += not right
    # Taken back from us, and nowhere in our books.
    found.misdisputed += len(told)
    found.difference_minor += sum(
        _apart(_micros([kinds["dispute"]] if kinds.keys() == {"dispute", "dispute_lost"} else []), _Posted())
        for kinds in told.values()
    )


def _given(entries: list[Line]) -> dict[str, Line]:
    """The refunds that the bank made and did not take back, by its id of them."""
    failed = {line["detail"] for line in entries if line["kind"] == "refund_failed"}
    return {
        line["detail"]: line for line in entries if line["kind"] == "refund" and line["detail"] not in failed
    }


def _over_captured(entries: list[Line]) -> set[str]:
    """Payments of which the bank gave back or took back more than it had captured, by our reference."""
    left: Counter[tuple[str, str]] = Counter()
    given = _given(entries)
    won = {line["detail"] for line in entries if line["kind"] == "dispute_won"}
    for line in entries:
        about, amount = (line["reference"], line["currency"]), int(line["amount"])
        if line["kind"] == "charge":
            left[about] += amount
        elif (line["kind"] == "refund" and line["detail"] in given) or (
            line["kind"] == "dispute" and line["detail"] not in won
        ):
            left[about] -= amount
    return {reference for (reference, _currency), amount in left.items() if amount < 0}


def _posted(owner: psycopg.Connection[Any]) -> dict[str, _Posted]:
    found: dict[str, _Posted] = defaultdict(_Posted)
    for key, entry, debit, credit, currency, micros in owner.execute(_POSTED):
        posted = found[key]
        posted.net[debit, currency] -= micros
        posted.net[credit, currency] += micros
        if credit == "gateway_clearing":
            posted.took.add(entry)
        if debit == "gateway_clearing":
            posted.put_back.add(entry)
    return dict(found)


def _micros(lines: Iterable[Line]) -> Counter[str]:
    sums = Counter[str]()
    for line in lines:
        sums[line["currency"]] += int(line["amount"]) * MINOR[line["currency"]]
    return sums


def _apart(bank: Counter[str], booked: _Posted) -> int:
    """By how much the bank's word and our books are apart, in minor units."""
    currencies = bank.keys() | {currency for _kind, currency in booked.net}
    return sum(-(-abs(bank[one] - booked.out(one)) // MINOR[one]) for one in currencies)
