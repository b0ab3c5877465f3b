"""How much of a payment disputes hold: counted on the payment's row, beside what refunds give back of it."""

from django.db.models import Sum

from raseed.gateways.port import DisputeState
from raseed.payments.models import Payment, PaymentDispute


def recount(payment: Payment) -> int:
    """Count the open and lost disputes of a payment that the caller has locked; what they take beyond the captured rest.

    More than the rest cannot be held on the row. A bank that takes it all the same is a fact, and the caller tells a person.
    """
    payment.refresh_from_db(fields=["refunded_minor", "captured_minor"])
    taken = PaymentDispute.objects.filter(
        account_id=payment.account_id,
        payment_id=payment.id,
        state__in=[DisputeState.OPEN, DisputeState.LOST],
        currency=payment.captured_currency,
    ).aggregate(minor=Sum("amount_minor"))
    disputed = int(taken["minor"] or 0)
    payment.disputed_minor = min(disputed, (payment.captured_minor or 0) - payment.refunded_minor)
    payment.save(update_fields=["disputed_minor"])
    return disputed - payment.disputed_minor
