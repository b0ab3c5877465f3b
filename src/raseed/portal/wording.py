"""What payments are called on the pages: which declines the same card survives, and the number of a case."""

from typing import Final
from uuid import UUID

from raseed.gateways.port import DeclineCode

# The same card can serve again at once: the person failed, not the card.
SAME_CARD: Final = frozenset(
    {
        DeclineCode.AUTHENTICATION_FAILED,
        DeclineCode.AUTHENTICATION_REQUIRED,
        DeclineCode.INCORRECT_DETAILS,
    }
)


def case_number(payment_id: UUID) -> str:
    """Name a review so that it can be read out on the phone and found by staff: the end of the payment's id."""
    return payment_id.hex[-8:].upper()
