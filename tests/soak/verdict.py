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

POINTS = tuple(f"KP{number:02}" for number in range(1, 15))
FINAL = {"succeeded", "failed", "canceled"}
_ZERO = (
    "lost",
    "double_charged",
    "double_credited",
    "phantom",
    "miscredited",
    "denied",
    "unresolved",
    "difference_minor",
    "number_gaps",
)

_PAYMENTS = """
WITH unit (currency, micros) AS (VALUES ('USD', 10000), ('JOD', 1000), ('SAR', 10000), ('EUR', 10000), ('KWD', 1000)),
posted AS (
    SELECT e.memo ->> 'payment_id' AS payment_id,
           count(DISTINCT e.id) FILTER (WHERE e.kind = 'topup_card') AS credits,
           sum(t.amount_micros / u.micros) FILTER (WHERE t.debit = 'gateway_clearing') AS charged,
           sum(t.amount_micros % u.micros) FILTER (WHERE t.debit = 'gateway_clearing') AS rest,
           coalesce(sum(t.amount_micros) FILTER (WHERE t.credit = 'customer'), 0) AS credited,
           bool_or(t.credit = 'suspense') AS suspended
    FROM ledger_entry e
    JOIN ledger_transfer t ON t.account_id = e.account_id AND t.entry_id = e.id
    JOIN unit u ON u.currency = t.currency
    WHERE e.kind IN ('topup_card', 'unexpected_capture') GROUP BY 1
)
SELECT p.id::text, p.client_key::text, p.state, p.final_at,
       coalesce(s.credits, 0), coalesce(s.charged, 0), coalesce(s.rest, 0), coalesce(s.credited, 0) - p.credit_micros,
       EXISTS (SELECT FROM payments_paymentmove m WHERE m.account_id = p.account_id AND m.payment_id = p.id
                  AND m.target IN ('failed', 'canceled')) AS denied,
       p.state = 'review' AND EXISTS (SELECT FROM payments_reconciliationbreak b
                                       WHERE b.payment_id = p.id AND b.resolved_at IS NULL) AS reviewed,
       coalesce(s.suspended, false) AS suspended
FROM payments_payment p LEFT JOIN posted s ON s.payment_id = p.id::text
"""
_GAPS = """
SELECT coalesce(sum(greatest(c.last, n.last) - n.papers), 0)
FROM documents_numbercounter c
JOIN (SELECT series, count(DISTINCT number) AS papers, max(number) AS last FROM documents_issuednumber GROUP BY series) n
USING (series)
"""


@dataclass
class Verdict:
    """What happened, in counts of payments and in minor units; times in seconds. Written to var/soak.json."""

    payments: int = 0
    charges: int = 0
    kills: int = 0
    lost: int = 0
    double_charged: int = 0
    double_credited: int = 0
    phantom: int = 0
    miscredited: int = 0
    denied: int = 0
    unresolved: int = 0
    in_review: int = 0
    difference_minor: int = 0
    vouchers: int = 0
    number_gaps: int = 0
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


def judge(
    owner: psycopg.Connection[Any],
    book: list[Mapping[str, Any]],
    kills: Counter[str],
    behaviours: Counter[str],
    ended_at: datetime,
) -> Verdict:
    """Compare everything. `ended_at` tells apart what settled by itself from what was canceled by a moved clock."""
    charged: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for line in book:
        if line["kind"] == "charge":
            charged[line["reference"]].append(line)
    verdict = Verdict(
        kills=sum(kills.values()),
        kills_by_point={point: kills[point] for point in POINTS},
        behaviours=dict(sorted(behaviours.items())),
    )
    waits: list[float] = []
    forms: Counter[str] = Counter()
    states: Counter[str] = Counter()
    known: set[str] = set()
    for row in owner.execute(_PAYMENTS):
        reference, client_key, state, final_at, entries, posted, rest, off, denied, reviewed, suspended = row
        lines = charged.get(reference, [])
        known.add(reference)
        states[state] += 1
        forms[client_key] += bool(lines)
        taken = sum(int(line["amount"]) for line in lines)
        verdict.payments += 1
        # Money that a person knows of and that stands in suspense is not lost.
        credited = bool(entries) and state == "succeeded"
        verdict.lost += bool(lines) and not credited and not (reviewed and suspended)
        verdict.double_charged += len(lines) > 1
        verdict.double_credited += entries > 1
        verdict.phantom += bool(entries) and not lines
        # Credited later or not: the customer was told that nothing was charged, and may have paid again.
        verdict.denied += bool(lines) and denied
        verdict.in_review += reviewed
        verdict.unresolved += state not in FINAL and not reviewed
        verdict.difference_minor += abs(taken - int(posted))
        verdict.miscredited += bool(rest) or bool(entries and off)
        if lines and final_at is not None and final_at <= ended_at:
            waits.append(max(0.0, (final_at - datetime.fromisoformat(lines[0]["at"])).total_seconds()))
    unknown = charged.keys() - known
    verdict.lost += len(unknown)
    verdict.difference_minor += sum(int(line["amount"]) for one in unknown for line in charged[one])
    verdict.double_charged += sum(count > 1 for count in forms.values())
    verdict.charges = sum(len(lines) for lines in charged.values())
    verdict.states = dict(sorted(states.items()))
    verdict.vouchers, verdict.number_gaps = _papers(owner)
    if len(waits) > 1:
        cuts = quantiles(waits, n=100, method="inclusive")
        verdict.settle_p50_s, verdict.settle_p99_s = round(cuts[49], 3), round(cuts[98], 3)
        verdict.settle_max_s = round(max(waits), 3)
    return verdict


def _papers(owner: psycopg.Connection[Any]) -> tuple[int, int]:
    (vouchers,) = owner.execute("SELECT count(DISTINCT payment_id) FROM documents_document").fetchone() or (
        0,
    )
    (gaps,) = owner.execute(_GAPS).fetchone() or (0,)
    return int(vouchers), int(gaps)
