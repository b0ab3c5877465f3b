"""Tax numbers, checked by the format of their country where one is public. Nobody is asked whether the number is in force.

Where no public format is known the text is taken as it is, and said so. Spaces and dashes are dropped where a format is known.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from stdnum.eg import tn as egypt
from stdnum.eu import vat as eu
from stdnum.exceptions import ValidationError
from stdnum.gb import vat as britain
from stdnum.tr import vkn as turkey

from raseed.errors import RaseedError

LENGTH_MAX: Final = 40


class WrongTaxId(RaseedError):
    """The number does not have the format of its country."""

    code = "tax_id_wrong"
    status = 422
    field = "vat_id"
    message = _("This is not a tax number of the billing country. It should look like %(example)s.")


class TaxIdTooLong(RaseedError):
    """More than forty characters."""

    code = "tax_id_too_long"
    status = 422
    field = "vat_id"
    message = _("A tax number has at most 40 characters.")


@dataclass(frozen=True, slots=True)
class _Format:
    """How a country writes the number: an example, and a check that gives the number as it is kept or None."""

    example: str | Promise
    read: Callable[[str], str | None]


def _pattern(expression: str, example: str | Promise) -> _Format:
    def read(compact: str) -> str | None:
        return compact if re.fullmatch(expression, compact, re.ASCII) else None

    return _Format(example, read)


def _validated(check: Callable[[str], str], example: str, prefix: str = "") -> _Format:
    """A format with check digits; `prefix` is the country code that belongs to the number and is often left out."""

    def read(compact: str) -> str | None:
        try:
            return prefix + check(prefix + compact.removeprefix(prefix)).removeprefix(prefix)
        except ValidationError:
            return None

    return _Format(example, read)


# Greece writes EL before its numbers.
_EU_PREFIX: Final = {"GR": "EL"}
_EU_EXAMPLES: Final = {
    "DE": "DE136695976",
    "FR": "FR40303265045",
    "NL": "NL004495445B01",
    "IT": "IT00743110157",
}
_EU: Final = {
    state.upper(): _validated(
        eu.validate,
        _EU_EXAMPLES.get(state.upper(), f"{_EU_PREFIX.get(state.upper(), state.upper())}…"),
        _EU_PREFIX.get(state.upper(), state.upper()),
    )
    for state in eu.MEMBER_STATES
    if state != "xi"
}
FORMATS: Final[dict[str, _Format]] = {
    **_EU,
    "SA": _pattern(r"3\d{13}3", "300000000000003"),
    "AE": _pattern(r"1\d{12}03", "100000000000003"),
    "OM": _pattern(r"OM\d{10}", "OM1100000000"),
    # No public format is known; tax numbers there are digits.
    "JO": _pattern(r"\d{1,20}", _("digits only, for example 12345678")),
    "EG": _validated(egypt.validate, "100531385"),
    "GB": _validated(britain.validate, "GB980780684", "GB"),
    "TR": _validated(turkey.validate, "4540536920"),
}


def read_tax_id(text: str, country: str) -> str:
    """The number as it is kept; "" for none. `country` is ISO 3166-1 alpha-2. Raises WrongTaxId or TaxIdTooLong."""
    typed = " ".join(text.split())
    if len(typed) > LENGTH_MAX:
        raise TaxIdTooLong
    known = FORMATS.get(country)
    if not typed or known is None:
        return typed
    number = known.read(re.sub(r"[\s.\-/]", "", typed).translate(_DIGITS).upper())
    if number is None:
        raise WrongTaxId(f"country {country}", example=known.example)
    return number


def is_checked(country: str) -> bool:
    """Whether numbers of this country are checked at all."""
    return country in FORMATS


# What an Arabic keyboard gives.
_DIGITS: Final = str.maketrans("٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹", "01234567890123456789")
