"""Other people's text made safe to print: names, addresses and references come from outside and may be hostile.

What leaves here is one line (or a few) of visible characters that cannot reach over its own border: no control or
bidi character survives, nothing is too long for its place, and every number reads left to right in either script.
It must never change a letter: what is dropped is invisible, or beyond the limit.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

LINE_LENGTH_MAX: Final = 160
LINES_MAX: Final = 6
# The longest run without a place to break that still fits the narrowest column of a paper, wide capitals and all.
UNBROKEN_MAX: Final = 24
# References are digits and small letters: a UUID stays whole, so that it can be copied from the paper.
UNBROKEN_REFERENCE_MAX: Final = 40
MARKS_MAX: Final = 4  # vowel signs on one letter; more is an attack on the line above

_LTR_ISOLATE: Final = "\u2066"
_FIRST_STRONG_ISOLATE: Final = "\u2068"
_POP_ISOLATE: Final = "\u2069"
# Not across a tag of HTML, whose own spaces are no words'.
_LEFT_TO_RIGHT: Final = re.compile(f"{_LTR_ISOLATE}[^{_POP_ISOLATE}<]*{_POP_ISOLATE}")
_BREAK_HERE: Final = "\u200b"
_KEPT_FORMAT: Final = frozenset("\u200c\u200d")  # the joiners that Persian and Indic words are spelled with
_LINE_ENDS: Final = re.compile(r"\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_NUMBER: Final = re.compile(
    r"(?:\+|00)[0-9](?:[0-9 ()./-]*[0-9])?"  # a phone, spaces and all
    r"|[+\-\u2212]?[0-9](?:[0-9.,:/\-]*[0-9])?%?"
)
_RUN: Final = re.compile(r"\S+")


def lines_of(text: str) -> list[str]:
    """Clean a text of several lines, keeping its lines; empty ones are dropped."""
    cleaned = [one_line(line) for line in _LINE_ENDS.split(text)[: LINES_MAX * 4]]
    return [line for line in cleaned if line][:LINES_MAX]


def one_line(text: str) -> str:
    """Clean a text into one line of visible characters, at most LINE_LENGTH_MAX, cut with an ellipsis."""
    # Cut before the work, so that a megabyte costs no more than a name; composing can only make it shorter.
    visible = "".join(filter(None, map(_visible, text[: LINE_LENGTH_MAX * 8])))
    composed = unicodedata.normalize("NFC", " ".join(visible.split()))
    unpiled = _without_piled_marks(composed)
    return unpiled if len(unpiled) <= LINE_LENGTH_MAX else f"{unpiled[: LINE_LENGTH_MAX - 1].rstrip()}…"


def left_to_right(text: str) -> str:
    """Wrap an amount, id, phone or reference so that it reads left to right in a text of either direction."""
    return f"{_LTR_ISOLATE}{text}{_POP_ISOLATE}" if text else ""


def on_one_line(text: str) -> str:
    """The text, or HTML, with each amount, card, time and reference kept whole: what stands between `left_to_right`'s marks."""
    return _LEFT_TO_RIGHT.sub(lambda found: found[0].replace(" ", "\u00a0"), text)


def in_its_own_direction(text: str) -> str:
    """Wrap a cleaned name or address line so that it neither disturbs nor follows the text around it.

    Numbers within are wrapped for themselves: after Arabic letters ``12345-6789`` would read from its end.
    """
    if not text:
        return ""
    numbers_kept = _NUMBER.sub(lambda number: left_to_right(number[0]), text)
    return f"{_FIRST_STRONG_ISOLATE}{numbers_kept}{_POP_ISOLATE}"


def breakable(text: str, unbroken_max: int = UNBROKEN_MAX) -> str:
    """Give words that are longer than any column places to break, invisible where they are not used."""
    return _RUN.sub(
        lambda run: _BREAK_HERE.join(
            run[0][start : start + unbroken_max] for start in range(0, len(run[0]), unbroken_max)
        ),
        text,
    )


def _visible(character: str) -> str:
    category = unicodedata.category(character)
    if category in {"Cc", "Zl", "Zp", "Zs"}:
        return " "
    if category in {"Cf", "Cs"} and character not in _KEPT_FORMAT:
        return ""
    return character


def _without_piled_marks(text: str) -> str:
    kept = []
    pile = 0
    for character in text:
        pile = pile + 1 if unicodedata.category(character) in {"Mn", "Me"} else 0
        if pile <= MARKS_MAX:
            kept.append(character)
    return "".join(kept)
