"""Ask about every silence: the first of the two roads by which nothing stays unknown; the other is `walk`.

A payment whose outcome is open is asked about until it is final. "Not found" is never taken for "not charged":
the same request is sent again with the same key, which either charges once or tells what happened. After the
gateway has forgotten keys (23 hours here) only its own list decides, and a person is told.
"""

import logging
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import Q

from raseed.db.guard import across_accounts
from raseed.db.queue import defer
from raseed.db.transactions import atomic
from raseed.failpoints import failpoint
from raseed.gateways.port import NotFound, Outcome, Refused, Unknown
from raseed.gateways.registry import gateway
from raseed.payments import breaker, follow_refund, paynow
from raseed.payments.asking import (
    ASK_AGAIN_AFTER_FAULT,
    ASK_AT_MOST_EVERY,
    KEY_HORIZON,
    SWEEP_LIMIT,
    UNRESOLVED_AFTER,
)
from raseed.payments.breaks import BreakKind, report
from raseed.payments.models import Payment, Purpose
from raseed.payments.recharge.series import CONFIRM_WITHIN
from raseed.payments.seats import seat
from raseed.payments.states import FINAL, Cause, State, move
from raseed.payments.ties import settle_and_untie
from raseed.payments.walk import Walked, walk_list

logger = logging.getLogger(__name__)

# The customer may take this long on the bank's pages; then the payment is canceled at the bank first.
ABANDONED_AFTER = timedelta(minutes=30)


def follow(account_id: UUID, payment_id: UUID, cause: Cause, now: datetime) -> Payment:
    """Ask the gateway about one payment, unless somebody asked within the last second or it must not be asked now.

    A payment that failed or was canceled is asked about once more when its customer comes back from the bank: there it
    may have succeeded late.
    """
    payment = Payment.objects.get(account_id=account_id, id=payment_id)
    if not _is_worth_asking(payment, cause) or (payment.busy_until is not None and now < payment.busy_until):
        return payment
    if not breaker.may_ask(payment.gateway, now):
        return _escalate(_put_off(payment, now), Unknown("the circuit is open"), now)
    if payment.state == State.CREATED:
        return paynow.submit(account_id, payment_id, now, cause)
    with seat(cause) as free:
        if not free or not _claim(payment, cause, now):
            return _soon(payment, cause, now)
        outcome = _ask(payment, now)
    breaker.record(payment.gateway, outcome, now)
    payment = settle_and_untie(account_id, payment_id, outcome, cause, now)
    return _escalate(payment, outcome, now)


def give_up(account_id: UUID, payment_id: UUID, now: datetime) -> Payment:
    """Its customer wants to pay otherwise: cancel it at the gateway first. What the gateway says is then so is settled."""
    payment = Payment.objects.get(account_id=account_id, id=payment_id)
    if payment.state != State.ACTION_REQUIRED or not breaker.may_ask(payment.gateway, now):
        return payment
    with seat(Cause.PAGE) as free:
        if not free:
            return payment
        outcome = gateway(payment.gateway).cancel(payment.gateway_ref)
    breaker.record(payment.gateway, outcome, now)
    return settle_and_untie(account_id, payment_id, outcome, Cause.PAGE, now)


def _is_worth_asking(payment: Payment, cause: Cause) -> bool:
    match State(payment.state):
        case State.CREATED | State.SUBMITTED | State.ACTION_REQUIRED:
            return True
        case State.FAILED | State.CANCELED:
            return cause is Cause.PAGE and bool(payment.gateway_ref)
        case State.SUCCEEDED | State.REVIEW:
            return False


def _put_off(payment: Payment, now: datetime) -> Payment:
    """The gateway is silent: ask when the next probe is due. The sweep finds the payment then."""
    row = Payment.objects.filter(
        account_id=payment.account_id, id=payment.id, state=payment.state, next_ask_at__isnull=False
    )
    row.update(next_ask_at=now + breaker.PROBE_EVERY)
    return payment


def _claim(payment: Payment, cause: Cause, now: datetime) -> bool:
    """Take the question, so that nobody else asks it within the same second, and the sweep not while it is asked."""
    row = Payment.objects.filter(
        Q(asked_at__isnull=True) | Q(asked_at__lte=now - ASK_AT_MOST_EVERY),
        account_id=payment.account_id,
        id=payment.id,
        state=payment.state,
    )
    taken: dict[str, object] = {"asked_at": now}
    if cause is Cause.PAGE:
        # Somebody waits for the answer again: the pauses begin anew.
        taken["asks"] = 0
    if payment.next_ask_at is not None:
        # Should this process die, it is due again when the answer would have come.
        taken["next_ask_at"] = max(payment.next_ask_at, now + timedelta(seconds=settings.GATEWAY_TIMEOUT_S))
    return bool(row.update(**taken))


def _soon(payment: Payment, cause: Cause, now: datetime) -> Payment:
    """The customer is back, and the question cannot be asked this very second: the worker asks it in the next."""
    if cause is Cause.PAGE and State(payment.state) not in FINAL:
        soon = now + ASK_AT_MOST_EVERY
        with atomic():
            Payment.objects.filter(account_id=payment.account_id, id=payment.id, state=payment.state).update(
                next_ask_at=soon
            )
            defer("payments.follow", run_at=soon, account_id=payment.account_id, payment_id=payment.id)
    return payment


def patience(payment: Payment) -> timedelta:
    """How long a customer may take at the bank: of an automatic recharge they only hear by mail."""
    return CONFIRM_WITHIN if payment.purpose == Purpose.RECHARGE else ABANDONED_AFTER


def _ask(payment: Payment, now: datetime) -> Outcome:
    bank = gateway(payment.gateway)
    age = now - (payment.submitted_at or payment.created_at)
    if payment.state == State.ACTION_REQUIRED and age > patience(payment):
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
    """A payment that stays open too long becomes a row that a person sees; past the key horizon, a review."""
    age = now - (payment.submitted_at or payment.created_at)
    limit = {State.SUBMITTED: UNRESOLVED_AFTER, State.ACTION_REQUIRED: patience(payment) + UNRESOLVED_AFTER}
    if payment.state not in limit or age <= limit[State(payment.state)]:
        return payment
    report(BreakKind.UNRESOLVED, payment, payment.gateway_ref, type(outcome).__name__, now)
    if age < KEY_HORIZON:
        return payment
    with atomic():
        locked = Payment.objects.select_for_update().get(account_id=payment.account_id, id=payment.id)
        if locked.state in limit:
            move(locked, State.REVIEW, Cause.RECONCILE, now)
    return locked


def ask_silent(now: datetime) -> int:
    """Ask about every payment that is due, at most 200: those that were just begun and those whose own job was lost.
    Returns how many.

    One that cannot be asked about does not keep the others waiting. While the circuit is open one question is enough; if its
    answer closes the circuit, all those that were put off are asked about at once.
    """
    ahead = breaker.PROBE_EVERY if breaker.is_open(settings.GATEWAY) else timedelta(0)
    with across_accounts("the sweep looks for due payments of all accounts"):
        due = list(
            Payment.objects.filter(
                next_ask_at__lte=now + ahead, state__in=["created", "submitted", "action_required"]
            )
            .order_by("next_ask_at")
            .values_list("account_id", "id", "gateway")[:SWEEP_LIMIT]
        )
    for asked, (account_id, payment_id, gateway_name) in enumerate(due, start=1):
        try:
            follow(account_id, payment_id, Cause.RECONCILE, now)
        except Exception:
            logger.exception("payment %s cannot be asked about", payment_id)
            Payment.objects.filter(account_id=account_id, id=payment_id).update(
                next_ask_at=now + ASK_AGAIN_AFTER_FAULT
            )
        if breaker.is_open(gateway_name):
            return asked
    return len(due)


def reconcile(now: datetime) -> tuple[int, Walked]:
    """Both roads, once: how many silences, of payments and refunds, were asked about, and what the list said."""
    return ask_silent(now) + follow_refund.ask_silent(now), walk_list(settings.GATEWAY, now)
