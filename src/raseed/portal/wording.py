"""What payments are called on the pages: cards, reasons of a decline, cases. It must never name a reason that a card
tester could learn from: declines that the customer cannot act on share one sentence.
"""

from typing import Final
from uuid import UUID

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from raseed.gateways.port import DeclineCode
from raseed.payments.cards.names import name_of

DECLINES: Final[dict[str, str | Promise]] = {
    DeclineCode.INSUFFICIENT_FUNDS: _("the card has insufficient funds."),
    DeclineCode.EXPIRED_CARD: _("the card has expired."),
    DeclineCode.INCORRECT_DETAILS: _("the card's number, expiry date or security code is not right."),
    DeclineCode.LIMIT_EXCEEDED: _("the amount is above the card's limit. Ask your bank, or pay less."),
    DeclineCode.AUTHENTICATION_FAILED: _("your bank could not confirm that it was you."),
    DeclineCode.GENERIC: _("your bank did not accept the card. Use another card, or ask your bank."),
}
# The same card can serve again at once: the person failed, not the card.
SAME_CARD: Final = frozenset({DeclineCode.AUTHENTICATION_FAILED, DeclineCode.INCORRECT_DETAILS})


def card_name(brand: str, last4: str) -> str:
    """Name a card by brand and last four digits; a card that is not typed yet is just a card."""
    if not last4:
        return gettext("card")
    return name_of(brand, last4)


def decline_reason(code: str) -> str | Promise:
    """Say why the card was declined, as far as it may be told; empty for a failure that was not the card's."""
    return DECLINES.get(code, "")


def case_number(payment_id: UUID) -> str:
    """Name a review so that it can be read out on the phone and found by staff: the end of the payment's id."""
    return payment_id.hex[-8:].upper()
