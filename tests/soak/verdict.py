"""The verdict of a soak: the bank's own book against our books, item by item, in SQL that shares no code with either.

It reads and judges; it never repairs, and no figure of time decides.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from statistics import quantiles
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row

from soak.given_back import MINOR, GivenBack, Line, judge_given_back
from soak.recharges import Recharges, judge_recharges

POINTS = tuple(f"KP{number:02}" for number in range(1, 20))
FINAL = {"succeeded", "failed", "canceled"}
_ZERO = (
    "lost",
    "double_charged",
    "double_credited",
    "phantom",
    "miscredited",
    "misbound",
    "denied",
    "unresolved",
    "difference_minor",
    "number_gaps",
    "false_letters",
    "double_refunded",
    "misrefunded",
    "misdisputed",
    "over_given",
    "given_back_open",
    "recharges_at_once",
    "recharges_unasked",
    "recharges_over_cap",
    "recharges_stuck",
)
# Letters that are signed with another secret, or were signed too long ago, the first time they come.
_REFUSED_AT_FIRST = {"G18-forged", "G18-stale"}
_VERSION = 1

_PAYMENTS = """
SELECT p.id::text AS reference, p.client_key::text AS form, p.state, p.final_at, p.gateway_ref, p.currency,
       p.charge_minor AS asked_minor, p.credit_micros AS asked_credit,
       ARRAY(SELECT DISTINCT m.target FROM payments_paymentmove m
             WHERE m.account_id = p.account_id AND m.payment_id = p.id) AS reached,
       ARRAY(SELECT b.kind FROM payments_reconciliationbreak b
             WHERE b.payment_id = p.id AND b.resolved_at IS NULL) AS breaks
FROM payments_payment p
"""
_POSTED = """
SELECT e.memo ->> 'payment_id', e.kind, e.id, t.debit, t.credit, t.currency, t.amount_micros
FROM ledger_entry e JOIN ledger_transfer t ON t.account_id = e.account_id AND t.entry_id = e.id
WHERE e.kind IN ('topup_card', 'unexpected_capture')
"""
_STRANGERS_APPLIED = """
SELECT count(*) FROM payments_inboxevent i
WHERE i.applied_at IS NOT NULL AND NOT EXISTS (SELECT FROM payments_payment p WHERE p.id = i.payment_id)
"""
_GAPS = """
SELECT coalesce(sum(greatest(c.last, n.last) - n.papers), 0)
FROM documents_numbercounter c
JOIN (SELECT series, count(DISTINCT number) AS papers, max(number) AS last FROM documents_issuednumber GROUP BY series) n
USING (series)
"""


@dataclass
class Verdict:
    """What happened, in counts of payments, refunds and disputes, and in minor units; times in seconds. Written to var/soak.json."""

    payments: int = 0
    charges: int = 0
    kills: int = 0
    lost: int = 0
    double_charged: int = 0
    double_credited: int = 0
    phantom: int = 0
    miscredited: int = 0
    misbound: int = 0
    denied: int = 0
    unresolved: int = 0
    in_review: int = 0
    difference_minor: int = 0
    vouchers: int = 0
    number_gaps: int = 0
    false_letters: int = 0
    late_after_cancel: int = 0
    in_suspense: int = 0
    refunds: int = 0
    refunds_failed: int = 0
    disputes: int = 0
    disputes_won: int = 0
    double_refunded: int = 0
    misrefunded: int = 0
    misdisputed: int = 0
    over_given: int = 0
    given_back_open: int = 0
    recharges: int = 0
    recharges_at_once: int = 0
    recharges_unasked: int = 0
    recharges_over_cap: int = 0
    recharges_stuck: int = 0
    settle_p50_s: float = 0.0
    settle_p99_s: float = 0.0
    settle_max_s: float = 0.0
    saboteurs: int = 0
    saboteurs_caught: int = 0
    weather: dict[str, int] = field(default_factory=dict)
    kills_by_point: dict[str, int] = field(default_factory=dict)
    behaviours: dict[str, int] = field(default_factory=dict)
    states: dict[str, int] = field(default_factory=dict)
    seed: int = 0
    seconds: float = 0.0

    def faults(self) -> list[str]:
        """What must not be, in words; nothing if the run is sound."""
        found = [f"{name} is {getattr(self, name)}" for name in _ZERO if getattr(self, name)]
        if self.vouchers != self.states.get("succeeded", 0):
            found.append(f"{self.vouchers} vouchers for {self.states.get('succeeded', 0)} paid payments")
        return found

    def unmet(self, behaviours: Iterable[str]) -> list[str]:
        """Kill points that have not fired and behaviours that no charge has met."""
        return [point for point in POINTS if not self.kills_by_point.get(point)] + [
            one for one in behaviours if not self.behaviours.get(one)
        ]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class _Booked:
    """What our ledger holds of one payment; amounts in micros, by currency."""

    credits: set[Any] = field(default_factory=set)
    taken: Counter[str] = field(default_factory=Counter)
    credited: Counter[str] = field(default_factory=Counter)
    suspended: Counter[str] = field(default_factory=Counter)


class _Book:
    """The bank's own book, by our reference."""

    def __init__(self, entries: Iterable[Line]) -> None:
        self.charges: dict[str, list[Line]] = defaultdict(list)
        self.cancels: dict[str, Line] = {}
        self.owner: dict[str, str] = {}
        for line in entries:
            self.owner[line["payment"]] = line["reference"]
            if line["kind"] == "charge":
                self.charges[line["reference"]].append(line)
            elif line["kind"] == "cancel":
                self.cancels.setdefault(line["reference"], line)

    def charged_after_cancel(self, reference: str) -> bool:
        """Whether the bank itself had canceled the payment, and charged it all the same."""
        cancel, charges = self.cancels.get(reference), self.charges.get(reference)
        return bool(cancel and charges) and all(
            int(cancel["cursor"]) < int(one["cursor"]) for one in charges or ()
        )


def judge(
    owner: psycopg.Connection[Any],
    dump: Mapping[str, list[Line]],
    kills: Counter[str],
    behaviours: Counter[str],
    ended_at: datetime,
) -> Verdict:
    """Compare everything with the bank's `dump`. `ended_at` tells apart what settled by itself from what a moved clock ended."""
    book, booked = _Book(dump["entries"]), _booked(owner)
    verdict = Verdict(
        kills=sum(kills.values()),
        kills_by_point={point: kills[point] for point in POINTS},
        behaviours=dict(sorted(behaviours.items())),
    )
    waits: list[float] = []
    forms: Counter[str] = Counter()
    states: Counter[str] = Counter()
    known: set[str] = set()
    for payment in owner.cursor(row_factory=namedtuple_row).execute(_PAYMENTS):
        lines = book.charges.get(payment.reference, [])
        known.add(payment.reference)
        states[payment.state] += 1
        forms[payment.form] += bool(lines)
        _count(verdict, payment, book, booked.get(payment.reference, _Booked()))
        if lines and payment.final_at is not None and payment.final_at <= ended_at:
            charged_at = datetime.fromisoformat(lines[0]["at"])
            waits.append(max(0.0, (payment.final_at - charged_at).total_seconds()))
    unknown = book.charges.keys() - known
    verdict.lost += len(unknown)
    verdict.difference_minor += sum(int(line["amount"]) for one in unknown for line in book.charges[one])
    verdict.double_charged += sum(count > 1 for count in forms.values())
    verdict.charges = sum(len(lines) for lines in book.charges.values())
    verdict.states = dict(sorted(states.items()))
    verdict.vouchers, verdict.number_gaps = _papers(owner)
    verdict.false_letters = _false_letters(owner, dump["letters"])
    _add(verdict, judge_given_back(owner, dump, dump["entries"]))
    # What the bank charges after its own cancel comes when the caps were held against less.
    counted = {
        reference: sum(int(line["amount"]) for line in lines)
        for reference, lines in book.charges.items()
        if not book.charged_after_cancel(reference)
    }
    _add(verdict, judge_recharges(owner, counted))
    if len(waits) > 1:
        cuts = quantiles(waits, n=100, method="inclusive")
        verdict.settle_p50_s, verdict.settle_p99_s = round(cuts[49], 3), round(cuts[98], 3)
        verdict.settle_max_s = round(max(waits), 3)
    return verdict


def _add(verdict: Verdict, counts: GivenBack | Recharges) -> None:
    for name, count in asdict(counts).items():
        setattr(verdict, name, getattr(verdict, name) + count)


def _count(verdict: Verdict, payment: Any, book: _Book, booked: _Booked) -> None:
    """Judge one payment."""
    lines = book.charges.get(payment.reference, [])
    asked = (payment.asked_minor, payment.currency)
    taken = Counter[str]()
    for line in lines:
        taken[line["currency"]] += int(line["amount"]) * MINOR[line["currency"]]
    is_other = any((int(line["amount"]), line["currency"]) != asked for line in lines)
    late = book.charged_after_cancel(payment.reference)
    reviewed = payment.state == "review" and bool(payment.breaks)
    # What was asked for must be credited. Anything else that the bank took must stand in suspense, whole, and a person
    # must know of it: then it is found.
    if is_other:
        known = reviewed and "unexpected_capture" in payment.breaks
        found = known and booked.suspended == taken and not booked.credits
        verdict.in_suspense += found
    else:
        found = bool(booked.credits) and payment.state == "succeeded"
    verdict.payments += 1
    verdict.lost += bool(lines) and not found
    verdict.double_charged += len(lines) > 1
    verdict.double_credited += len(booked.credits) > 1
    verdict.phantom += bool(booked.taken) and not lines
    verdict.miscredited += bool(booked.credits) and (
        is_other or booked.credited != Counter({payment.currency: payment.asked_credit})
    )
    # Tied to the bank's id of somebody else's payment.
    verdict.misbound += book.owner.get(payment.gateway_ref, payment.reference) != payment.reference
    # Credited later or not: the customer was told that nothing was charged, and may have paid again. Not so where the
    # bank itself had canceled, and let the customer complete it all the same.
    denials = {"failed", "canceled"} - ({"canceled"} if late else set())
    verdict.denied += bool(lines) and not denials.isdisjoint(payment.reached)
    verdict.late_after_cancel += late and found
    verdict.in_review += reviewed
    verdict.unresolved += payment.state not in FINAL and not reviewed
    verdict.difference_minor += sum(
        -(-abs(taken[currency] - booked.taken[currency]) // MINOR[currency])
        for currency in taken.keys() | booked.taken.keys()
    )


def _booked(owner: psycopg.Connection[Any]) -> dict[str, _Booked]:
    found: dict[str, _Booked] = defaultdict(_Booked)
    for reference, kind, entry, debit, credit, currency, micros in owner.execute(_POSTED):
        booked = found[reference]
        if kind == "topup_card":
            booked.credits.add(entry)
        if debit == "gateway_clearing":
            booked.taken[currency] += micros
        if credit == "customer":
            booked.credited[currency] += micros
        if credit == "suspense":
            booked.suspended[currency] += micros
    return dict(found)


def _false_letters(owner: psycopg.Connection[Any], letters: Iterable[Line]) -> int:
    """Letters that were taken and must not be: forged, stale, of an unknown shape; and a stranger's that was acted on."""
    taken = sum(
        one["delivered_at"] is not None
        and (
            (one["fate"] in _REFUSED_AT_FIRST and one["attempts"] == 1)
            or one["payload"]["version"] != _VERSION
        )
        for one in letters
    )
    (applied,) = owner.execute(_STRANGERS_APPLIED).fetchone() or (0,)
    return taken + int(applied)


def _papers(owner: psycopg.Connection[Any]) -> tuple[int, int]:
    (vouchers,) = owner.execute("SELECT count(DISTINCT payment_id) FROM documents_document").fetchone() or (
        0,
    )
    (gaps,) = owner.execute(_GAPS).fetchone() or (0,)
    return int(vouchers), int(gaps)
