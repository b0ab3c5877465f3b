"""Text from outside: what is dropped, what is kept, and that it cannot reach over its border."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raseed.documents.plaintext import (
    LINE_LENGTH_MAX,
    LINES_MAX,
    UNBROKEN_MAX,
    breakable,
    in_its_own_direction,
    left_to_right,
    lines_of,
    on_one_line,
    one_line,
)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("  Bright \t Dental  ", "Bright Dental"),
        ("a\u202egnp.exe", "agnp.exe"),
        ("\u2067\u200f\u061ca\u2069\ufeff", "a"),
        ("a\x00b\x1b[31m", "a b [31m"),
        ("line\nline\u2028line", "line line line"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("\ud800x", "x"),
        ("e\u0301", "é"),
        ("Z" + "\u0336" * 9, "Z" + "\u0336" * 4),
        ("مُدَرِّسٌ", "مُدَرِّسٌ"),
        ("#eval $x$ *b* \\ \"q\" 'r'", "#eval $x$ *b* \\ \"q\" 'r'"),
        ("x" * 161, "x" * 159 + "…"),
        ("", ""),
    ],
    ids=ascii,
)
def test_a_line_is_cleaned(text: str, clean: str) -> None:
    assert one_line(text) == clean


@given(st.text(max_size=600))
def test_a_cleaned_line_is_visible_short_and_stays_as_it_is(text: str) -> None:
    clean = one_line(text)
    assert len(clean) <= LINE_LENGTH_MAX
    assert not {unicodedata.category(c) for c in clean.replace("\u200c", "").replace("\u200d", "")} & {
        "Cc",
        "Cf",
        "Cs",
        "Zl",
        "Zp",
    }
    assert one_line(clean) == clean


@given(st.text(max_size=600))
def test_an_address_has_few_lines_and_none_empty(text: str) -> None:
    lines = lines_of(text)
    assert len(lines) <= LINES_MAX
    assert all(line and "\n" not in line for line in lines)


def test_lines_of_an_address_are_kept() -> None:
    assert lines_of("1 King Road\r\n\n Riyadh \u2028SA") == ["1 King Road", "Riyadh", "SA"]


@pytest.mark.parametrize(
    ("text", "wrapped"),
    [
        ("", ""),
        ("Najm", "⟪Najm⟩"),
        ("فرع 3", "⟪فرع ⟨3⟩⟩"),
        ("ص.ب 12345-6789 عمّان", "⟪ص.ب ⟨12345-6789⟩ عمّان⟩"),
        ("هاتف +962 6 465 1234", "⟪هاتف ⟨+962 6 465 1234⟩⟩"),
        ("هاتف +962 (6) 465.1234، مكتب 7", "⟪هاتف ⟨+962 (6) 465.1234⟩، مكتب ⟨7⟩⟩"),
        ("رصيد -100.00 دولار", "⟪رصيد ⟨-100.00⟩ دولار⟩"),
        ("طريق 5 مبنى 10.", "⟪طريق ⟨5⟩ مبنى ⟨10⟩.⟩"),
    ],
    ids=ascii,
)
def test_numbers_are_isolated_within_a_text(text: str, wrapped: str) -> None:
    readable = str.maketrans({"\u2066": "⟨", "\u2068": "⟪", "\u2069": "⟩"})
    assert in_its_own_direction(text).translate(readable) == wrapped


def test_a_reference_is_isolated_whole() -> None:
    assert left_to_right("CR 200-45/7") == "\u2066CR 200-45/7\u2069"
    assert left_to_right("") == ""


def test_an_amount_and_a_card_stand_on_one_line_and_no_tag_is_touched() -> None:
    written = f"<td>{left_to_right('400.00 USD')} on the {left_to_right('Visa •••• 4242')}</td>"
    assert (
        on_one_line(written)
        == "<td>\u2066400.00\u00a0USD\u2069 on the \u2066Visa\u00a0••••\u00a04242\u2069</td>"
    )
    link = '\u2066<a href="/x" rel="y">1 2</a>\u2069'
    assert on_one_line(link) == link


@given(st.text(max_size=200))
def test_breaks_are_only_added(text: str) -> None:
    plain = text.replace("\u200b", "")
    broken = breakable(plain)
    assert broken.replace("\u200b", "") == plain
    assert all(len(part) <= UNBROKEN_MAX for run in broken.split() for part in run.split("\u200b"))
