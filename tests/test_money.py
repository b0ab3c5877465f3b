"""Amounts: what is read, what is refused, what is shown. No case may ever become another amount than the one typed."""

from __future__ import annotations

import contextlib
from decimal import Decimal

import pytest
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from raseed import money as money_module
from raseed.errors import RaseedError
from raseed.money import (
    CURRENCIES,
    MICROS_MAX,
    TYPED_MICROS_MAX,
    AmountBelowStep,
    AmountError,
    AmountGrouping,
    AmountMissing,
    AmountNotPositive,
    AmountOffStep,
    AmountSigned,
    AmountTooLarge,
    AmountTooLong,
    AmountTooPrecise,
    CurrencyMismatch,
    InexactMinor,
    Money,
    UnknownCurrency,
    check_chargeable,
    format_amount,
    format_money,
    parse_amount,
)

TWO_DECIMALS = ("SAR", "AED", "EGP", "QAR", "USD", "EUR", "GBP")
THREE_DECIMALS = ("JOD", "KWD", "BHD", "OMR")
ALL = TWO_DECIMALS + THREE_DECIMALS
codes = st.sampled_from(ALL)

# What each text is, in micros, in every currency that has the decimals for it.
READ_IN_ALL = {
    "0": 0,
    "0.00": 0,
    "1": 1_000_000,
    "5.5": 5_500_000,
    "5.50": 5_500_000,
    "007": 7_000_000,
    "0.01": 10_000,
    "999": 999_000_000,
    "1000": 1_000_000_000,
    "1,000": 1_000_000_000,
    "1٬000": 1_000_000_000,
    "1,000.50": 1_000_500_000,
    "1,000٫50": 1_000_500_000,
    "12,345,678": 12_345_678_000_000,
    "12,345,678.90": 12_345_678_900_000,
    "١٬٠٠٠٫٥٠": 1_000_500_000,
    "١,٠٠٠.٥٠": 1_000_500_000,
    "٢٥": 25_000_000,
    "٢٥٫٧٥": 25_750_000,
    "٢٥.٧٥": 25_750_000,
    "۱٬۰۰۰٫۵۰": 1_000_500_000,
    "۴۵۶": 456_000_000,
    "٤٥٦": 456_000_000,
    "  100.00 ": 100_000_000,
    "\u00a0100\u202f": 100_000_000,
    "\u2066100.00\u2069": 100_000_000,
    "\u200f١٠٠\u200e": 100_000_000,
    "\u202b 100 \u202c\n": 100_000_000,
    "1,000,000,000,000.00": TYPED_MICROS_MAX,
}
READ_IN_THREE = {
    "0.001": 1_000,
    "10.005": 10_005_000,
    "1.000": 1_000_000,
    "1,000.505": 1_000_505_000,
    "١٫٢٣٤": 1_234_000,
}
REFUSED_IN_ALL: dict[str, type[AmountError]] = {
    "": AmountMissing,
    " ": AmountMissing,
    "\u2066\u2069": AmountMissing,
    "-1": AmountSigned,
    "+1": AmountSigned,
    "\u22121": AmountSigned,
    "–1": AmountSigned,
    "1-": AmountSigned,
    "٥-": AmountSigned,
    "-": AmountSigned,
    "-0": AmountSigned,
    "NaN": AmountError,
    "nan": AmountError,
    "inf": AmountError,
    "Infinity": AmountError,
    "-inf": AmountSigned,
    "1e9": AmountError,
    "1E9": AmountError,
    "1e-9": AmountError,
    "0x10": AmountError,
    "1_000": AmountError,
    "1 000": AmountError,
    "1\u00a0000": AmountError,
    "1\u2066000": AmountError,
    "1'000": AmountError,
    "(5)": AmountError,
    "5 USD": AmountError,
    "USD 5": AmountError,
    "$5": AmountError,
    "5 ريال": AmountError,
    "five": AmountError,
    "½": AmountError,
    "²": AmountError,
    "１００": AmountError,
    "१००": AmountError,
    "1٢3": AmountError,
    "٤۵": AmountError,
    "1\x00": AmountError,
    "5%": AmountError,
    ".": AmountError,
    "٫": AmountError,
    ".5": AmountError,
    "5.": AmountError,
    "5..5": AmountError,
    "1.2.3": AmountError,
    "1.5٫5": AmountError,
    "1.000.000": AmountError,
    "1،000": AmountError,
    "1,00": AmountGrouping,
    "10,00": AmountGrouping,
    "10,5": AmountGrouping,
    "10,0000": AmountGrouping,
    "1000,000": AmountGrouping,
    "1,0000": AmountGrouping,
    "1,00,000": AmountGrouping,
    "1,234,56": AmountGrouping,
    ",100": AmountGrouping,
    "100,": AmountGrouping,
    "1,,000": AmountGrouping,
    ",": AmountGrouping,
    "٬": AmountGrouping,
    "0,100": AmountGrouping,
    "00,100": AmountGrouping,
    "1.000,50": AmountGrouping,
    "1.000,500": AmountGrouping,
    "١٬٠٠": AmountGrouping,
    "١٠٬٠٠": AmountGrouping,
    "1,000٬000": AmountGrouping,
    "1٬000,000": AmountGrouping,
    "0.0001": AmountTooPrecise,
    "1.00000": AmountTooPrecise,
    "1,000.5050": AmountTooPrecise,
    "1000000000000.01": AmountTooLarge,
    "9223372036854775807": AmountTooLarge,
    "9" * 30: AmountTooLarge,
    "9" * 31: AmountTooLong,
    "0" * 31: AmountTooLong,
    "1" + "0" * 100_000: AmountTooLong,
}


def test_the_currencies_are_those_of_the_field() -> None:
    assert tuple(CURRENCIES) == ALL
    assert {(c.exponent, c.gateway_step) for c in map(CURRENCIES.__getitem__, TWO_DECIMALS)} == {(2, 1)}
    assert {(c.exponent, c.gateway_step) for c in map(CURRENCIES.__getitem__, THREE_DECIMALS)} == {(3, 10)}


@pytest.mark.parametrize("currency", ALL)
@pytest.mark.parametrize(("text", "micros"), READ_IN_ALL.items(), ids=map(ascii, READ_IN_ALL))
def test_an_amount_is_read_exactly(text: str, micros: int, currency: str) -> None:
    assert parse_amount(text, currency) == Money(micros, currency)


@pytest.mark.parametrize("currency", THREE_DECIMALS)
@pytest.mark.parametrize(("text", "micros"), READ_IN_THREE.items(), ids=map(ascii, READ_IN_THREE))
def test_three_decimals_are_read_where_the_currency_has_them(text: str, micros: int, currency: str) -> None:
    assert parse_amount(text, currency) == Money(micros, currency)


@pytest.mark.parametrize("currency", TWO_DECIMALS)
@pytest.mark.parametrize("text", READ_IN_THREE, ids=map(ascii, READ_IN_THREE))
def test_three_decimals_are_refused_where_the_currency_has_two(text: str, currency: str) -> None:
    with pytest.raises(AmountTooPrecise) as refusal:
        parse_amount(text, currency)
    assert (
        str(refusal.value.message) == f"Amounts in {currency} have at most 2 decimals, for example 1,000.50."
    )


@pytest.mark.parametrize("currency", ALL)
@pytest.mark.parametrize(
    ("text", "error"), REFUSED_IN_ALL.items(), ids=[ascii(t)[:40] for t in REFUSED_IN_ALL]
)
def test_what_is_not_an_amount_is_refused(text: str, error: type[AmountError], currency: str) -> None:
    with pytest.raises(AmountError) as refusal:
        parse_amount(text, currency)
    assert type(refusal.value) is error
    assert refusal.value.field == "amount"
    assert refusal.value.status == 400
    sentence = str(refusal.value.message)
    assert "%(" not in sentence
    # Each sentence says what would be right, in this currency's own decimals.
    assert ("1,000.500" if currency in THREE_DECIMALS else "1,000.50") in sentence or error is AmountTooLarge


@pytest.mark.parametrize(
    ("text", "currency", "code", "sentence"),
    [
        ("", "USD", "amount_missing", "Enter an amount, for example 1,000.50."),
        ("NaN", "KWD", "amount_invalid", "Enter an amount in digits, for example 1,000.500."),
        (
            "-1",
            "SAR",
            "amount_signed",
            "Enter the amount without a plus or minus sign, for example 1,000.50.",
        ),
        (
            "1.000,50",
            "EUR",
            "amount_grouping",
            "A comma may only separate whole thousands, as in 1,000. Use a dot before the decimals, for example 1,000.50.",
        ),
        (
            "1.0005",
            "JOD",
            "amount_too_precise",
            "Amounts in JOD have at most 3 decimals, for example 1,000.500.",
        ),
        (
            "9999999999999",
            "OMR",
            "amount_too_large",
            "This amount is too large. Enter at most 1,000,000,000,000.000 OMR.",
        ),
        (
            "1" * 40,
            "AED",
            "amount_too_long",
            "This is too long for an amount: write at most 30 characters, for example 1,000.50.",
        ),
    ],
)
def test_a_refusal_has_a_code_and_says_what_would_be_right(
    text: str, currency: str, code: str, sentence: str
) -> None:
    with pytest.raises(AmountError) as refusal:
        parse_amount(text, currency)
    assert refusal.value.code == code
    with translation.override("en"):
        assert str(refusal.value.message) == sentence


def test_an_unknown_currency_is_named() -> None:
    with pytest.raises(UnknownCurrency) as refusal:
        parse_amount("1", "XYZ")
    assert refusal.value.field == "currency"
    assert str(refusal.value.message).startswith("XYZ is not a currency known here. Use one of SAR, AED,")
    with pytest.raises(UnknownCurrency):
        Money(1, "usd")


@given(
    text=st.text(alphabet="0123456789٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹.,٬٫+-eE \u2066\u2069NaNUSD", max_size=34),
    currency=codes,
)
def test_whatever_is_typed_is_read_right_or_refused(text: str, currency: str) -> None:
    """An independent reading: drop the group separators, hand the rest to Decimal."""
    try:
        read = parse_amount(text, currency)
    except AmountError:
        return
    plain = text.strip(" \u2066\u2069").replace(",", "").replace("٬", "").replace("٫", ".")
    assert Decimal(read.micros) == Decimal(plain) * 1_000_000


@given(text=st.text(max_size=40), currency=codes)
def test_no_text_breaks_the_reader(text: str, currency: str) -> None:
    with contextlib.suppress(AmountError):
        assert parse_amount(text, currency).micros >= 0


@given(minor=st.integers(0, 10**14), currency=codes)
def test_what_is_shown_can_be_typed_again(minor: int, currency: str) -> None:
    amount = Money.from_minor(minor, currency)
    shown = format_amount(amount)
    arabic = shown.translate(str.maketrans("0123456789,.", "٠١٢٣٤٥٦٧٨٩٬٫"))
    assert parse_amount(shown, currency) == amount
    assert parse_amount(shown.replace(",", ""), currency) == amount
    assert parse_amount(arabic, currency) == amount


@given(
    whole=st.integers(0, 999),
    head=st.integers(1, 999),
    tail=st.text("0123456789", max_size=5),
    currency=codes,
)
def test_a_comma_takes_exactly_three_digits(whole: int, head: int, tail: str, currency: str) -> None:
    if len(tail) == 3:
        assert parse_amount(f"{head},{tail}", currency) == Money(
            (head * 1000 + int(tail)) * 1_000_000, currency
        )
    else:
        with pytest.raises(AmountGrouping):
            parse_amount(f"{head},{tail}", currency)


@pytest.mark.parametrize("currency", ALL)
def test_nothing_and_less_cannot_be_charged(currency: str) -> None:
    for micros in (0, -1, -1_000_000):
        with pytest.raises(AmountNotPositive):
            check_chargeable(Money(micros, currency))


@pytest.mark.parametrize("currency", THREE_DECIMALS)
def test_three_decimal_currencies_are_charged_in_steps_of_ten_fils(currency: str) -> None:
    check_chargeable(Money(1_230_000, currency))
    check_chargeable(Money(10_000, currency))
    with pytest.raises(AmountOffStep) as off:
        check_chargeable(Money(1_234_000, currency))
    assert str(off.value.message) == (
        f"Cards are charged in steps of 0.010 {currency}: enter 1.230 {currency} or 1.240 {currency}."
    )
    with pytest.raises(AmountBelowStep) as below:
        check_chargeable(Money(1_000, currency))
    assert (
        str(below.value.message)
        == f"Cards are charged in steps of 0.010 {currency}: enter at least 0.010 {currency}."
    )


@pytest.mark.parametrize("currency", TWO_DECIMALS)
def test_two_decimal_currencies_are_charged_by_the_cent(currency: str) -> None:
    check_chargeable(Money(10_000, currency))
    with pytest.raises(AmountOffStep):
        check_chargeable(Money(10_005_000, currency))


@given(micros=st.integers(1, TYPED_MICROS_MAX), currency=codes)
def test_chargeable_is_exactly_what_rounding_up_leaves_alone(micros: int, currency: str) -> None:
    amount = Money(micros, currency)
    charged = Money.from_minor(amount.minor_ceil_to_step(), currency)
    assert amount <= charged < amount + Money(CURRENCIES[currency].step_micros, currency)
    check_chargeable(charged)
    try:
        check_chargeable(amount)
    except AmountError:
        assert charged != amount
    else:
        assert charged == amount == Money.from_minor(amount.minor_exact(), currency)


@pytest.mark.parametrize(
    ("micros", "currency", "shown"),
    [
        (0, "USD", "0.00"),
        (1_284_500_000, "USD", "1,284.50"),
        (1_284_509_999, "USD", "1,284.50"),
        (9_999, "USD", "0.00"),
        (-1, "USD", "\u22120.01"),
        (-3_100_000, "USD", "\u22123.10"),
        (-3_100_001, "USD", "\u22123.11"),
        (1_234_567_890_999, "JOD", "1,234,567.890"),
        (-1_500_000, "KWD", "\u22121.500"),
        (-1, "KWD", "\u22120.001"),
        (-1_234_567_000_000, "EUR", "\u22121,234,567.00"),
    ],
)
def test_shown_rounded_down_with_a_real_minus(micros: int, currency: str, shown: str) -> None:
    assert format_amount(Money(micros, currency)) == shown
    assert format_money(Money(micros, currency)) == f"{shown} {currency}"


@pytest.mark.parametrize(
    ("micros", "currency", "floor", "charged"),
    [
        (1_000_000, "USD", 100, 100),
        (1_000_001, "USD", 100, 101),
        (-1_000_001, "USD", -101, -100),
        (1_234_000, "JOD", 1234, 1240),
        (1_230_000, "JOD", 1230, 1230),
        (1, "JOD", 0, 10),
        (0, "JOD", 0, 0),
    ],
)
def test_rounding_has_its_directions(micros: int, currency: str, floor: int, charged: int) -> None:
    assert Money(micros, currency).minor_floor() == floor
    assert Money(micros, currency).minor_ceil_to_step() == charged


def test_exact_minor_units_lose_nothing() -> None:
    assert Money(1_230_000, "USD").minor_exact() == 123
    assert Money.from_minor(1234, "KWD") == Money(1_234_000, "KWD")
    with pytest.raises(InexactMinor):
        Money(1_230_001, "USD").minor_exact()


@given(a=st.integers(-(10**15), 10**15), b=st.integers(-(10**15), 10**15), currency=codes)
def test_arithmetic_is_that_of_integers(a: int, b: int, currency: str) -> None:
    left, right = Money(a, currency), Money(b, currency)
    assert left + right == Money(a + b, currency)
    assert left - right == left + -right
    assert (left < right, left <= right, left > right, left >= right) == (a < b, a <= b, a > b, a >= b)
    assert bool(left) == bool(a)
    assert left + Money.zero(currency) == left


def test_currencies_never_meet() -> None:
    dollars, riyals = Money(1, "USD"), Money(1, "SAR")
    assert dollars != riyals
    for meeting in (Money.__add__, Money.__sub__, Money.__lt__, Money.__ge__):
        with pytest.raises(CurrencyMismatch):
            meeting(dollars, riyals)
    with pytest.raises(TypeError):
        dollars + 1  # type: ignore[operator]


@pytest.mark.parametrize("wrong", [1.0, True, "1", Decimal(1), None])
def test_only_an_int_is_money(wrong: object) -> None:
    with pytest.raises(TypeError):
        Money(wrong, "USD")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Money.from_minor(wrong, "USD")  # type: ignore[arg-type]


def test_money_fits_a_bigint() -> None:
    assert Money(MICROS_MAX, "USD").micros == 2**63 - 1
    for micros in (MICROS_MAX + 1, -MICROS_MAX - 1):
        with pytest.raises(OverflowError):
            Money(micros, "USD")
    with pytest.raises(OverflowError):
        Money(MICROS_MAX, "USD") + Money(1, "USD")


def test_every_refusal_has_its_own_code() -> None:
    refusals = [
        kind
        for kind in vars(money_module).values()
        if isinstance(kind, type) and issubclass(kind, RaseedError)
    ]
    assert len({kind.code for kind in refusals}) == len(refusals)


def test_an_error_reads_for_the_log_and_for_the_person() -> None:
    assert (
        str(AmountError("digits of two scripts", example="1.00")) == "amount_invalid: digits of two scripts"
    )
    assert str(AmountError()) == "amount_invalid"
    assert str(AmountError(example="1.00").message) == "Enter an amount in digits, for example 1.00."
    # With no parameters the sentence is left as it stands, per cent signs and all.
    assert str(RaseedError().message) == "Something went wrong. Nothing was changed."
