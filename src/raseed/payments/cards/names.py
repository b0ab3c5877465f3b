"""How cards are called wherever people read of them."""

from typing import Final

_BRANDS: Final = {
    "visa": "Visa",
    "mastercard": "Mastercard",
    "amex": "American Express",
    "mada": "mada",
    "meeza": "Meeza",
    "knet": "KNET",
    "benefit": "BENEFIT",
    "unionpay": "UnionPay",
    "jcb": "JCB",
    "discover": "Discover",
    "diners": "Diners Club",
}
# A card's name is not broken at the end of a line.
_HARD_SPACE: Final = "\u00a0"


def brand_name(brand: str) -> str:
    """Write a card brand as its house does."""
    return _BRANDS.get(brand.lower(), brand.title())


def name_of(brand: str, last4: str) -> str:
    """A card by brand and last four digits."""
    return f"{brand_name(brand)} •••• {last4}".strip().replace(" ", _HARD_SPACE)
