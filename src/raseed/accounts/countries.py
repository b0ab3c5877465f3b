"""Countries as the reader's language calls them."""

from babel import Locale
from django.utils.translation import get_language

from raseed.accounts.onboarding import COUNTRIES


def country_choices() -> list[tuple[str, str]]:
    """The countries by their names in the reader's language, in the order of those names."""
    return sorted(((code, country_name(code)) for code in COUNTRIES), key=lambda pair: pair[1])


def country_name(code: str) -> str:
    """A country as the reader's language calls it; its code if CLDR has no name."""
    names = Locale.parse(get_language() or "en", sep="-").territories
    return str(names.get(code, code))
