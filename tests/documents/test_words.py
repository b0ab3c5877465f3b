"""Amounts in words: a table read by eye for every currency, and the properties that no table can hold."""

from __future__ import annotations

import unicodedata
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raseed.documents.copies import Language
from raseed.documents.words import amount_in_words
from raseed.money import CURRENCIES, TYPED_MICROS_MAX, InexactMinor, Money, parse_amount

# One row an amount: figures and ISO code, Arabic, English.
TABLE = [
    tuple(line.split("\t"))
    for line in (Path(__file__).parent / "amounts_in_words.tsv").read_text(encoding="utf-8").splitlines()
]
LANGUAGES: tuple[Language, ...] = ("en", "ar")


def test_the_table_covers_every_currency() -> None:
    assert {figures[-3:] for figures, _arabic, _english in TABLE} == set(CURRENCIES)
    assert len(TABLE) > 900


@pytest.mark.parametrize("currency", CURRENCIES)
def test_words_are_those_of_the_table(currency: str) -> None:
    for figures, arabic, english in TABLE:
        amount, code = figures.split(" ")
        if code == currency:
            money = parse_amount(amount, code)
            assert amount_in_words(money, "ar") == arabic, figures
            assert amount_in_words(money, "en") == english, figures


@pytest.mark.parametrize(
    ("minor", "currency", "arabic"),
    [
        # Rules that the general libraries get wrong, one example each.
        (100, "USD", "فقط دولار أمريكي واحد لا غير"),
        (200, "AED", "فقط درهمان إماراتيان لا غير"),
        (300, "SAR", "فقط ثلاثة ريالات سعودية لا غير"),
        (1100, "AED", "فقط أحد عشر درهمًا إماراتيًا لا غير"),
        (10_000, "USD", "فقط مئة دولار أمريكي لا غير"),
        (20_000, "USD", "فقط مئتا دولار أمريكي لا غير"),
        (20_300, "USD", "فقط مئتان وثلاثة دولارات أمريكية لا غير"),
        (200_000, "EGP", "فقط ألفا جنيه مصري لا غير"),
        (1_100_000, "EGP", "فقط أحد عشر ألف جنيه مصري لا غير"),
        (1_150_000, "EGP", "فقط أحد عشر ألفًا وخمسمئة جنيه مصري لا غير"),
        (10_100_000, "QAR", "فقط مئة ألف وألف ريال قطري لا غير"),
        (108, "SAR", "فقط ريال سعودي واحد وثماني هللات لا غير"),
        (128, "SAR", "فقط ريال سعودي واحد وثمانٍ وعشرون هللة لا غير"),
        (111, "SAR", "فقط ريال سعودي واحد وإحدى عشرة هللة لا غير"),
        (1_250, "JOD", "فقط دينار أردني واحد ومئتان وخمسون فلسًا لا غير"),
        (1_200, "KWD", "فقط دينار كويتي واحد ومئتا فلس لا غير"),
        (3_105, "OMR", "فقط ثلاثة ريالات عُمانية ومئة وخمس بيسات لا غير"),
        (302, "EUR", "فقط ثلاثة يوروات وسنتان لا غير"),
    ],
)
def test_arabic_counts_as_its_grammar_does(minor: int, currency: str, arabic: str) -> None:
    assert amount_in_words(Money.from_minor(minor, currency), "ar") == arabic


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("currency", ["USD", "OMR"])
def test_no_two_amounts_have_one_wording(language: Language, currency: str) -> None:
    """Both genders of subunit: a hundred thousand amounts from zero up, whole units to 200,000, a stride to a million."""
    subunits = 10 ** CURRENCIES[currency].exponent
    near = range(100_000)
    far = range(0, 1_000_000 * subunits, 997 * subunits // 2)
    amounts = set(chain(near, far, range(0, 200_000 * subunits, subunits)))
    words = {amount_in_words(Money.from_minor(minor, currency), language) for minor in amounts}
    assert len(words) == len(amounts)


@given(
    one=st.integers(0, TYPED_MICROS_MAX // 1_000_000 * 100),
    other=st.integers(0, TYPED_MICROS_MAX // 1_000_000 * 100),
    currency=st.sampled_from(tuple(CURRENCIES)),
    language=st.sampled_from(LANGUAGES),
)
def test_different_amounts_read_differently(one: int, other: int, currency: str, language: Language) -> None:
    left, right = Money.from_minor(one, currency), Money.from_minor(other, currency)
    assert (amount_in_words(left, language) == amount_in_words(right, language)) == (one == other)


@given(minor=st.integers(0, 10**14), currency=st.sampled_from(tuple(CURRENCIES)))
def test_words_hold_letters_and_nothing_of_the_other_script(minor: int, currency: str) -> None:
    arabic = amount_in_words(Money.from_minor(minor, currency), "ar")
    english = amount_in_words(Money.from_minor(minor, currency), "en")
    assert english.isascii()
    assert english.replace(" ", "").replace("-", "").isalpha()
    assert all(
        unicodedata.name(c).startswith("ARABIC LETTER") for c in arabic if c not in " \u064b\u064d\u064f"
    )
    for text in (arabic, english):
        assert "  " not in text
        assert text == text.strip()


@pytest.mark.parametrize("language", LANGUAGES)
def test_currencies_read_differently(language: Language) -> None:
    for amount in ("1", "2", "5", "0.50", "100"):
        assert len({amount_in_words(parse_amount(amount, code), language) for code in CURRENCIES}) == len(
            CURRENCIES
        )


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_paper_neither_rounds_nor_goes_below_zero(language: Language) -> None:
    with pytest.raises(InexactMinor):
        amount_in_words(Money(1, "USD"), language)
    with pytest.raises(ValueError, match="negative"):
        amount_in_words(Money(-1_000_000, "USD"), language)
