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


class ColumnMissing(RaseedError):
    """The header of a rate deck lacks a column without which no rate can be read."""

    code = "deck_column_missing"
    status = 422
    message = _("The column %(column)s is missing. A rate deck needs %(columns)s.")


class ColumnUnknown(RaseedError):
    """The header of a rate deck has a column that would be lost: a slip in an optional one, most likely."""

    code = "deck_column_unknown"
    status = 422
    message = _('"%(column)s" is not a column of a rate deck. It has %(columns)s.')


class ColumnTwice(RaseedError):
    """The header of a rate deck names a column twice."""

    code = "deck_column_twice"
    status = 422
    message = _("The column %(column)s is there twice.")


class DeckWithoutRates(RaseedError):
    """A rate deck with no line below its header, or none at all."""

    code = "deck_without_rates"
    status = 422
    message = _("There is no rate in this file.")


class DeckTooLong(RaseedError):
    """More lines than any rate deck has; the rest was not read."""

    code = "deck_too_long"
    status = 422
    message = _("A rate deck has at most %(limit)s lines; the rest was not read.")


class NotCsv(RaseedError):
    """A line that cannot be taken apart, as one with a quotation mark that is not closed; the rest was not read."""

    code = "deck_not_csv"
    status = 422
    message = _("From here on this is not CSV: look for a quotation mark that is out of place.")


class OtherLength(RaseedError):
    """A line with more or fewer fields than the header."""

    code = "deck_line_length"
    status = 422
    message = _("This line has %(count)s fields, the header has %(expected)s.")


class ValueMissing(RaseedError):
    """An empty field where a rate needs a value."""

    code = "deck_value_missing"
    status = 422
    message = _("A value is missing here.")


class NotPrefix(RaseedError):
    """A prefix that no E.164 number begins with."""

    code = "deck_prefix_wrong"
    status = 422
    message = _('"%(text)s" is not a prefix. Write 1 to 15 digits that begin with a country code, as 9665.')


class NotIncrement(RaseedError):
    """An increment that is not two numbers of seconds above zero."""

    code = "deck_increment_wrong"
    status = 422
    message = _(
        '"%(text)s" is not an increment. Write the first and the following seconds, as 60/60 or 30/6.'
    )


class NotDirection(RaseedError):
    """A direction that calls do not have."""

    code = "deck_direction_wrong"
    status = 422
    message = _('"%(text)s" is not a direction. Write outbound or inbound.')


class NotMoment(RaseedError):
    """A date or time that is not written by ISO 8601, or does not exist."""

    code = "deck_moment_wrong"
    status = 422
    message = _('"%(text)s" is not a date. Write it as 2026-01-31 or 2026-01-31T18:00:00+03:00.')


class DestinationTooLong(RaseedError):
    """The name of a destination is longer than any page shows."""

    code = "deck_destination_too_long"
    status = 422
    message = _("The name of a destination has at most %(limit)s characters.")


class CurrencyMixed(RaseedError):
    """A rate in another currency than the first of its deck."""

    code = "deck_currency_mixed"
    status = 422
    message = _("This deck is in %(currency)s: a deck has one currency.")


class RateTwice(RaseedError):
    """A rate for a prefix, direction and beginning that an earlier line has already."""

    code = "deck_rate_twice"
    status = 422
    message = _("Line %(line)s has a rate for this prefix and direction from the same moment.")


class RatesOverlap(RaseedError):
    """A rate with an end after the beginning of the next one for its prefix and direction."""

    code = "deck_rates_overlap"
    status = 422
    message = _("This rate ends after the one in line %(line)s begins, for the same prefix and direction.")
