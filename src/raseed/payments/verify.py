"""What must be true of payments, checked by `raseed verify` on one snapshot. Reads only.

The trial balance cannot see the two worst faults, a payment credited twice and a customer charged for nothing.
So every payment is compared with its entry one to one, and with the gateway's own list item by item.
"""

# ruff: noqa: S608 - the only text put into these statements is constants

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db.models import Q

from raseed.db.guard import across_accounts
from raseed.db.invariants import Scope, Violation, invariant, of, violations
from raseed.payments import cardscan, tally, verify_given_back
from raseed.payments.asking import UNRESOLVED_AFTER
from raseed.payments.models import GatewayMovement, GatewayReference, Payment, Refund
from raseed.payments.resolve import END_WITHIN, TAKE_WITHIN
from raseed.payments.verify_given_back import LIST_LAG, MINOR, UNSENT_MAX

# Named here so that importing this module registers their rules too.
CARD_SCAN = cardscan.no_card_number_is_kept
GIVEN_BACK = verify_given_back.given_back_is_counted
INBOX_AGE_MAX = timedelta(minutes=5)
CLOCK_AGE_MAX = timedelta(hours=1)
# Longer than every age that a rule allows: what was final earlier than this cannot come to be broken by time alone.
AT_REST_AFTER: Final = timedelta(hours=1)

# The kinds of entry that credit a payment, and the kind that a payment must have, by where it came in.
_TOPUPS = "'topup_card', 'topup_transfer', 'topup_cash'"
_KIND_OF_PAYMENT = """CASE p.gateway WHEN 'transfer' THEN 'topup_transfer' WHEN 'cash' THEN 'topup_cash'
                                   ELSE 'topup_card' END"""
# No gateway carried these, so that no gateway's list and no clearing account knows of them.
_BY_GATEWAY = "p.purpose <> 'offline'"
_MOVED = f"""
    SELECT e.account_id, e.id, e.kind, e.operation_key, t.currency,
           sum(t.amount_micros) FILTER (WHERE t.debit IN ('gateway_clearing', 'bank', 'cash')) AS charged,
           coalesce(sum(t.amount_micros) FILTER (WHERE t.credit = 'customer'), 0) AS credited,
           coalesce(sum(t.amount_micros) FILTER (WHERE t.credit = 'tax_payable'), 0) AS tax
    FROM ledger_entry e
    JOIN ledger_transfer t ON {of("t")} AND t.account_id = e.account_id AND t.entry_id = e.id
    WHERE e.kind IN ({_TOPUPS}) AND {of("e")}
    GROUP BY e.account_id, e.id, e.kind, e.operation_key, t.currency
"""


def in_motion(since: datetime) -> set[UUID]:
    """Accounts of which a payment or a line of the gateway's list was under way at `since` or later.

    They may break a rule by the passing of time alone, without any row being written.
    """
    with across_accounts("an incremental check looks for accounts with work under way"):
        paying = Payment.objects.filter(
            Q(final_at__gte=since - AT_REST_AFTER) | Q(state__in=["created", "submitted", "action_required"])
        ).values_list("account_id", flat=True)
        listed = GatewayMovement.objects.filter(at__gte=since - AT_REST_AFTER).values("payment_id")
        owners = GatewayReference.objects.filter(payment_id__in=listed).values_list("account_id", flat=True)
        refunding = Refund.objects.filter(state__in=["created", "submitted", "pending"]).values_list(
            "account_id", flat=True
        )
        return {*paying.distinct(), *owners.distinct(), *refunding.distinct()}


@invariant("I8", "Each succeeded payment has exactly one top-up entry, in its account, of what was captured.")
def succeeded_payments_are_credited_once(scope: Scope) -> Iterator[Violation]:
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
        JOIN {MINOR} ON unit.currency = p.currency
        LEFT JOIN ({_MOVED}) m
          ON m.account_id = p.account_id AND m.operation_key = 'payment:' || p.id || ':captured'
        WHERE p.state = 'succeeded' AND {of("p")}
          AND (m.id IS NULL OR m.credited <> p.credit_micros OR m.tax <> p.tax_micros
               OR m.charged <> p.captured_minor * unit.micros OR m.kind <> {_KIND_OF_PAYMENT}
               OR m.currency <> p.captured_currency OR p.captured_currency <> p.currency)
        """,
        scope,
    )


@invariant("I8", "Each top-up entry belongs to one succeeded payment of its account.")
def credits_have_a_payment(scope: Scope) -> Iterator[Violation]:
    """Entries without a succeeded payment, and second entries for the same one."""
    yield from violations(
        "I8",
        f"""
        SELECT e.account_id AS account, e.id AS entry, e.memo ->> 'payment_id' AS payment,
               'credited for a payment that is ' || coalesce(p.state, 'unknown')
        FROM ledger_entry e
        LEFT JOIN payments_payment p ON p.account_id = e.account_id AND p.id::text = e.memo ->> 'payment_id'
        WHERE e.kind IN ({_TOPUPS}) AND {of("e")} AND p.state IS DISTINCT FROM 'succeeded'
        UNION ALL
        SELECT e.account_id, min(e.id::text)::uuid, e.memo ->> 'payment_id', 'credited ' || count(*) || ' times'
        FROM ledger_entry e
        WHERE e.kind IN ({_TOPUPS}) AND {of("e")}
        GROUP BY e.account_id, e.memo ->> 'payment_id' HAVING count(*) > 1
        """,
        scope,
    )


@invariant("I9", "One charge at the gateway belongs to at most one payment.")
def a_charge_has_one_payment(scope: Scope) -> Iterator[Violation]:
    """The same gateway reference on two payments, or a reference that differs from the payment's own."""
    yield from violations(
        "I9",
        f"""
        SELECT p.gateway, p.gateway_ref, 'is on payments ' || string_agg(p.id::text, ', ')
        FROM payments_payment p WHERE p.gateway_ref <> ''
        GROUP BY p.gateway, p.gateway_ref HAVING count(*) > 1
        UNION ALL
        SELECT p.gateway, p.gateway_ref, 'payment ' || p.id || ' is known as ' || coalesce(r.gateway_ref, 'nothing')
        FROM payments_payment p LEFT JOIN payments_gatewayreference r ON r.payment_id = p.id
        WHERE {of("p")} AND (r.account_id IS DISTINCT FROM p.account_id
           OR (p.gateway_ref <> '' AND r.gateway_ref IS DISTINCT FROM p.gateway_ref))
        """,
        scope,
    )


# The two sides of reconciliation, old enough that neither may lag behind the other, and a line for each difference.
_BOTH_SIDES = f"""
    SELECT coalesce(m.gateway, p.gateway) AS gateway, coalesce(m.gateway_ref, p.gateway_ref) AS gateway_ref,
           coalesce(m.payment_id, p.id) AS payment_id, (coalesce(m.at, p.final_at) AT TIME ZONE 'UTC')::date AS day,
           m.amount_minor AS listed_minor, m.currency AS listed_currency,
           p.captured_minor, p.captured_currency, p.state,
           CASE WHEN p.captured_minor IS NULL THEN 'lost' WHEN m.id IS NULL THEN 'phantom' ELSE 'different' END AS fault,
           m.id IS NOT NULL AND p.captured_minor IS NOT NULL
               AND (m.amount_minor, m.currency) = (p.captured_minor, p.captured_currency) AS agrees
    FROM (SELECT m.*, r.account_id FROM payments_gatewaymovement m
          LEFT JOIN payments_gatewayreference r ON r.payment_id = m.payment_id AND r.gateway = m.gateway
          WHERE m.kind = 'charge' AND ({of("r")} OR r.account_id IS NULL)) m
    FULL JOIN (SELECT p.*, c.walked_at FROM payments_payment p LEFT JOIN payments_listcursor c ON c.gateway = p.gateway
               WHERE {of("p")} AND {_BY_GATEWAY}) p
      ON p.account_id = m.account_id AND p.id = m.payment_id
         AND (p.captured_minor IS NULL OR p.gateway_ref = m.gateway_ref)
    WHERE CASE WHEN m.id IS NULL THEN p.captured_minor IS NOT NULL AND p.final_at < least(p.walked_at, %(old)s)
               WHEN p.captured_minor IS NULL THEN m.at < %(old)s
               ELSE true END
"""


@invariant(
    "I10", "The gateway's list and the payments agree item by item: none lost, none invented, none different."
)
def the_gateway_agrees(scope: Scope) -> Iterator[Violation]:
    """Lost: charged and not credited. Phantom: credited and not in the list. Younger than 15 minutes is under way."""
    yield from violations(
        "I10",
        f"""
        SELECT gateway, gateway_ref, payment_id AS payment,
               CASE fault WHEN 'lost' THEN
                    'lost: charged ' || listed_minor || ' ' || listed_currency || ', payment is ' || coalesce(state, 'unknown')
               ELSE fault || ': captured ' || captured_minor || ' ' || captured_currency || ' here, '
                    || coalesce(listed_minor || ' ' || listed_currency, 'nothing') || ' in the list' END
        FROM ({_BOTH_SIDES}) both_sides WHERE NOT agrees
        UNION ALL
        SELECT m.gateway, min(m.gateway_ref), m.payment_id, 'charged ' || count(*) || ' times'
        FROM payments_gatewaymovement m WHERE m.kind = 'charge' AND m.payment_id IS NOT NULL
        GROUP BY m.gateway, m.payment_id HAVING count(*) > 1
        """,
        scope,
        old=scope.now - LIST_LAG,
    )


@invariant("I10", "Day by day and currency by currency the gateway's list adds up to what was captured here.")
def the_days_agree(scope: Scope) -> Iterator[Violation]:
    """Days, in UTC by the gateway's own time, whose sums differ, with how many items are lost, phantom and different.

    An incremental run adds up the payments of the changed accounts alone.
    """
    yield from violations(
        "I10",
        f"""
        SELECT gateway, day, coalesce(listed_currency, captured_currency) AS currency,
               'the list adds up to ' || coalesce(sum(listed_minor), 0) || ' minor units, captured here '
               || coalesce(sum(captured_minor), 0) || ': ' || count(*) FILTER (WHERE fault = 'lost') || ' lost, '
               || count(*) FILTER (WHERE fault = 'phantom') || ' phantom, '
               || count(*) FILTER (WHERE fault = 'different' AND NOT agrees) || ' different'
        FROM ({_BOTH_SIDES}) both_sides
        GROUP BY gateway, day, coalesce(listed_currency, captured_currency) HAVING bool_or(NOT agrees)
        ORDER BY day
        """,
        scope,
        old=scope.now - LIST_LAG,
    )


@invariant("I11", "Gateway clearing holds exactly what was captured, by account and currency.")
def clearing_is_what_was_captured(scope: Scope) -> Iterator[Violation]:
    """Compares the captures posted to gateway clearing with the captures on the payments."""
    yield from violations(
        "I11",
        f"""
        SELECT coalesce(b.account_id, c.account_id) AS account, coalesce(b.currency, c.currency) AS currency,
               'captured ' || coalesce(c.micros, 0) || ' micros, posted ' || coalesce(b.micros, 0)
        FROM (SELECT t.account_id, t.currency, sum(t.amount_micros) AS micros
              FROM ledger_transfer t
              JOIN ledger_entry e ON {of("e")} AND e.account_id = t.account_id AND e.id = t.entry_id
              WHERE {of("t")} AND t.debit = 'gateway_clearing' AND e.kind IN ('topup_card', 'unexpected_capture')
              GROUP BY t.account_id, t.currency) b
        FULL JOIN (SELECT p.account_id, p.captured_currency AS currency, sum(p.captured_minor * unit.micros) AS micros
                   FROM payments_payment p JOIN {MINOR} ON unit.currency = p.captured_currency
                   WHERE {of("p")} AND {_BY_GATEWAY}
                   GROUP BY p.account_id, p.captured_currency) c
          ON c.account_id = b.account_id AND c.currency = b.currency
        WHERE b.micros IS DISTINCT FROM c.micros
        """,
        scope,
    )


@invariant("I12", "Money in suspense has an open reconciliation break, so that a person knows of it.")
def suspense_is_known(scope: Scope) -> Iterator[Violation]:
    """Suspense that is not zero while no break of the account is open, and payments whose capture nobody watches."""
    yield from violations(
        "I12",
        f"""
        SELECT l.account_id AS account, l.currency, l.balance_micros || ' micros in suspense and no open break'
        FROM ledger_account l
        WHERE {of("l")} AND l.kind = 'suspense' AND l.balance_micros <> 0 AND NOT EXISTS (
            SELECT FROM payments_reconciliationbreak b
            WHERE b.account_id = l.account_id AND b.resolved_at IS NULL AND b.kind = 'unexpected_capture')
        """,
        scope,
    )


@invariant(
    "I12", "Every open reconciliation break has an owner within four hours and an end within two days."
)
def breaks_are_worked_on(scope: Scope) -> Iterator[Violation]:
    """Breaks that nobody took, or that are open too long. Looks at all open ones, whenever they were written."""
    yield from violations(
        "I12",
        """
        SELECT b.id AS break, b.kind, coalesce(b.account_id::text, '') AS account,
               coalesce(b.payment_id::text, '') AS payment,
               'open since ' || b.seen_at || CASE WHEN b.owner_id IS NULL THEN ' and nobody took it' ELSE '' END
        FROM payments_reconciliationbreak b
        WHERE b.resolved_at IS NULL AND (b.seen_at < %(ended)s OR (b.owner_id IS NULL AND b.seen_at < %(taken)s))
        ORDER BY b.seen_at
        """,
        scope,
        ended=scope.now - END_WITHIN,
        taken=scope.now - TAKE_WITHIN,
    )


@invariant("I13", "No account got back through the gateway more than was captured from it, in any currency.")
def refunds_are_covered(scope: Scope) -> Iterator[Violation]:
    """Refunds and disputes, less what was won back or reversed, against the captures of the payments."""
    yield from violations(
        "I13",
        f"""
        SELECT b.account_id AS account, b.currency,
               'given back ' || b.micros || ' micros, captured ' || coalesce(c.micros, 0)
        FROM (SELECT t.account_id, t.currency,
                     sum(CASE WHEN t.credit = 'gateway_clearing' THEN t.amount_micros ELSE -t.amount_micros END) AS micros
              FROM ledger_transfer t
              JOIN ledger_entry e ON {of("e")} AND e.account_id = t.account_id AND e.id = t.entry_id
              LEFT JOIN ledger_entry r ON r.account_id = e.account_id AND r.id = e.reverses_id
              WHERE {of("t")} AND 'gateway_clearing' IN (t.debit, t.credit)
                AND coalesce(r.kind, e.kind) IN ('refund', 'dispute', 'dispute_won', 'suspense_refund')
              GROUP BY t.account_id, t.currency) b
        LEFT JOIN (SELECT p.account_id, p.captured_currency AS currency, sum(p.captured_minor * unit.micros) AS micros
                   FROM payments_payment p JOIN {MINOR} ON unit.currency = p.captured_currency
                   WHERE {of("p")} AND {_BY_GATEWAY}
                   GROUP BY p.account_id, p.captured_currency) c
          ON c.account_id = b.account_id AND c.currency = b.currency
        WHERE b.micros > coalesce(c.micros, 0)
        """,
        scope,
    )


@invariant(
    "I14", "No payment stays unknown for 15 minutes without a break, and each open one will be asked about."
)
def no_silence_is_forgotten(scope: Scope) -> Iterator[Violation]:
    """Open payments that are too old, that nobody sends, or that nobody will ask about. Looks at all open ones."""
    yield from violations(
        "I14",
        """
        SELECT p.account_id AS account, p.id AS payment, p.state || ' since ' || coalesce(p.submitted_at, p.created_at)
               || CASE WHEN p.asks = 0 THEN ' and no answer was ever written down' ELSE '' END
        FROM payments_payment p
        WHERE p.state IN ('created', 'submitted')
          AND coalesce(p.submitted_at, p.created_at) < CASE WHEN p.asks = 0 THEN %(unsent)s ELSE %(unresolved)s END
          AND NOT EXISTS (SELECT FROM payments_reconciliationbreak b
                          WHERE b.payment_id = p.id AND b.resolved_at IS NULL)
        UNION ALL
        SELECT p.account_id, p.id, p.state || ' and nobody will ask about it'
        FROM payments_payment p
        WHERE p.state IN ('created', 'submitted', 'action_required') AND p.next_ask_at IS NULL
        UNION ALL
        SELECT p.account_id, p.id, 'under review and no open break says so'
        FROM payments_payment p
        WHERE p.state = 'review' AND NOT EXISTS (SELECT FROM payments_reconciliationbreak b
                                                 WHERE b.payment_id = p.id AND b.resolved_at IS NULL)
        """,
        scope,
        unsent=scope.now - UNSENT_MAX,
        unresolved=scope.now - UNRESOLVED_AFTER,
    )


@invariant("I26", "No webhook whose payment exists waits longer than five minutes.")
def the_inbox_is_read(scope: Scope) -> Iterator[Violation]:
    """Webhooks that were kept and not applied. Looks at all that wait."""
    yield from violations(
        "I26",
        """
        SELECT i.gateway, i.event_id AS event, 'unapplied since ' || i.received_at || ', tries ' || i.tries
        FROM payments_inboxevent i JOIN payments_gatewayreference r ON r.payment_id = i.payment_id
        WHERE i.applied_at IS NULL AND i.received_at < %(old)s
        """,
        scope,
        old=scope.now - INBOX_AGE_MAX,
    )


@invariant("CLOCK", "In the last hour no rightly signed webhook was signed far from our clock.")
def the_clocks_agree(scope: Scope) -> Iterator[Violation]:
    """Webhooks that were refused for their time, or nearly."""
    yield from violations(
        "CLOCK",
        """
        SELECT t.gateway, t.what, t.times || ' times since ' || t.hour || ', ' || t.skew_s || ' s before our clock'
        FROM payments_webhooktally t WHERE t.what = ANY (%(clock)s) AND t.last_at >= %(since)s
        """,
        scope,
        clock=list(tally.OF_THE_CLOCK),
        since=scope.now - CLOCK_AGE_MAX,
    )
