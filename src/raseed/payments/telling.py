"""What the operator's service is told of a payment's end. The facts name the payment; nothing of the card but its last four."""

from datetime import datetime

from raseed.events.models import EventKind
from raseed.events.tell import tell
from raseed.money import Money, decimal_text
from raseed.payments.models import Payment


def tell_of(payment: Payment, kind: EventKind, now: datetime) -> None:
    """Put it into the outbox, in the caller's transaction: one statement."""
    tell(
        payment.account_id,
        kind,
        {
            "payment_id": str(payment.id),
            "purpose": payment.purpose,
            "credited": decimal_text(Money(payment.credit_micros, payment.currency)),
            "charged": decimal_text(Money.from_minor(payment.charge_minor, payment.currency)),
            "currency": payment.currency,
            "card_last4": payment.card_last4,
            "decline_code": payment.decline_code,
        },
        now,
    )
