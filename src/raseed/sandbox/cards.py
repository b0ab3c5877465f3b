"""The test cards, and the reading of what a customer types on the card page.

Numbers are Stripe's published test numbers. A number is read, judged and dropped: only brand, last four digits,
expiry and a keyed fingerprint leave this module.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

# Arabic-Indic and Persian digits are what an Arabic keyboard gives.
_DIGITS = str.maketrans("٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹", "01234567890123456789")
_YEARS_AHEAD_MAX = 20


@dataclass(frozen=True, slots=True)
class Profile:
    """How a card behaves: `first` where it is typed, `saved` when its reference is charged (decline codes or "").

    `three_ds_first` and `three_ds_saved` say when the customer must confirm on the 3-D Secure page. `dispute` is how
    the dispute ends that the customer opens after each charge: "won" or "lost" for the merchant, "" for none.
    """

    first: str = ""
    saved: str = ""
    three_ds_first: bool = False
    three_ds_saved: bool = False
    refund_fails: bool = False
    dispute: str = ""

    @property
    def chargeable_unattended(self) -> bool:
        """Whether a saved reference of it can be charged with nobody there."""
        return not self.three_ds_saved


PROFILES: Mapping[str, Profile] = {
    "good": Profile(),
    "declined": Profile(first="generic_decline", saved="generic_decline"),
    "insufficient_funds": Profile(first="insufficient_funds", saved="insufficient_funds"),
    "expired": Profile(first="expired_card", saved="expired_card"),
    "incorrect_cvc": Profile(first="incorrect_cvc", saved="incorrect_cvc"),
    "limit": Profile(first="card_velocity_exceeded", saved="card_velocity_exceeded"),
    "stolen": Profile(first="stolen_card", saved="stolen_card"),
    "always_three_ds": Profile(three_ds_first=True, three_ds_saved=True),
    "three_ds_once": Profile(three_ds_first=True),
    "fails_later": Profile(saved="generic_decline"),
    "refund_fails": Profile(refund_fails=True),
    "dispute_won": Profile(dispute="won"),
    "dispute_lost": Profile(dispute="lost"),
}

TEST_CARDS: Mapping[str, str] = {
    "4242424242424242": "good",
    "5555555555554444": "good",
    "4000000000000002": "declined",
    "4000000000009995": "insufficient_funds",
    "4000000000000069": "expired",
    "4000000000000127": "incorrect_cvc",
    "4000000000006975": "limit",
    "4000000000009979": "stolen",
    "4000002760003184": "always_three_ds",
    "4000002500003155": "three_ds_once",
    "4000000000000341": "fails_later",
    "4000000000005126": "refund_fails",
    "4000000000002685": "dispute_won",
    "4000000000000259": "dispute_lost",
}

# Declines after which the same card may be charged again without anyone changing anything.
RETRYABLE = frozenset({"generic_decline", "do_not_honor", "insufficient_funds", "card_velocity_exceeded"})


@dataclass(frozen=True, slots=True)
class TypedCard:
    """What is kept of a typed card. `profile` is a key of PROFILES."""

    brand: str
    last4: str
    exp_month: int
    exp_year: int
    fingerprint: str
    profile: str


class CardErrors(Exception):
    """Fields that cannot be right, each with the key of the text that says so."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        """`fields` maps number, expiry, cvc to a key of the texts."""
        super().__init__(", ".join(fields))
        self.fields = dict(fields)


def luhn_valid(number: str) -> bool:
    """Whether the check digit of a string of digits is right (ISO/IEC 7812-1)."""
    total = 0
    for place, digit in enumerate(reversed(number)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def read_card(number: str, expiry: str, cvc: str, *, today: date, key: str) -> TypedCard:
    """Read the three fields of the card page; raises CardErrors naming every field that is wrong."""
    errors: dict[str, str] = {}
    digits = re.sub(r"[\s-]", "", number.translate(_DIGITS))
    if not digits:
        errors["number"] = "number_missing"
    elif not re.fullmatch(r"[0-9]{13,19}", digits):
        errors["number"] = "number_length"
    elif not luhn_valid(digits):
        errors["number"] = "number_wrong"
    month, year, expiry_error = _read_expiry(expiry, today)
    if expiry_error:
        errors["expiry"] = expiry_error
    code = cvc.translate(_DIGITS).strip()
    if not re.fullmatch(r"[0-9]{3,4}", code):
        errors["cvc"] = "cvc_wrong" if code else "cvc_missing"
    if errors:
        raise CardErrors(errors)
    return TypedCard(
        brand=_brand(digits),
        last4=digits[-4:],
        exp_month=month,
        exp_year=year,
        fingerprint=hmac.new(key.encode(), digits.encode(), hashlib.sha256).hexdigest()[:24],
        profile=TEST_CARDS.get(digits, "declined"),
    )


def _read_expiry(text: str, today: date) -> tuple[int, int, str]:
    plain = text.translate(_DIGITS).strip()
    if not plain:
        return 0, 0, "expiry_missing"
    match = re.fullmatch(r"([0-9]{1,2})\s*[/.-]?\s*((?:20)?[0-9]{2})", plain)
    if match is None or not 1 <= int(match[1]) <= 12:
        return 0, 0, "expiry_wrong"
    month, year = int(match[1]), 2000 + int(match[2][-2:])
    if (year, month) < (today.year, today.month):
        return 0, 0, "expiry_past"
    if year > today.year + _YEARS_AHEAD_MAX:
        return 0, 0, "expiry_wrong"
    return month, year, ""


def _brand(digits: str) -> str:
    if digits.startswith("4"):
        return "visa"
    if 51 <= int(digits[:2]) <= 55 or 2221 <= int(digits[:4]) <= 2720:
        return "mastercard"
    return "other"
