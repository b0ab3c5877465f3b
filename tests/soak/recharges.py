"""The verdict on automatic recharge: what the bank charged against what was consented to, and nothing left half done.

That each charge is credited once is judged with all other payments. In SQL of its own, as all of the verdict.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, LiteralString

import psycopg
from psycopg.rows import namedtuple_row

from soak.given_back import MINOR

# One statement sees one moment: whoever looks often enough sees two that are open side by side.
AT_ONCE: Final[LiteralString] = """
SELECT count(*) FROM (
    SELECT FROM payments_payment WHERE purpose = 'recharge' AND state IN ('created', 'submitted', 'action_required')
    GROUP BY account_id HAVING count(*) > 1) AS several
"""
# Accounts in the middle of a try, or whose line was reached and that nobody has considered since. While a person has
# a recharge under review, its try goes on.
STUCK: Final[LiteralString] = """
SELECT count(*) FROM recharge_rechargeseries s
LEFT JOIN balance_line l ON l.account_id = s.account_id AND l.kind = 'recharge'
WHERE (s.is_trying AND NOT EXISTS (SELECT FROM payments_payment p WHERE p.account_id = s.account_id
                                   AND p.purpose = 'recharge' AND p.state = 'review'))
   OR (l.crossed_at IS NOT NULL AND (s.considered_at IS NULL OR s.considered_at < l.crossed_at))
"""
_RECHARGES = """
SELECT p.id::text AS reference, p.account_id, p.currency,
       (p.created_at AT TIME ZONE a.time_zone)::date AS day,
       s.charges_per_day_max AS day_cap, s.month_charge_max_micros AS month_cap,
       coalesce(s.consent_at IS NOT NULL AND s.consent_text <> '', false) AS consented,
       (SELECT count(*) FROM recharge_consideration c
        WHERE c.account_id = p.account_id AND c.payment_id = p.id AND c.reason = 'charge') AS explained
FROM payments_payment p JOIN accounts_account a ON a.id = p.account_id
LEFT JOIN recharge_rechargesettings s ON s.account_id = p.account_id
WHERE p.purpose = 'recharge'
"""
_CARDS_TWICE = """
SELECT count(*) FROM (SELECT FROM recharge_consideration WHERE reason = 'charge'
                      GROUP BY account_id, number, method_id HAVING count(*) > 1) AS several
"""


@dataclass
class Recharges:
    """Counts: recharges begun, and those or accounts of which something is wrong."""

    recharges: int = 0
    recharges_at_once: int = 0
    recharges_unasked: int = 0
    recharges_over_cap: int = 0
    recharges_stuck: int = 0


def judge_recharges(owner: psycopg.Connection[Any], charged_minor: Mapping[str, int]) -> Recharges:
    """Judge all recharges; `charged_minor` is what the bank charged, by our reference, of what counts against the caps."""
    found = Recharges()
    by_day: Counter[tuple[Any, Any]] = Counter()
    by_month: Counter[tuple[Any, Any, Any]] = Counter()
    caps: dict[Any, tuple[int, int]] = {}
    for row in owner.cursor(row_factory=namedtuple_row).execute(_RECHARGES):
        found.recharges += 1
        found.recharges_unasked += not row.consented or row.explained != 1
        caps[row.account_id] = (row.day_cap or 0, row.month_cap or 0)
        if row.reference in charged_minor:
            by_day[row.account_id, row.day] += 1
            month = (row.account_id, row.day.year, row.day.month)
            by_month[month] += charged_minor[row.reference] * MINOR[row.currency]
    found.recharges_over_cap = (
        sum(times > caps[account][0] for (account, _day), times in by_day.items())
        + sum(micros > caps[account][1] for (account, _year, _month), micros in by_month.items())
        + _count(owner, _CARDS_TWICE)
    )
    found.recharges_at_once = _count(owner, AT_ONCE)
    found.recharges_stuck = _count(owner, STUCK)
    return found


def _count(owner: psycopg.Connection[Any], sql: LiteralString) -> int:
    row = owner.execute(sql).fetchone()
    return int(row[0]) if row else 0
