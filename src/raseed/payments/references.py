"""Whose payment is it? The gateway names a payment by our id and knows no account."""

from uuid import UUID

from raseed.payments.models import GatewayReference


def owner_of(gateway_name: str, payment_id: UUID | None) -> GatewayReference | None:
    """The account and payment behind our id at this gateway; None if it is none of ours."""
    if payment_id is None:
        return None
    return GatewayReference.objects.filter(payment_id=payment_id, gateway=gateway_name).first()
