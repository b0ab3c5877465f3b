"""How the tries stand, and what a payment's end does to them. Called inside the transaction that ends the payment.

A try charges the account's cards one after the other until one pays. A try that fails is followed by the next 24 hours
later, three in all; then recharge is paused until somebody acts. What counts is in the database: a restart forgets nothing.
Nothing here calls a gateway.
"""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from raseed.balance.equation import available
from raseed.db.queue import defer
from raseed.db.transactions import atomic
from raseed.events.models import EventKind
from raseed.events.tell import tell
from raseed.money import Money, decimal_text
from raseed.payments.models import Payment
from raseed.payments.recharge import cards, history
from raseed.payments.recharge.models import BarredCard, RechargeSeries, RechargeSettings
from raseed.payments.recharge.reasons import BARS, Cause, Reason, Remedy, remedy_of
from raseed.payments.states import OPEN

TRIES_MAX: Final = 3
RETRY_AFTER: Final = timedelta(hours=24)
# So long may an Admin confirm at the bank what it would not charge unattended.
CONFIRM_WITHIN: Final = timedelta(hours=24)
# Should the job that goes on be lost, the sweep finds the try after this.
LOOK_AGAIN_AFTER: Final = timedelta(minutes=1)


def locked(account_id: UUID) -> RechargeSeries:
    """The account's row, locked; made if it is not there."""
    RechargeSeries.objects.bulk_create([RechargeSeries(account_id=account_id)], ignore_conflicts=True)
    return RechargeSeries.objects.select_for_update().get(account_id=account_id)


def forget_failures(series: RechargeSeries) -> None:
    """Somebody has acted, or the card paid: begin anew."""
    series.failures, series.next_try_at, series.look_at = 0, None, None
    series.paused_at, series.paused_why = None, ""


def card_changed(account_id: UUID, now: datetime) -> None:
    """A card was added, or is another one's in the order now: try at once if the balance is low. Whatever failed is forgotten."""
    with atomic():
        if not RechargeSettings.objects.filter(account_id=account_id, is_on=True).exists():
            return
        series = locked(account_id)
        forget_failures(series)
        series.is_trying = series.is_trying and _is_open(account_id)
        series.look_at = now + LOOK_AGAIN_AFTER
        series.save()
        defer("payments.consider_recharge", account_id=account_id, cause=Cause.CARD.value)


def succeeded(payment: Payment, now: datetime) -> None:
    """The card paid: all failures are forgotten."""
    series = locked(payment.account_id)
    forget_failures(series)
    series.is_trying = False
    series.save()
    facts = {
        "payment_id": str(payment.id),
        "amount": decimal_text(Money(payment.credit_micros, payment.currency)),
        "currency": payment.currency,
    }
    tell(payment.account_id, EventKind.RECHARGE_SUCCEEDED, facts, now)


def must_confirm(payment: Payment, now: datetime) -> None:
    """The bank wants an Admin: they are told by mail and on the page, and nothing else is charged meanwhile."""
    series = locked(payment.account_id)
    until = now + CONFIRM_WITHIN
    history.became(payment, Reason.AUTHENTICATION, series.tries, _seen(payment), now, next_at=until)


def failed(payment: Payment, code: str, now: datetime, *, retryable: bool) -> None:
    """A card did not pay: go on with the next one, or end the try."""
    remedy = remedy_of(code, retryable=retryable)
    if remedy in BARS and payment.method_id is not None:
        BarredCard.objects.bulk_create(
            [
                BarredCard(
                    account_id=payment.account_id, method_id=payment.method_id, decline_code=code, at=now
                )
            ],
            ignore_conflicts=True,
        )
    series = locked(payment.account_id)
    usable = cards.usable(payment.account_id, now)
    if series.is_trying and cards.untried(payment.account_id, series.tries, usable):
        history.became(payment, Reason.DECLINED, series.tries, _seen(payment), now, code=code)
        series.look_at = now + LOOK_AGAIN_AFTER
        series.save()
        defer("payments.consider_recharge", account_id=payment.account_id, cause=Cause.FALL_BACK.value)
        return
    end_try(series, now)
    if remedy is Remedy.AUTHENTICATE or not usable:
        _pause(series, remedy.value, now)
    if series.paused_at:
        history.became(payment, Reason.GAVE_UP, series.tries, _seen(payment), now, code=code)
    else:
        history.became(
            payment, Reason.DECLINED, series.tries, _seen(payment), now, code=code, next_at=series.next_try_at
        )
    series.save()


def end_try(series: RechargeSeries, now: datetime) -> None:
    """Count a try that failed: the next one is in 24 hours, after the third there is none. The caller saves."""
    series.is_trying = False
    series.failures += 1
    series.next_try_at = series.look_at = now + RETRY_AFTER
    if series.failures >= TRIES_MAX:
        _pause(series, Remedy.TRY_LATER.value, now)


def _pause(series: RechargeSeries, why: str, now: datetime) -> None:
    series.paused_at, series.paused_why = now, why
    series.next_try_at = series.look_at = None


def _is_open(account_id: UUID) -> bool:
    return Payment.objects.filter(account_id=account_id, purpose="recharge", state__in=OPEN).exists()


def _seen(payment: Payment) -> history.Seen:
    return history.Seen(available(payment.account).micros)
