"""What cards and declines are called, on pages and in mails. It must never name a reason that a card tester could learn from:
declines that the customer cannot act on share one sentence.
"""

from typing import Final

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
    DeclineCode.AUTHENTICATION_REQUIRED: _("your bank wants you to confirm the payment yourself."),
    DeclineCode.GENERIC: _("your bank did not accept the card. Use another card, or ask your bank."),
}


def card_name(brand: str, last4: str) -> str:
    """Name a card by brand and last four digits; a card that is not typed yet is just a card."""
    if not last4:
        return gettext("card")
    return name_of(brand, last4)


def decline_reason(code: str) -> str | Promise:
    """Say why the card was declined, as far as it may be told; empty for a failure that was not the card's."""
    return DECLINES.get(code, "")
