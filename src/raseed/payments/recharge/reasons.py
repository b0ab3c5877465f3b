"""Every reason for which an automatic recharge is or is not made, with the sentence that an Admin reads.

The names are stored and never change. `%(…)s` are filled in by whoever shows the sentence; a sentence may leave some out.
"""

from enum import StrEnum
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from raseed.gateways.port import DeclineCode


class Cause(StrEnum):
    """What made us look."""

    CROSSED = "crossed"  # a deduction, or new settings, brought the balance to the threshold
    RETRY = "retry"  # the sweep: a try is due, or an event was missed
    FALL_BACK = "fall_back"  # a card was declined and another one is left
    CARD = "card"  # a card was added or changed
    PAYMENT = "payment"  # a payment ended and the balance is still low


class Reason(StrEnum):
    """Why: the first is the only yes. The last three say what became of a try; all others are a no."""

    CHARGE = "charge"
    SWITCHED_OFF = "switched_off"
    NO_CONSENT = "no_consent"
    CLOSED = "closed"
    SUSPENDED = "suspended"
    ABOVE_THRESHOLD = "above_threshold"
    PENDING = "pending"
    NO_CARD = "no_card"
    IN_FLIGHT = "in_flight"
    PAUSED = "paused"
    BACKING_OFF = "backing_off"
    DAY_CAP = "day_cap"
    MONTH_CAP = "month_cap"
    NOT_OFFERED = "not_offered"
    GATEWAY_DOWN = "gateway_down"
    AUTHENTICATION = "authentication"
    DECLINED = "declined"
    GAVE_UP = "gave_up"


SENTENCES: Final[dict[Reason, str | Promise]] = {
    Reason.CHARGE: _("%(card)s is charged %(charge)s, because the balance came to %(available)s."),
    Reason.SWITCHED_OFF: _("Not charged: automatic recharge was switched off."),
    Reason.NO_CONSENT: _("Not charged: nobody has agreed yet that the card is charged automatically."),
    Reason.CLOSED: _("Not charged: the account is closed."),
    Reason.SUSPENDED: _(
        "Not charged: the account is suspended by support, or for a disputed payment. Ask support."
    ),
    Reason.ABOVE_THRESHOLD: _(
        "Not charged: the balance was above the threshold again, at %(available)s, before the card was charged."
    ),
    Reason.PENDING: _(
        "Not charged: a payment of %(pending)s is being confirmed and will bring the balance above the threshold."
    ),
    Reason.NO_CARD: _(
        "Not charged: there is no saved card that can be charged automatically. Save a card, and it is tried at once."
    ),
    Reason.IN_FLIGHT: _("Not charged again: a recharge is under way."),
    Reason.PAUSED: _(
        "Not charged: automatic recharge is paused. Change the card or save the settings, and it goes on."
    ),
    Reason.BACKING_OFF: _("Not charged: the last try failed. The next one is on %(next)s."),
    Reason.DAY_CAP: _(
        "Not charged: the day’s cap of %(cap)s is reached. It may be charged again on %(next)s."
    ),
    Reason.MONTH_CAP: _(
        "Not charged: the month’s cap of %(cap)s would be exceeded. It may be charged again on %(next)s."
    ),
    Reason.NOT_OFFERED: _("Not charged: payments in this currency are not set up. Ask support."),
    Reason.GATEWAY_DOWN: _(
        "Not charged: card payments are not available at the moment. It is tried again by itself."
    ),
    Reason.AUTHENTICATION: _(
        "Not charged yet: the bank of %(card)s wants you to confirm %(charge)s yourself, until %(next)s."
    ),
    Reason.DECLINED: _("Not charged: %(card)s was declined: %(decline)s"),
    Reason.GAVE_UP: _("Not charged, and paused: %(card)s was declined: %(decline)s"),
}
# What is added where an operator's limit decided the amount.
BOUNDS: Final[dict[str, str | Promise]] = {
    "maximum": _("That is the largest payment; the balance stays below what you asked for."),
    "minimum": _("That is the smallest payment; the balance comes a little above what you asked for."),
}
# What follows a decline, after its sentence.
NEXT_CARD: Final = _("The next card is tried at once.")
NEXT_TRY: Final = _("The next try is on %(next)s.")
UNTIL_CHANGED: Final = _("It goes on when the card is changed, or the settings are saved again.")
# Who looks after the account's money hears of these by mail.
NOTICED: Final = frozenset(
    {
        Reason.NO_CARD,
        Reason.DAY_CAP,
        Reason.MONTH_CAP,
        Reason.AUTHENTICATION,
        Reason.DECLINED,
        Reason.GAVE_UP,
    }
)

# Codes of our own beside the gateway's.
CARD_REMOVED: Final = "card_removed"
NOT_CONFIRMED: Final = "not_confirmed"
OWN_DECLINES: Final[dict[str, str | Promise]] = {
    CARD_REMOVED: _("the card was removed before it could be charged."),
    NOT_CONFIRMED: _("nobody confirmed the payment at the bank in time."),
}
NO_REASON: Final = _("the card could not be charged.")


class Remedy(StrEnum):
    """What helps after a decline. `NEVER` and `NEW_CARD` bar the card, which differ in what may be said of it."""

    TRY_LATER = "try_later"
    NEW_CARD = "new_card"
    AUTHENTICATE = "authenticate"
    NEVER = "never"


_AUTHENTICATE: Final = frozenset(
    {DeclineCode.AUTHENTICATION_REQUIRED, DeclineCode.AUTHENTICATION_FAILED, NOT_CONFIRMED}
)
_NEW_CARD: Final = frozenset({DeclineCode.EXPIRED_CARD, DeclineCode.INCORRECT_DETAILS})
BARS: Final = frozenset({Remedy.NEW_CARD, Remedy.NEVER})


def remedy_of(code: str, *, retryable: bool) -> Remedy:
    """Read a decline: its code and whether the gateway says that the same card may be tried again."""
    if code in _AUTHENTICATE:
        return Remedy.AUTHENTICATE
    if code in _NEW_CARD:
        return Remedy.NEW_CARD
    return Remedy.TRY_LATER if retryable else Remedy.NEVER
