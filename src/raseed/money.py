"""Money: an integer of millionths with its currency, and the one address of rounding, reading and writing amounts.

It must never touch a float, never add two currencies, and never guess what a person meant: an amount that can be read in
two ways is refused with a sentence that says how to write it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import total_ordering
from typing import Final

from django.utils.translation import gettext_lazy as _

from raseed.errors import RaseedError

MICROS_PER_UNIT: Final = 1_000_000
MICROS_MAX: Final = 2**63 - 1  # a PostgreSQL BIGINT holds every amount
TYPED_MICROS_MAX: Final = 10**18  # a million million units; leaves a BIGINT room to add and to round up
AMOUNT_TEXT_LENGTH_MAX: Final = 30  # the longest amount under that limit has 21 characters
MINUS: Final = "\u2212"  # a real minus sign, as wide as a digit


@dataclass(frozen=True, slots=True)
class Currency:
    """A currency of ISO 4217.

    ``exponent`` is its number of decimals. ``gateway_step`` is the smallest step, in minor units, in which card gateways
    take it: for the currencies of three decimals they want the last digit to be 0, so the two are kept apart.
    """

    code: str
    exponent: int
    gateway_step: int

    @property
    def minor_micros(self) -> int:
        """How many micros one minor unit is."""
        return int(10 ** (6 - self.exponent))

    @property
    def step_micros(self) -> int:
        """How many micros one gateway step is."""
        return self.minor_micros * self.gateway_step


CURRENCIES: Final[dict[str, Currency]] = {
    currency.code: currency
    for currency in (
        Currency("SAR", exponent=2, gateway_step=1),
        Currency("AED", exponent=2, gateway_step=1),
        Currency("EGP", exponent=2, gateway_step=1),
        Currency("QAR", exponent=2, gateway_step=1),
        Currency("USD", exponent=2, gateway_step=1),
        Currency("EUR", exponent=2, gateway_step=1),
        Currency("GBP", exponent=2, gateway_step=1),
        Currency("JOD", exponent=3, gateway_step=10),
        Currency("KWD", exponent=3, gateway_step=10),
        Currency("BHD", exponent=3, gateway_step=10),
        Currency("OMR", exponent=3, gateway_step=10),
    )
}


class UnknownCurrency(RaseedError):
    """A currency code that this installation does not know."""

    code = "currency_unknown"
    field = "currency"
    message = _("%(currency)s is not a currency known here. Use one of %(known)s.")


class CurrencyMismatch(TypeError):
    """Two currencies met in one sum or comparison: a mistake in the code, never of a person."""


class InexactMinor(ValueError):
    """An amount with a part below the minor unit was asked for as whole minor units: a mistake in the code."""


class AmountError(RaseedError):
    """An amount that cannot be read or cannot be paid; nothing was done with it."""

    code = "amount_invalid"
    field = "amount"
    message = _("Enter an amount in digits, for example %(example)s.")


class AmountMissing(AmountError):
    """No amount was given."""

    code = "amount_missing"
    message = _("Enter an amount, for example %(example)s.")


class AmountTooLong(AmountError):
    """The text is longer than any amount."""

    code = "amount_too_long"
    message = _(
        "This is too long for an amount: write at most %(limit)s characters, for example %(example)s."
    )


class AmountSigned(AmountError):
    """A plus or a minus sign stands at the amount."""

    code = "amount_signed"
    message = _("Enter the amount without a plus or minus sign, for example %(example)s.")


class AmountGrouping(AmountError):
    """The thousands separators do not cut the amount into groups of three."""

    code = "amount_grouping"
    message = _(
        "A comma may only separate whole thousands, as in 1,000. Use a dot before the decimals, for example %(example)s."
    )


class AmountTooPrecise(AmountError):
    """More decimals than the currency has."""

    code = "amount_too_precise"
    message = _("Amounts in %(currency)s have at most %(decimals)s decimals, for example %(example)s.")


class AmountTooLarge(AmountError):
    """More than anybody pays, and close to what the ledger can hold."""

    code = "amount_too_large"
    message = _("This amount is too large. Enter at most %(limit)s.")


class AmountNotPositive(AmountError):
    """Zero or less where a payment needs more."""

    code = "amount_not_positive"
    message = _("Enter an amount above zero; the smallest is %(step)s.")


class AmountOffStep(AmountError):
    """Not a multiple of the step in which cards are charged in this currency."""

    code = "amount_off_step"
    message = _("Cards are charged in steps of %(step)s: enter %(below)s or %(above)s.")


class AmountBelowStep(AmountError):
    """Above zero and below the first step in which cards are charged in this currency."""

    code = "amount_below_step"
    message = _("Cards are charged in steps of %(step)s: enter at least %(step)s.")


def currency_of(code: str) -> Currency:
    """Return the currency of that ISO code. Raises UnknownCurrency."""
    try:
        return CURRENCIES[code]
    except KeyError:
        raise UnknownCurrency(currency=code[:10], known=", ".join(CURRENCIES)) from None


@total_ordering
@dataclass(frozen=True, slots=True)
class Money:
    """An amount in micros (millionths of the major unit) of one currency; negative is allowed.

    Raises TypeError for a float or bool, OverflowError beyond a BIGINT, UnknownCurrency. Sums and comparisons across
    currencies raise CurrencyMismatch; two amounts in different currencies are simply not equal.
    """

    micros: int
    currency: str

    def __post_init__(self) -> None:
        # bool is an int to Python, and a float would slip through arithmetic unseen.
        if type(self.micros) is not int:
            raise TypeError(f"micros must be an int, not {type(self.micros).__name__}")
        if not -MICROS_MAX <= self.micros <= MICROS_MAX:
            raise OverflowError("amount does not fit a BIGINT of micros")
        currency_of(self.currency)

    @classmethod
    def from_minor(cls, minor: int, currency: str) -> Money:
        """Make money of whole minor units (cents, fils). Raises as the constructor does."""
        if type(minor) is not int:
            raise TypeError(f"minor must be an int, not {type(minor).__name__}")
        return cls(minor * currency_of(currency).minor_micros, currency)

    @classmethod
    def nearest(cls, exact_micros: Fraction, currency: str) -> Money:
        """Round an exact number of micros to the nearest whole one, halves up: what a price gives is not always whole.

        Raises as the constructor does.
        """
        # Half up on integers: floor((2a + b) / 2b) for a / b.
        numerator, denominator = exact_micros.numerator, exact_micros.denominator
        return cls((2 * numerator + denominator) // (2 * denominator), currency)

    @classmethod
    def zero(cls, currency: str) -> Money:
        """Return nothing, in that currency."""
        return cls(0, currency)

    def minor_floor(self) -> int:
        """Return minor units rounded towards minus infinity: a balance never looks larger than it is."""
        return self.micros // CURRENCIES[self.currency].minor_micros

    def minor_ceil_to_step(self) -> int:
        """Return minor units rounded up to the gateway's step: what a card is charged for this amount."""
        currency = CURRENCIES[self.currency]
        return -(-self.micros // currency.step_micros) * currency.gateway_step

    def minor_exact(self) -> int:
        """Return minor units; raises InexactMinor if anything would be lost."""
        minor, rest = divmod(self.micros, CURRENCIES[self.currency].minor_micros)
        if rest:
            raise InexactMinor(f"{self.micros} micros of {self.currency} are not whole minor units")
        return minor

    def __add__(self, other: Money) -> Money:
        return Money(self.micros + self._same(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.micros - self._same(other), self.currency)

    def __neg__(self) -> Money:
        return Money(-self.micros, self.currency)

    def __lt__(self, other: Money) -> bool:
        return self.micros < self._same(other)

    def __bool__(self) -> bool:
        return self.micros != 0

    def _same(self, other: Money) -> int:
        if not isinstance(other, Money):
            raise TypeError(f"money meets {type(other).__name__}")
        if other.currency != self.currency:
            raise CurrencyMismatch(f"{self.currency} meets {other.currency}")
        return other.micros


# Arabic-Indic and Persian digits, and no other script's: int() would take Devanagari and full-width ones too.
_ARABIC_INDIC: Final = "٠١٢٣٤٥٦٧٨٩"
_PERSIAN: Final = "۰۱۲۳۴۵۶۷۸۹"
_TO_LATIN: Final = str.maketrans(_ARABIC_INDIC + _PERSIAN, "0123456789" * 2)
_DIGIT_SETS: Final = (frozenset("0123456789"), frozenset(_ARABIC_INDIC), frozenset(_PERSIAN))
# What copying from a right-to-left page leaves around a number: marks, embeddings, isolates, a byte order mark.
_INVISIBLE: Final = "\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"
_EDGE: Final = re.compile(rf"^[\s{_INVISIBLE}]+|[\s{_INVISIBLE}]+\Z")
_SIGNS: Final = frozenset("+-\u2212\u2010\u2011\u2012\u2013\u2014\ufe63\uff0b\uff0d")
_PLAIN: Final = re.compile(r"(?P<whole>[0-9]+)(?:[.٫](?P<decimals>[0-9]+))?")
# A group never begins with 0: "0,100" is somebody's decimal comma, not a hundred.
_GROUPED: Final = re.compile(
    r"(?P<whole>[1-9][0-9]{0,2}(?:(?:,[0-9]{3})+|(?:٬[0-9]{3})+))(?:[.٫](?P<decimals>[0-9]+))?"
)
_SEPARATED: Final = re.compile(r"[0-9.,٬٫]*[,٬][0-9.,٬٫]*")


def parse_amount(text: str, currency: str) -> Money:
    """Read what a person typed as an amount of ``currency``, exact to its minor unit; zero is a readable amount.

    Commas and U+066C stand only between whole groups of thousands; a dot and U+066B are the decimal point; digits are
    Latin, Arabic-Indic or Persian, one script at a time. Spaces and bidi marks around are trimmed. Everything else (signs,
    exponents, words, currency letters, more decimals than the currency has) raises AmountError with what would be right.
    Raises UnknownCurrency. Whether a card can be charged with it is asked of ``check_chargeable``.
    """
    known = currency_of(currency)
    example = format_amount(Money(1_000 * MICROS_PER_UNIT + MICROS_PER_UNIT // 2, currency))
    trimmed = _EDGE.sub("", text)
    if not trimmed:
        raise AmountMissing(example=example)
    if len(trimmed) > AMOUNT_TEXT_LENGTH_MAX:
        raise AmountTooLong(limit=AMOUNT_TEXT_LENGTH_MAX, example=example)
    if trimmed[0] in _SIGNS or trimmed[-1] in _SIGNS:
        raise AmountSigned(example=example)
    if sum(not digits.isdisjoint(trimmed) for digits in _DIGIT_SETS) > 1:
        raise AmountError("digits of two scripts", example=example)
    latin = trimmed.translate(_TO_LATIN)
    match = _PLAIN.fullmatch(latin) or _GROUPED.fullmatch(latin)
    if match is None:
        if _SEPARATED.fullmatch(latin):
            raise AmountGrouping(example=example)
        raise AmountError(example=example)
    decimals = match["decimals"] or ""
    if len(decimals) > known.exponent:
        raise AmountTooPrecise(currency=currency, decimals=known.exponent, example=example)
    whole = int(match["whole"].replace(",", "").replace("٬", ""))
    micros = whole * MICROS_PER_UNIT + int(decimals.ljust(6, "0"))
    if micros > TYPED_MICROS_MAX:
        raise AmountTooLarge(limit=format_money(Money(TYPED_MICROS_MAX, currency)))
    return Money(micros, currency)


def check_chargeable(money: Money) -> None:
    """Refuse what no card can be charged with: AmountNotPositive, AmountBelowStep or AmountOffStep, else nothing."""
    step_micros = CURRENCIES[money.currency].step_micros
    step = format_money(Money(step_micros, money.currency))
    if money.micros <= 0:
        raise AmountNotPositive(step=step)
    below, rest = divmod(money.micros, step_micros)
    if not rest:
        return
    if not below:
        raise AmountBelowStep(step=step)
    raise AmountOffStep(
        step=step,
        below=format_money(Money(below * step_micros, money.currency)),
        above=format_money(Money((below + 1) * step_micros, money.currency)),
    )


def check_receivable(money: Money) -> None:
    """Refuse what nobody can have received by transfer or in cash: AmountNotPositive, or parts of a minor unit (InexactMinor)."""
    if money.micros <= 0:
        minor = Money(CURRENCIES[money.currency].minor_micros, money.currency)
        raise AmountNotPositive(step=format_money(minor))
    money.minor_exact()


def format_amount(money: Money) -> str:
    """Write an amount in Latin digits, rounded down to the minor unit: ``1,284.50``, with U+2212 when negative."""
    exponent = CURRENCIES[money.currency].exponent
    minor = money.minor_floor()
    whole, decimals = divmod(abs(minor), 10**exponent)
    sign = MINUS if minor < 0 else ""
    return f"{sign}{whole:,}.{decimals:0{exponent}d}"


def format_money(money: Money) -> str:
    """Write an amount with its ISO code after it: ``1,284.50 USD``. No bidi isolates: the page or paper adds them."""
    return f"{format_amount(money)} {money.currency}"


def decimal_text(money: Money) -> str:
    """Write an amount for machines, exact to the millionth: ``1284.50``, ``-0.000125``. At least the currency's decimals."""
    exponent = CURRENCIES[money.currency].exponent
    whole, micros = divmod(abs(money.micros), MICROS_PER_UNIT)
    decimals = f"{micros:06d}"
    shown = decimals[:exponent] + decimals[exponent:].rstrip("0")
    return f"{'-' if money.micros < 0 else ''}{whole}.{shown}"
