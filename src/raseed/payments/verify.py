"""What must be true of payments, checked by `raseed verify` on one snapshot. Reads only.

The trial balance cannot see the two worst faults, a payment credited twice and a customer charged for nothing.
So every payment is compared with its entry one to one, and with the gateway's own list item by item.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from raseed.db.invariants import Violation, invariant, violations
from raseed.money import CURRENCIES
from raseed.payments import cardscan, tally
from raseed.payments.reconcile import UNRESOLVED_AFTER

# Named here so that importing this module registers I27 too.
CARD_SCAN = cardscan.no_card_number_is_kept
INBOX_AGE_MAX = timedelta(minutes=5)
# The gateway's list may lag; nothing is called missing before this age.
LIST_LAG = timedelta(minutes=15)
CLOCK_AGE_MAX = timedelta(hours=1)

# Micros in one minor unit of each currency, as a table for joins.
_MINOR = "(VALUES {}) AS unit (currency, micros)".format(
    ", ".join(f"('{one.code}', {one.minor_micros})" for one in CURRENCIES.values())
)
_MOVED = """
    SELECT e.account_id, e.id, e.operation_key, t.currency,
           sum(t.amount_micros) FILTER (WHERE t.debit = 'gateway_clearing') AS charged,
           coalesce(sum(t.amount_micros) FILTER (WHERE t.credit = 'customer'), 0) AS credited,
           coalesce(sum(t.amount_micros) FILTER (WHERE t.credit = 'tax_payable'), 0) AS tax
    FROM ledger_entry e
    JOIN ledger_transfer t ON t.account_id = e.account_id AND t.entry_id = e.id
    WHERE e.kind = 'topup_card'
    GROUP BY e.account_id, e.id, e.operation_key, t.currency
"""


@invariant("I8", "Each succeeded payment has exactly one top-up entry, in its account, of what was captured.")
def succeeded_payments_are_credited_once(_now: datetime) -> Iterator[Violation]:
    """Missing entries, entries of other amounts; charged = credited + tax, in the captured currency."""
    yield from violations(
        "I8",
        f"""
        SELECT p.account_id AS account, p.id AS payment,
               CASE WHEN m.id IS NULL THEN 'succeeded, and nothing was credited'
                    ELSE 'captured ' || p.captured_minor || ' ' || p.captured_currency || ', charged '
                         || m.charged || ' micros ' || m.currency || ', credited ' || m.credited
                         || ' for ' || p.credit_micros || ', tax ' || m.tax || ' for ' || p.tax_micros END
        FROM payments_payment p
        JOIN {_MINOR} ON unit.currency = p.currency
        LEFT JOIN ({_MOVED}) m
          ON m.account_id = p.account_id AND m.operation_key = 'payment:' || p.id || ':captured'
        WHERE p.state = 'succeeded'
          AND (m.id IS NULL OR m.credited <> p.credit_micros OR m.tax <> p.tax_micros
               OR m.charged <> p.captured_minor * unit.micros
               OR m.currency <> p.captured_currency OR p.captured_currency <> p.currency)
        """,  # noqa: S608 - constants of this module
    )


@invariant("I8", "Each top-up entry by card belongs to one succeeded payment of its account.")
def credits_have_a_payment(_now: datetime) -> Iterator[Violation]:
    """Entries without a succeeded payment, and second entries for the same one."""
    yield from violations(
        "I8",
        """
        SELECT e.account_id AS account, e.id AS entry, e.memo ->> 'payment_id' AS payment,
               'credited for a payment that is ' || coalesce(p.state, 'unknown')
        FROM ledger_entry e
        LEFT JOIN payments_payment p ON p.account_id = e.account_id AND p.id::text = e.memo ->> 'payment_id'
        WHERE e.kind = 'topup_card' AND p.state IS DISTINCT FROM 'succeeded'
        UNION ALL
        SELECT e.account_id, min(e.id::text)::uuid, e.memo ->> 'payment_id', 'credited ' || count(*) || ' times'
        FROM ledger_entry e
        WHERE e.kind = 'topup_card'
        GROUP BY e.account_id, e.memo ->> 'payment_id' HAVING count(*) > 1
        """,
    )


@invariant("I9", "One charge at the gateway belongs to at most one payment.")
def a_charge_has_one_payment(_now: datetime) -> Iterator[Violation]:
    """The same gateway reference on two payments, or a reference that differs from the payment's own."""
    yield from violations(
        "I9",
        """
        SELECT p.gateway, p.gateway_ref, 'is on payments ' || string_agg(p.id::text, ', ')
        FROM payments_payment p WHERE p.gateway_ref <> ''
        GROUP BY p.gateway, p.gateway_ref HAVING count(*) > 1
        UNION ALL
        SELECT p.gateway, p.gateway_ref, 'payment ' || p.id || ' is known as ' || coalesce(r.gateway_ref, 'nothing')
        FROM payments_payment p LEFT JOIN payments_gatewayreference r ON r.payment_id = p.id
        WHERE r.account_id IS DISTINCT FROM p.account_id
           OR (p.gateway_ref <> '' AND r.gateway_ref IS DISTINCT FROM p.gateway_ref)
        """,
    )


@invariant(
    "I10", "The gateway's list and the payments agree item by item: none lost, none invented, none different."
)
def the_gateway_agrees(now: datetime) -> Iterator[Violation]:
    """Lost: charged and not credited. Phantom: credited and not in the list. Younger than 15 minutes is under way."""
    yield from violations(
        "I10",
        """
        SELECT m.gateway, m.gateway_ref, m.payment_id AS payment,
               'lost: charged ' || m.amount_minor || ' ' || m.currency || ', payment is ' || coalesce(p.state, 'unknown')
        FROM payments_gatewaymovement m
        LEFT JOIN payments_gatewayreference r ON r.payment_id = m.payment_id AND r.gateway = m.gateway
        LEFT JOIN payments_payment p ON p.account_id = r.account_id AND p.id = r.payment_id
        WHERE m.kind = 'charge' AND p.captured_minor IS NULL AND m.at < %(old)s
        UNION ALL
        SELECT m.gateway, min(m.gateway_ref), m.payment_id, 'charged ' || count(*) || ' times'
        FROM payments_gatewaymovement m WHERE m.kind = 'charge' AND m.payment_id IS NOT NULL
        GROUP BY m.gateway, m.payment_id HAVING count(*) > 1
        UNION ALL
        SELECT p.gateway, p.gateway_ref, p.id, 'captured ' || p.captured_minor || ' ' || p.captured_currency
               || ' here, ' || coalesce(m.amount_minor || ' ' || m.currency, 'nothing') || ' in the list'
        FROM payments_payment p
        JOIN payments_listcursor c ON c.gateway = p.gateway
        LEFT JOIN payments_gatewaymovement m
          ON m.payment_id = p.id AND m.kind = 'charge' AND m.gateway_ref = p.gateway_ref
        WHERE p.captured_minor IS NOT NULL
          AND ((m.id IS NULL AND p.final_at < least(c.walked_at, %(old)s))
               OR m.amount_minor <> p.captured_minor OR m.currency <> p.captured_currency)
        """.replace("%(old)s", "%s"),
        [now - LIST_LAG, now - LIST_LAG],
    )


@invariant("I11", "Gateway clearing holds exactly what was captured, by account and currency.")
def clearing_is_what_was_captured(_now: datetime) -> Iterator[Violation]:
    """Compares the captures posted to gateway clearing with the captures on the payments."""
    yield from violations(
        "I11",
        f"""
        SELECT coalesce(b.account_id, c.account_id) AS account, coalesce(b.currency, c.currency) AS currency,
               'captured ' || coalesce(c.micros, 0) || ' micros, posted ' || coalesce(b.micros, 0)
        FROM (SELECT t.account_id, t.currency, sum(t.amount_micros) AS micros
              FROM ledger_transfer t
              JOIN ledger_entry e ON e.account_id = t.account_id AND e.id = t.entry_id
              WHERE t.debit = 'gateway_clearing' AND e.kind IN ('topup_card', 'unexpected_capture')
              GROUP BY t.account_id, t.currency) b
        FULL JOIN (SELECT p.account_id, p.captured_currency AS currency, sum(p.captured_minor * unit.micros) AS micros
                   FROM payments_payment p JOIN {_MINOR} ON unit.currency = p.captured_currency
                   GROUP BY p.account_id, p.captured_currency) c
          ON c.account_id = b.account_id AND c.currency = b.currency
        WHERE b.micros IS DISTINCT FROM c.micros
        """,  # noqa: S608 - constants of this module
    )


@invariant("I12", "Money in suspense has an open reconciliation break, so that a person knows of it.")
def suspense_is_known(_now: datetime) -> Iterator[Violation]:
    """Suspense that is not zero while no break of the account is open."""
    yield from violations(
        "I12",
        """
        SELECT l.account_id AS account, l.currency, l.balance_micros || ' micros in suspense and no open break'
        FROM ledger_account l
        WHERE l.kind = 'suspense' AND l.balance_micros <> 0 AND NOT EXISTS (
            SELECT FROM payments_reconciliationbreak b
            WHERE b.account_id = l.account_id AND b.resolved_at IS NULL AND b.kind = 'unexpected_capture')
        """,
    )


@invariant(
    "I14", "No payment stays unknown for 15 minutes without a break, and each open one will be asked about."
)
def no_silence_is_forgotten(now: datetime) -> Iterator[Violation]:
    """Open payments that are too old, or that nobody will ask about."""
    yield from violations(
        "I14",
        """
        SELECT p.account_id AS account, p.id AS payment, p.state || ' since ' || coalesce(p.submitted_at, p.created_at)
        FROM payments_payment p
        WHERE p.state IN ('created', 'submitted')
          AND coalesce(p.submitted_at, p.created_at) < %s
          AND NOT EXISTS (SELECT FROM payments_reconciliationbreak b
                          WHERE b.payment_id = p.id AND b.resolved_at IS NULL)
        UNION ALL
        SELECT p.account_id, p.id, p.state || ' and nobody will ask about it'
        FROM payments_payment p
        WHERE p.state IN ('created', 'submitted', 'action_required') AND p.next_ask_at IS NULL
        """,
        [now - UNRESOLVED_AFTER],
    )


@invariant("I26", "No webhook whose payment exists waits longer than five minutes.")
def the_inbox_is_read(now: datetime) -> Iterator[Violation]:
    """Webhooks that were kept and not applied."""
    yield from violations(
        "I26",
        """
        SELECT i.gateway, i.event_id AS event, 'unapplied since ' || i.received_at || ', tries ' || i.tries
        FROM payments_inboxevent i JOIN payments_gatewayreference r ON r.payment_id = i.payment_id
        WHERE i.applied_at IS NULL AND i.received_at < %s
        """,
        [now - INBOX_AGE_MAX],
    )


@invariant("CLOCK", "In the last hour no rightly signed webhook was signed far from our clock.")
def the_clocks_agree(now: datetime) -> Iterator[Violation]:
    """Webhooks that were refused for their time, or nearly."""
    yield from violations(
        "CLOCK",
        """
        SELECT t.gateway, t.what, t.times || ' times since ' || t.hour || ', ' || t.skew_s || ' s before our clock'
        FROM payments_webhooktally t WHERE t.what = ANY (%s) AND t.last_at >= %s
        """,
        [list(tally.OF_THE_CLOCK), now - CLOCK_AGE_MAX],
    )
