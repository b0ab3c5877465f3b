"""Quantities and prices as machines write them, read as whole numbers of their smallest part.

It must never round, and never take what a person may write in two ways: no grouping, no exponent, no sign. What a person
types as an amount is read by `raseed.money`.
"""

import re
from typing import Final

from raseed.rating.errors import NegativeNumber, NumberTooLarge, NumberTooPrecise, WrongNumber

# A quantity is kept in millionths: of a second, a message, a gigabyte.
QUANTITY_DECIMALS: Final = 6
QUANTITY_ONE: Final = 10**QUANTITY_DECIMALS
# A price is kept in picos, a millionth of a millionth of the currency: what is metered by the byte costs less than a micro.
PRICE_DECIMALS: Final = 12
PICOS_PER_MICRO: Final = 10**6
WHOLE_DIGITS_MAX: Final = 12

_DECIMAL: Final = re.compile(r"(?P<sign>-?)(?P<whole>[0-9]+)(?:\.(?P<decimals>[0-9]+))?")
_SHOWN_MAX: Final = 40


def read_quantity(text: str, field: str = "quantity") -> int:
    """The quantity in millionths, from a text as "90" or "0.25". Raises WrongNumber and its kinds, with that field."""
    return _scaled(text, QUANTITY_DECIMALS, field)


def read_price(text: str, field: str = "price") -> int:
    """The price in picos of its currency, from a text as "0.0125". Raises WrongNumber and its kinds, with that field."""
    return _scaled(text, PRICE_DECIMALS, field)


def _scaled(text: str, places: int, field: str) -> int:
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise _at(field, WrongNumber(text=text[:_SHOWN_MAX]))
    whole, decimals = match["whole"].lstrip("0"), match["decimals"] or ""
    if match["sign"]:
        raise _at(field, NegativeNumber(text=text[:_SHOWN_MAX]))
    if len(decimals) > places:
        raise _at(field, NumberTooPrecise(text=text[:_SHOWN_MAX], limit=places))
    if len(whole) > WHOLE_DIGITS_MAX:
        raise _at(field, NumberTooLarge(text=text[:_SHOWN_MAX], limit=WHOLE_DIGITS_MAX))
    return int("0" + whole + decimals.ljust(places, "0"))


def _at(field: str, error: WrongNumber) -> WrongNumber:
    error.field = field
    return error
