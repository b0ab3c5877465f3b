"""Whose payment is it? The gateway names a payment by our id and knows no account."""

from uuid import UUID

from raseed.payments.models import GatewayReference


def owner_of(gateway_name: str, payment_id: UUID | None) -> GatewayReference | None:
    """The account and payment behind our id at this gateway; None if it is none of ours."""
    if payment_id is None:
        return None
    return GatewayReference.objects.filter(payment_id=payment_id, gateway=gateway_name).first()


def owner_of_part(gateway_name: str, payment_id: UUID | None, gateway_ref: str) -> GatewayReference | None:
    """As `owner_of`, for news about a refund or dispute: some gateways name the payment by their own id alone."""
    if payment_id is not None:
        return owner_of(gateway_name, payment_id)
    return GatewayReference.objects.filter(gateway=gateway_name, gateway_ref=gateway_ref).first()
