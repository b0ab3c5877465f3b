"""What rating refuses: quantities and prices that cannot be read, and usage for which there is no price."""

from django.utils.translation import gettext_lazy as _

from raseed.errors import RaseedError


class WrongNumber(RaseedError):
    """A quantity or a price that is not written as one; `field` names which."""

    code = "number_not_decimal"
    status = 422
    message = _('"%(text)s" is not a decimal number. Write digits, with a dot before the decimals, as 12.5.')


class NegativeNumber(WrongNumber):
    """Below zero: usage is never taken back by usage, and nobody is paid for it."""

    code = "number_negative"
    message = _('"%(text)s" is below zero.')


class NumberTooPrecise(WrongNumber):
    """More decimals than are kept; nothing is rounded away unsaid."""

    code = "number_too_precise"
    message = _('"%(text)s" has more than %(limit)s decimals.')


class NumberTooLarge(WrongNumber):
    """More digits than any quantity or price has."""

    code = "number_too_large"
    message = _('"%(text)s" is too large: at most %(limit)s digits stand before the decimals.')


class ChargeTooLarge(RaseedError):
    """The quantity and its price are each possible, and their product is more than the ledger takes."""

    code = "charge_too_large"
    status = 422
    field = "quantity"
    message = _("The charge for this quantity is too large.")


class NotPhoneNumber(RaseedError):
    """A called number that is not E.164: country code and digits, fifteen at most."""

    code = "number_not_e164"
    status = 422
    field = "to"
    message = _('"%(text)s" is not a phone number with its country code. Write it as +966500000000.')


class UnknownDestination(RaseedError):
    """No prefix of the rate deck, of any time, begins the called number."""

    code = "destination_unknown"
    status = 422
    field = "to"
    message = _("There is no price for calls to %(number)s.")


class NoPriceInForce(RaseedError):
    """There is a price, but at that time none was in force."""

    code = "price_not_in_force"
    status = 422
    message = _("No price is in force at %(time)s.")


class EmptyVersion(RaseedError):
    """A version of a price that would end before it begins, or as it begins."""

    code = "version_empty"
    status = 422
    field = "effective_until"
    message = _("A price must end after it begins.")


class VersionTwice(RaseedError):
    """Two versions of one price begin at the same moment."""

    code = "version_twice"
    status = 422
    field = "effective_from"
    message = _("Two versions of this price begin at %(time)s.")


class OverlappingVersions(RaseedError):
    """A version of a price names an end after the next version's beginning."""

    code = "versions_overlap"
    status = 422
    field = "effective_until"
    message = _("This version ends after the next one begins, at %(time)s.")


class WrongTiers(RaseedError):
    """Tiers that leave a quantity without a price, or give it two."""

    code = "tiers_wrong"
    status = 422
    field = "tiers"
    message = _("Each tier must end above the one before it, and only the last one has no end.")
