"""What payments are called on the pages: which declines the same card survives, and the number of a case."""

from typing import Final
from uuid import UUID

from raseed.gateways.port import DeclineCode
from raseed.payments.models import OfflineMethod, Payment, Purpose
from raseed.payments.wording import card_name

# The same card can serve again at once: the person failed, not the card.
SAME_CARD: Final = frozenset(
    {
        DeclineCode.AUTHENTICATION_FAILED,
        DeclineCode.AUTHENTICATION_REQUIRED,
        DeclineCode.INCORRECT_DETAILS,
    }
)


def method_name(payment: Payment) -> str:
    """Name how a payment was, or is to be, made: the card, or that it came by transfer or in cash."""
    if payment.purpose == Purpose.OFFLINE:
        return str(OfflineMethod(payment.gateway).label)
    return card_name(payment.card_brand, payment.card_last4)


def case_number(payment_id: UUID) -> str:
    """Name a review so that it can be read out on the phone and found by staff: the end of the payment's id."""
    return payment_id.hex[-8:].upper()
