"""What must be true of refunds, disputes and payments recorded by hand, checked by `raseed verify` on one snapshot. Reads only.

Three sides are held together: the rows here, the entries in the books, and the gateway's own list.
"""

# ruff: noqa: S608 - the only text put into these statements is constants

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from raseed.db.invariants import Scope, Violation, invariant, of, violations
from raseed.money import CURRENCIES
from raseed.payments.asking import UNRESOLVED_AFTER

# The gateway's list may lag; nothing is called missing before this age.
LIST_LAG: Final = timedelta(minutes=15)
# What is to be sent is sent, and the first answer is written down, within this; longer means that nobody works.
UNSENT_MAX: Final = timedelta(seconds=60)

# Micros in one minor unit of each currency, as a table for joins.
MINOR: Final = "(VALUES {}) AS unit (currency, micros)".format(
    ", ".join(f"('{one.code}', {one.minor_micros})" for one in CURRENCIES.values())
)
# What an entry moved to gateway clearing, and out of what.
_TOOK: Final = """
    LATERAL (SELECT coalesce(sum(t.amount_micros) FILTER (WHERE t.debit = 'customer'), 0) AS credit,
                    coalesce(sum(t.amount_micros) FILTER (WHERE t.debit = 'tax_payable'), 0) AS tax,
                    coalesce(sum(t.amount_micros) FILTER (WHERE t.debit = 'rounding'), 0) AS rounding,
                    coalesce(sum(t.amount_micros) FILTER (WHERE t.credit = 'gateway_clearing'), 0) AS micros
             FROM ledger_transfer t WHERE t.account_id = e.account_id AND t.entry_id = e.id)
"""


@invariant(
    "I13", "What refunds and disputes take of a payment is counted on it, and is no more than was captured."
)
def given_back_is_counted(scope: Scope) -> Iterator[Violation]:
    """Payments whose count is not that of their rows. What a bank takes beyond the rest has a break of its own."""
    yield from violations(
        "I13",
        f"""
        SELECT p.account_id AS account, p.id AS payment,
               'refunds of ' || coalesce(b.minor, 0) || ' counted as ' || p.refunded_minor || ', disputes of '
               || coalesce(d.minor, 0) || ' as ' || p.disputed_minor || ', captured ' || coalesce(p.captured_minor, 0)
        FROM payments_payment p
        LEFT JOIN (SELECT r.account_id, r.payment_id, sum(r.amount_minor) AS minor FROM payments_refund r
                   WHERE {of("r")} AND r.state <> 'failed' GROUP BY r.account_id, r.payment_id) b
          ON b.account_id = p.account_id AND b.payment_id = p.id
        LEFT JOIN (SELECT x.account_id, x.payment_id, sum(x.amount_minor) AS minor FROM payments_paymentdispute x
                   WHERE {of("x")} AND x.state IN ('open', 'lost') GROUP BY x.account_id, x.payment_id) d
          ON d.account_id = p.account_id AND d.payment_id = p.id
        WHERE {of("p")}
          AND (p.refunded_minor <> coalesce(b.minor, 0)
               OR p.disputed_minor <> least(coalesce(d.minor, 0), coalesce(p.captured_minor, 0) - p.refunded_minor)
               OR p.refunded_minor + p.disputed_minor > coalesce(p.captured_minor, 0))
        """,
        scope,
    )


@invariant(
    "I13", "Each refund took what it gives back from the books once, and one that failed put it back once."
)
def refunds_are_booked_once(scope: Scope) -> Iterator[Violation]:
    """Refunds without their entry, with one of another amount, or put back without having failed; and the other way round."""
    yield from violations(
        "I13",
        f"""
        SELECT r.account_id AS account, r.payment_id AS payment, r.id AS refund,
               r.state || ', ' || r.amount_minor || ' ' || r.currency
               || CASE WHEN e.id IS NULL THEN ' and nothing was taken for it'
                       WHEN m.micros <> r.amount_minor * unit.micros THEN ' and ' || m.micros || ' micros were taken'
                       WHEN (r.state = 'failed') = (v.id IS NOT NULL) THEN ' and its parts are not those of its entry'
                       WHEN v.id IS NULL THEN ' and nothing was put back' ELSE ' and it was put back' END
        FROM payments_refund r JOIN {MINOR} ON unit.currency = r.currency
        LEFT JOIN ledger_entry e ON {of("e")} AND e.account_id = r.account_id AND e.kind = 'refund'
                                 AND e.operation_key = 'refund:' || r.id || ':taken'
        LEFT JOIN {_TOOK} m ON true
        LEFT JOIN ledger_entry v ON {of("v")} AND v.account_id = e.account_id AND v.reverses_id = e.id
        WHERE {of("r")}
          AND (e.id IS NULL OR (r.state = 'failed') <> (v.id IS NOT NULL) OR m.micros <> r.amount_minor * unit.micros
               OR (m.credit, m.tax, m.rounding) <> (r.credit_micros, r.tax_micros, r.rounding_micros))
        UNION ALL
        SELECT e.account_id, NULL, NULL, 'entry ' || e.operation_key || ' belongs to no refund'
        FROM ledger_entry e
        WHERE {of("e")} AND e.kind = 'refund' AND NOT EXISTS (
            SELECT FROM payments_refund r
            WHERE r.account_id = e.account_id AND 'refund:' || r.id || ':taken' = e.operation_key)
        """,
        scope,
    )


@invariant("I13", "Each dispute was debited in full once, and one that was won was reinstated exactly, once.")
def disputes_are_booked_once(scope: Scope) -> Iterator[Violation]:
    """Disputes without their entry, with one of another amount, reinstated without being won; and the other way round."""
    yield from violations(
        "I13",
        f"""
        SELECT d.account_id AS account, d.payment_id AS payment, d.id AS dispute,
               d.state || ', ' || d.amount_minor || ' ' || d.currency
               || CASE WHEN e.id IS NULL THEN ' and never debited'
                       WHEN m.credit <> d.amount_minor * unit.micros THEN ' and ' || m.credit || ' micros were debited'
                       WHEN v.id IS NULL THEN ' and not reinstated' ELSE ' and reinstated' END
        FROM payments_paymentdispute d JOIN {MINOR} ON unit.currency = d.currency
        LEFT JOIN ledger_entry e ON {of("e")} AND e.account_id = d.account_id AND e.kind = 'dispute'
                                 AND e.operation_key = 'dispute:' || d.id || ':opened'
        LEFT JOIN {_TOOK} m ON true
        LEFT JOIN ledger_entry v ON {of("v")} AND v.account_id = e.account_id AND v.reverses_id = e.id
        WHERE {of("d")}
          AND (e.id IS NULL OR m.credit <> d.amount_minor * unit.micros OR (d.state = 'won') <> (v.id IS NOT NULL))
        UNION ALL
        SELECT e.account_id, NULL, NULL, 'entry ' || e.operation_key || ' belongs to no dispute'
        FROM ledger_entry e
        WHERE {of("e")} AND e.kind = 'dispute' AND NOT EXISTS (
            SELECT FROM payments_paymentdispute d
            WHERE d.account_id = e.account_id AND 'dispute:' || d.id || ':opened' = e.operation_key)
        """,
        scope,
    )


# The gateway's list by refund or dispute, and whose it is. `at` is when its last word came.
_LISTED: Final = f"""
    SELECT m.gateway, m.part_ref, r.account_id, m.currency, max(m.amount_minor) AS amount_minor, max(m.at) AS at,
           bool_or(m.kind = 'refund') AND NOT bool_or(m.kind = 'refund_failed') AS refunded,
           bool_or(m.kind = 'dispute') AS disputed, bool_or(m.kind = 'dispute_won') AS won
    FROM payments_gatewaymovement m
    LEFT JOIN payments_gatewayreference r
      ON r.gateway = m.gateway
     AND (r.payment_id = m.payment_id OR (m.payment_id IS NULL AND r.gateway_ref = m.gateway_ref))
    WHERE m.part_ref <> '' AND ({of("r")} OR r.account_id IS NULL)
    GROUP BY m.gateway, m.part_ref, r.account_id, m.currency
"""
# A person who has ended the break of a movement has dealt with it outside of these books.
_DEALT_WITH: Final = """
    EXISTS (SELECT FROM payments_reconciliationbreak b
            WHERE b.kind IN ('unbooked_movement', 'unknown_charge') AND b.gateway = l.gateway
              AND b.gateway_ref LIKE l.part_ref || '%%' AND b.resolved_at IS NOT NULL)
"""


@invariant("I10", "Refunds and disputes agree with the gateway's list, item by item.")
def the_gateway_agrees_on_what_was_given_back(scope: Scope) -> Iterator[Violation]:
    """Lost: in the list and not here. Phantom: here and not in the list. Younger than 15 minutes is under way."""
    yield from violations(
        "I10",
        f"""
        SELECT coalesce(l.gateway, f.gateway) AS gateway, coalesce(l.part_ref, f.part_ref) AS part_ref, f.id AS refund,
               'given back ' || coalesce(l.amount_minor || ' ' || l.currency, 'nothing') || ' by the list, here '
               || coalesce(f.amount_minor || ' ' || f.currency || ' and ' || f.state, 'nothing')
        FROM ({_LISTED} HAVING bool_or(m.kind IN ('refund', 'refund_failed'))) l
        FULL JOIN (SELECT f.*, c.walked_at FROM payments_refund f
                   LEFT JOIN payments_listcursor c ON c.gateway = f.gateway WHERE {of("f")} AND f.part_ref <> '') f
          ON f.account_id = l.account_id AND f.gateway = l.gateway AND f.part_ref = l.part_ref
        WHERE CASE WHEN l.part_ref IS NULL
                   THEN f.state = 'succeeded' AND f.final_at < least(f.walked_at, %(old)s)
                   WHEN f.id IS NULL THEN l.refunded AND l.at < %(old)s AND NOT {_DEALT_WITH}
                   ELSE l.at < %(old)s AND (l.refunded <> (f.state = 'succeeded')
                        OR (l.amount_minor, l.currency) <> (f.amount_minor, f.currency)) AND NOT {_DEALT_WITH} END
        UNION ALL
        SELECT coalesce(l.gateway, d.gateway), coalesce(l.part_ref, d.part_ref), d.id,
               'disputed ' || coalesce(l.amount_minor || ' ' || l.currency || CASE WHEN l.won THEN ', won' ELSE '' END, 'nothing')
               || ' by the list, here ' || coalesce(d.amount_minor || ' ' || d.currency || ' and ' || d.state, 'nothing')
        FROM ({_LISTED} HAVING bool_or(m.kind = 'dispute')) l
        FULL JOIN (SELECT d.*, c.walked_at FROM payments_paymentdispute d
                   LEFT JOIN payments_listcursor c ON c.gateway = d.gateway WHERE {of("d")}) d
          ON d.account_id = l.account_id AND d.gateway = l.gateway AND d.part_ref = l.part_ref
        WHERE CASE WHEN l.part_ref IS NULL THEN d.opened_at < least(d.walked_at, %(old)s)
                   WHEN d.id IS NULL THEN l.at < %(old)s AND NOT {_DEALT_WITH}
                   ELSE l.at < %(old)s AND (l.won <> (d.state = 'won')
                        OR (l.amount_minor, l.currency) <> (d.amount_minor, d.currency)) AND NOT {_DEALT_WITH} END
        """,
        scope,
        old=scope.now - LIST_LAG,
    )


@invariant(
    "I14", "No refund stays unknown for 15 minutes without a break, and each open one will be asked about."
)
def no_refund_is_forgotten(scope: Scope) -> Iterator[Violation]:
    """Open refunds that are too old, that nobody sends, or that nobody will ask about. Looks at all open ones."""
    yield from violations(
        "I14",
        """
        SELECT r.account_id AS account, r.payment_id AS payment, r.id AS refund,
               r.state || ' since ' || coalesce(r.submitted_at, r.created_at)
               || CASE WHEN r.next_ask_at IS NULL THEN ' and nobody will ask about it' ELSE '' END
        FROM payments_refund r
        WHERE r.state IN ('created', 'submitted', 'pending')
          AND (r.next_ask_at IS NULL
               OR r.state <> 'pending'
                  AND coalesce(r.submitted_at, r.created_at)
                      < CASE WHEN r.asks = 0 THEN %(unsent)s ELSE %(unresolved)s END
                  AND NOT EXISTS (SELECT FROM payments_reconciliationbreak b
                                  WHERE b.payment_id = r.payment_id AND b.resolved_at IS NULL))
        """,
        scope,
        unsent=scope.now - UNSENT_MAX,
        unresolved=scope.now - UNRESOLVED_AFTER,
    )


@invariant("I8", "Each payment that staff recorded is credited once; taken back, exactly that is gone, once.")
def records_are_booked_once(scope: Scope) -> Iterator[Violation]:
    """Records and payments without each other, other amounts, reversals of what stands, and large ones of one person."""
    yield from violations(
        "I8",
        f"""
        SELECT coalesce(o.account_id, p.account_id) AS account, p.id AS payment, o.id AS record,
               CASE WHEN o.id IS NULL THEN 'nobody recorded it' WHEN p.id IS NULL THEN 'there is no such payment'
                    WHEN o.needs_second AND (o.approved_by IS NULL OR o.approved_by = o.recorded_by)
                         THEN 'above the limit, and no second person approved it'
                    WHEN (o.amount_minor, o.currency, o.method) <> (p.captured_minor, p.captured_currency, p.gateway)
                         THEN 'recorded as ' || o.amount_minor || ' ' || o.currency || ', credited as ' || p.captured_minor
                    ELSE o.state || CASE WHEN v.id IS NULL THEN ' and still credited' ELSE ' and its credit was reversed' END
               END
        FROM (SELECT o.* FROM payments_offlinepayment o
              WHERE {of("o")} AND o.state IN ('recorded', 'reversed')) o
        FULL JOIN (SELECT p.* FROM payments_payment p WHERE {of("p")} AND p.purpose = 'offline') p
          ON p.account_id = o.account_id AND p.id = o.payment_id
        LEFT JOIN ledger_entry e ON {of("e")} AND e.account_id = p.account_id
                                 AND e.operation_key = 'payment:' || p.id || ':captured'
        LEFT JOIN ledger_entry v ON {of("v")} AND v.account_id = e.account_id AND v.reverses_id = e.id
        WHERE o.id IS NULL OR p.id IS NULL OR (o.state = 'reversed') <> (v.id IS NOT NULL)
           OR (o.needs_second AND (o.approved_by IS NULL OR o.approved_by = o.recorded_by))
           OR (o.amount_minor, o.currency, o.method) <> (p.captured_minor, p.captured_currency, p.gateway)
        """,
        scope,
    )
