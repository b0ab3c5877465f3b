"""What the end of a payment means for automatic recharge. `settle` calls this in the transaction that moved the payment."""

from datetime import datetime

from raseed.balance.lines import arm
from raseed.balance.models import Line, LineKind
from raseed.db.queue import defer
from raseed.gateways.port import Declined, Outcome
from raseed.payments.models import Payment, Purpose
from raseed.payments.recharge import series
from raseed.payments.recharge.reasons import NOT_CONFIRMED, Cause
from raseed.payments.states import State


def moved(payment: Payment, outcome: Outcome, now: datetime) -> None:
    """The payment is in another state now."""
    is_recharge = payment.purpose == Purpose.RECHARGE
    match State(payment.state):
        case State.SUCCEEDED:
            if is_recharge:
                series.succeeded(payment, now)
            if LineKind.RECHARGE in arm(payment.account_id):
                _consider(payment)
            if payment.save_method and payment.method_id is not None:
                series.card_changed(payment.account_id, now)
        case State.FAILED if is_recharge:
            # A request that was refused is our mistake, or the card is gone: neither speaks against the card.
            retryable = outcome.retryable if isinstance(outcome, Declined) else True
            series.failed(payment, payment.decline_code, now, retryable=retryable)
        case State.CANCELED if is_recharge:
            series.failed(payment, NOT_CONFIRMED, now, retryable=True)
        case State.ACTION_REQUIRED if is_recharge:
            series.must_confirm(payment, now)
        case State.FAILED | State.CANCELED:
            # It counted as balance while it was under way.
            if Line.objects.filter(
                account_id=payment.account_id, kind=LineKind.RECHARGE, crossed_at__isnull=False
            ).exists():
                _consider(payment)
        case _:
            pass


def _consider(payment: Payment) -> None:
    defer("payments.consider_recharge", account_id=payment.account_id, cause=Cause.PAYMENT.value)
