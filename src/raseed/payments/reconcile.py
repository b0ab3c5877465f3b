"""Ask about every silence, and walk the gateway's own list: the two roads by which nothing stays unknown.

A payment whose outcome is open is asked about until it is final. "Not found" is never taken for "not charged":
the same request is sent again with the same key, which either charges once or tells what happened. After the
gateway has forgotten keys (23 hours here) only its own list decides, and a person is told.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from uuid import UUID

from django.conf import settings
from django.db.models import Q

from raseed.db.guard import across_accounts
from raseed.db.transactions import atomic
from raseed.failpoints import failpoint
from raseed.gateways.port import (
    GatewayUnavailable,
    Movement,
    MovementKind,
    NotFound,
    Outcome,
    Page,
    Refused,
    Succeeded,
    Unknown,
)
from raseed.gateways.registry import gateway
from raseed.payments import breaker, paynow
from raseed.payments.breaks import BreakKind, report, report_unknown_charge
from raseed.payments.models import GatewayMovement, ListCursor, Payment
from raseed.payments.references import owner_of
from raseed.payments.settle import settle
from raseed.payments.states import FINAL, Cause, State, move

logger = logging.getLogger(__name__)

ASK_AT_MOST_EVERY = timedelta(seconds=1)
# Idempotency keys live 24 h at some gateways; past 23 h a re-send could be a second charge.
KEY_HORIZON = timedelta(hours=23)
# The customer may take this long on the bank's pages; then the payment is canceled at the bank first.
ABANDONED_AFTER = timedelta(minutes=30)
UNRESOLVED_AFTER = timedelta(minutes=15)
SWEEP_LIMIT = 200
PAGE_LIMIT = 500


def follow(account_id: UUID, payment_id: UUID, cause: Cause, now: datetime) -> Payment:
    """Ask the gateway about one payment whose outcome is open, unless somebody asked within the last second."""
    payment = Payment.objects.get(account_id=account_id, id=payment_id)
    if State(payment.state) in FINAL or payment.state == State.REVIEW:
        return payment
    if payment.state == State.CREATED:
        return paynow.submit(account_id, payment_id, now, cause)
    claimed = Payment.objects.filter(
        Q(asked_at__isnull=True) | Q(asked_at__lte=now - ASK_AT_MOST_EVERY),
        account_id=account_id,
        id=payment_id,
    ).update(asked_at=now)
    if not claimed:
        return payment
    outcome = _ask(payment, now)
    breaker.record(payment.gateway, outcome, now)
    payment = settle(account_id, payment_id, outcome, cause, now)
    if (
        payment.state == State.SUBMITTED
        and payment.submitted_at
        and now - payment.submitted_at > UNRESOLVED_AFTER
    ):
        return _escalate(payment, outcome, now)
    return payment


def _ask(payment: Payment, now: datetime) -> Outcome:
    bank = gateway(payment.gateway)
    age = now - (payment.submitted_at or payment.created_at)
    if payment.state == State.ACTION_REQUIRED and age > ABANDONED_AFTER:
        return bank.cancel(payment.gateway_ref)
    outcome = bank.fetch(payment.gateway_ref) if payment.gateway_ref else bank.find_by_reference(payment.id)
    failpoint("KP13", payment.id)
    if isinstance(outcome, NotFound) and not payment.gateway_ref and age < KEY_HORIZON:
        outcome = paynow.send(payment)
        failpoint("KP14", payment.id)
        if isinstance(outcome, Refused):
            # It refuses this request; about the first one, which may have arrived, it says nothing.
            return Unknown(f"re-send refused: {outcome.reason}")
    return outcome


def _escalate(payment: Payment, outcome: Outcome, now: datetime) -> Payment:
    """A payment that stays unknown too long becomes a row that a person sees; past the key horizon, a review."""
    report(BreakKind.UNRESOLVED, payment, payment.gateway_ref, type(outcome).__name__, now)
    if payment.submitted_at is None or now - payment.submitted_at < KEY_HORIZON:
        return payment
    with atomic():
        locked = Payment.objects.select_for_update().get(account_id=payment.account_id, id=payment.id)
        if locked.state == State.SUBMITTED:
            move(locked, State.REVIEW, Cause.RECONCILE, now)
    return locked


def ask_silent(now: datetime) -> int:
    """Ask about every payment that is due, at most 200; for those whose own job was lost. Returns how many."""
    with across_accounts("the sweep looks for due payments of all accounts"):
        due = list(
            Payment.objects.filter(
                next_ask_at__lte=now, state__in=["created", "submitted", "action_required"]
            )
            .order_by("next_ask_at")
            .values_list("account_id", "id")[:SWEEP_LIMIT]
        )
    for account_id, payment_id in due:
        follow(account_id, payment_id, Cause.RECONCILE, now)
    return len(due)


@dataclass(frozen=True)
class Walked:
    """What one walk of the list found: lines read, payments settled by it, charges that name no payment of ours."""

    lines: int
    settled: int
    unknown: int


def walk_list(gateway_name: str, now: datetime) -> Walked:
    """Read the gateway's list from where the last walk ended, copy it, and settle every charge that we missed.

    Raises GatewayUnavailable; what was read before is kept and the next walk goes on from there.
    """
    lines = settled = unknown = 0
    cursor, _made = ListCursor.objects.get_or_create(gateway=gateway_name, defaults={"walked_at": now})
    position = cursor.cursor
    while True:
        page: Page = gateway(gateway_name).list_since(position, PAGE_LIMIT)
        _copy(gateway_name, page.movements)
        for movement in page.movements:
            if movement.kind is MovementKind.CHARGE:
                found = _settle_charge(gateway_name, movement, now)
                settled += found is _Line.SETTLED
                unknown += found is _Line.UNKNOWN
        lines += len(page.movements)
        position = page.next_cursor or position
        # Only after all of the page is settled: a walk that dies here, or gets no answer, reads the page again.
        ListCursor.objects.filter(gateway=gateway_name).update(cursor=position, walked_at=now)
        if not page.more:
            return Walked(lines, settled, unknown)


def _copy(gateway_name: str, movements: tuple[Movement, ...]) -> None:
    GatewayMovement.objects.bulk_create(
        [
            GatewayMovement(
                gateway=gateway_name,
                cursor=line.cursor,
                kind=line.kind,
                gateway_ref=line.gateway_ref,
                payment_id=line.payment_id,
                amount_minor=line.amount_minor,
                currency=line.currency,
                at=line.at,
            )
            for line in movements
        ],
        ignore_conflicts=True,
    )


class _Line(Enum):
    """What became of a charge in the list."""

    SETTLED = auto()
    KNOWN = auto()
    UNKNOWN = auto()


def _settle_charge(gateway_name: str, movement: Movement, now: datetime) -> _Line:
    """Settle the payment of a charge unless it is. Raises GatewayUnavailable if the gateway will not confirm it now."""
    owner = owner_of(gateway_name, movement.payment_id)
    if owner is None:
        detail = f"{movement.amount_minor} {movement.currency} at {movement.at.isoformat()}"
        report_unknown_charge(gateway_name, movement.gateway_ref, detail, now)
        return _Line.UNKNOWN
    payment = Payment.objects.get(account_id=owner.account_id, id=owner.payment_id)
    if payment.captured_minor is not None and payment.gateway_ref == movement.gateway_ref:
        return _Line.KNOWN
    outcome = gateway(gateway_name).fetch(movement.gateway_ref)
    if not isinstance(outcome, Succeeded):
        # The list says charged. Passing the line now would lose a late success of a payment that failed here.
        raise GatewayUnavailable(
            f"charge {movement.gateway_ref} is in the list, and asked for it says {outcome}"
        )
    settle(owner.account_id, owner.payment_id, outcome, Cause.RECONCILE, now)
    return _Line.SETTLED


def reconcile(now: datetime) -> tuple[int, Walked]:
    """Both roads, once: how many silences were asked about, and what the list said."""
    return ask_silent(now), walk_list(settings.GATEWAY, now)
