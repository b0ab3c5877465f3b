"""From a frozen copy to the bytes of a PDF: the same copy gives the same bytes, on every machine with these fonts.

Pure but for reading the fonts and the template. It must never read the database, the clock or the settings, and never
build typst source: what a paper says reaches the template as JSON through ``sys_inputs``, where text is only ever text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import typst
from django.utils.translation import gettext_lazy as _

from raseed.documents.copies import Language, PartyCopy, ReceiptVoucherCopy, read_receipt_voucher_copy
from raseed.documents.plaintext import (
    UNBROKEN_REFERENCE_MAX,
    breakable,
    in_its_own_direction,
    left_to_right,
    lines_of,
    one_line,
)
from raseed.documents.wording import CARD_BRANDS, VOUCHER, VoucherWording
from raseed.documents.words import amount_in_words
from raseed.errors import RaseedError
from raseed.money import Money, format_money

_TEMPLATES: Final = Path(__file__).parent / "typst"
_FAMILIES: Final = frozenset(
    {"IBM Plex Sans Arabic", "IBM Plex Sans Arabic Medm", "IBM Plex Sans Arabic SmBld"}
)
_OTHER: Final[dict[Language, Language]] = {"en": "ar", "ar": "en"}


class FontsMissing(RaseedError):
    """The fonts of the papers were not made at set-up."""

    code = "paper_fonts_missing"
    status = 500
    message = _("This paper cannot be made just now. Our staff have been told.")


def render_receipt_voucher(frozen: Mapping[str, object], language: Language, fonts_dir: Path) -> bytes:
    """Make the PDF of a receipt voucher from its frozen copy, in the account's language.

    Deterministic: creation time and document id come from ``issued_at``. Raises CopyUnreadable for a copy of another
    shape, FontsMissing if ``fonts_dir`` lacks the papers' fonts. Takes about 30 ms of CPU; releases the GIL.
    """
    copy = read_receipt_voucher_copy(frozen)
    return _compile(
        "receipt_voucher.typ",
        voucher_view(copy, language),
        datetime.fromisoformat(copy["issued_at"]),
        fonts_dir,
    )


def voucher_view(copy: ReceiptVoucherCopy, language: Language) -> dict[str, object]:
    """Say what stands on the paper: every text cleaned, formatted and set in its own direction.

    ``rows`` are in the order printed; each has a ``label`` and ``lines``, of which the first is the main one.
    """
    words = VOUCHER[language]
    amount = Money.from_minor(copy["amount_minor"], copy["currency"])
    zone = ZoneInfo(copy["time_zone"])
    issued = datetime.fromisoformat(copy["issued_at"]).astimezone(zone)
    received = datetime.fromisoformat(copy["received_at"]).astimezone(zone)
    operator_name = _name(copy["operator"], language)
    rows = [
        _row(
            words.received_from,
            [_name(copy["received_from"], language), *_details(copy["received_from"], words, language)],
        ),
        _row(words.on_account_of, [words.purposes[copy["purpose"]]]),
        _row(words.account, [_reference(copy["account_reference"])]),
        _row(words.method, [_method(copy, words)]),
        _row(words.received_on, [_moment(received, words)] if received.date() != issued.date() else []),
        _row(words.card_reference, [_reference(copy["payment_reference"])]),
        _row(words.gateway_reference, [_reference(copy["gateway_reference"])]),
        _row(words.receiver, [operator_name, in_its_own_direction(one_line(copy["received_by"]))]),
    ]
    return {
        "language": language,
        "title": words.title,
        "other_title": VOUCHER[_OTHER[language]].title,
        "other_language": _OTHER[language],
        "document_title": f"{words.title} {one_line(copy['number'])}",
        "document_author": one_line(_localised(copy["operator"], "name", language)),
        "operator": {"name": operator_name, "lines": _details(copy["operator"], words, language)},
        "number": {"label": words.number, "text": _reference(copy["number"])},
        "date": {"label": words.date, "text": _moment(issued, words)},
        "amount": {
            "label": words.amount,
            "text": left_to_right(format_money(amount)),
            "words": amount_in_words(amount, language),
        },
        "rows": [row for row in rows if row["lines"]],
        "electronic": words.electronic,
        "page": words.page,
        "of_pages": words.of_pages,
    }


def _row(label: str, lines: list[str]) -> dict[str, object]:
    return {"label": label, "lines": [line for line in lines if line]}


def _localised(party: PartyCopy, field: str, language: Language) -> str:
    """Return the field in that language, or in the other one where the records have only that."""
    texts = {"en": str(party[field]), "ar": str(party[f"{field}_ar"])}  # type: ignore[literal-required]
    return texts[language] if texts[language].strip() else texts[_OTHER[language]]


def _name(party: PartyCopy, language: Language) -> str:
    return in_its_own_direction(breakable(one_line(_localised(party, "name", language))))


def _details(party: PartyCopy, words: VoucherWording, language: Language) -> list[str]:
    """Address line by line, country, then the numbers that the party is registered under."""
    address = [
        *lines_of(_localised(party, "address", language)),
        one_line(_localised(party, "country", language)),
    ]
    numbers = [
        f"{label}: {_reference(party[field])}"  # type: ignore[literal-required]
        for label, field in (
            (words.tax_number, "tax_number"),
            (words.registration_number, "registration_number"),
        )
        if one_line(party[field])  # type: ignore[literal-required]
    ]
    return [in_its_own_direction(breakable(line)) for line in address if line] + numbers


def _reference(text: str) -> str:
    return left_to_right(breakable(one_line(text), UNBROKEN_REFERENCE_MAX))


def _method(copy: ReceiptVoucherCopy, words: VoucherWording) -> str:
    name = words.methods[copy["method"]]
    if copy["method"] != "card":
        return name
    brand = one_line(copy["card_brand"])
    last4 = one_line(copy["card_last4"])
    card = " ".join(
        part for part in (CARD_BRANDS.get(brand.lower(), brand), f"•••• {last4}" if last4 else "") if part
    )
    return f"{name}{words.comma}{left_to_right(breakable(card))}" if card else name


def _moment(moment: datetime, words: VoucherWording) -> str:
    """Write a time with the offset of its zone: ``23 November 2026, 12:14 UTC+03:00``."""
    day = left_to_right(str(moment.day))
    year = left_to_right(str(moment.year))
    # "+0300" to "+03:00"; UTC itself stays bare.
    offset = f"{moment:%z}"
    zone = f"{offset[:3]}:{offset[3:]}" if moment.utcoffset() else ""
    clock = left_to_right(f"{moment:%H:%M} UTC{zone}")
    return f"{day} {words.months[moment.month - 1]} {year}{words.comma}{clock}"


def _compile(template: str, view: dict[str, object], issued_at: datetime, fonts_dir: Path) -> bytes:
    pdf = typst.compile(
        _TEMPLATES / template,
        root=_TEMPLATES,
        font_paths=_fonts(fonts_dir),
        ignore_system_fonts=True,
        format="pdf",
        sys_inputs={"view": json.dumps(view, ensure_ascii=False, sort_keys=True)},
        timestamp=int(issued_at.astimezone(UTC).timestamp()),
        pdf_tags=True,
    )
    if not isinstance(pdf, bytes):
        raise TypeError("typst gave no single file")
    return pdf


@lru_cache(maxsize=4)
def _fonts(fonts_dir: Path) -> typst.Fonts:
    """Read the fonts once for each process. typst's own serif stays behind them for letters that they lack."""
    fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=True, font_paths=[fonts_dir])
    missing = _FAMILIES - set(fonts.families())
    if missing:
        raise FontsMissing(f"{', '.join(sorted(missing))} not in {fonts_dir}: run `make assets`")
    return fonts
