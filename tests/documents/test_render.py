"""The receipt voucher as a PDF: read back, measured on the page, and the same bytes every time."""

from __future__ import annotations

import ctypes
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import cast

import pypdfium2
import pypdfium2.raw
import pytest
from django.conf import settings

from documents.copies import ARABIC_VOUCHER, HOSTILE_NAME, HOSTILE_VOUCHER, VOUCHER
from raseed.documents.copies import CopyUnreadable, Language, ReceiptVoucherCopy
from raseed.documents.render import FontsMissing, render_receipt_voucher, voucher_view
from raseed.documents.words import amount_in_words
from raseed.money import CURRENCIES, Money, format_money

FONTS = Path(settings.FONTS_DIR)
LANGUAGES: tuple[Language, ...] = ("en", "ar")
A4_POINTS = (595, 842)
MARGIN_POINTS = 60  # 22 mm and a little for what overhangs a letter's box
INVISIBLE = str.maketrans("", "", "\u200b\u2066\u2067\u2068\u2069\r")


@contextmanager
def opened(pdf: bytes) -> Iterator[pypdfium2.PdfDocument]:
    with closing(pypdfium2.PdfDocument(pdf)) as document:
        yield document


def text_of(pdf: bytes) -> str:
    """Everything on the paper, invisible characters left out."""
    with opened(pdf) as document:
        return "\n".join(page.get_textpage().get_text_range() for page in document).translate(INVISIBLE)


def as_seen(pdf: bytes) -> list[str]:
    """The lines of the first page as the eye meets them: letters sorted from left to right by where they stand."""
    lines: dict[int, list[tuple[float, str]]] = {}
    x, baseline = ctypes.c_double(), ctypes.c_double()
    with opened(pdf) as document:
        page = document[0].get_textpage()
        for index in range(page.count_chars()):
            letter = chr(pypdfium2.raw.FPDFText_GetUnicode(page.raw, index)).translate(INVISIBLE).strip()
            assert pypdfium2.raw.FPDFText_GetCharOrigin(page.raw, index, x, baseline)
            lines.setdefault(round(baseline.value), []).append((x.value, letter))
    return [
        "".join(letter for _x, letter in sorted(line)) for _y, line in sorted(lines.items(), reverse=True)
    ]


def changed(**fields: object) -> Mapping[str, object]:
    return {**VOUCHER, **fields}


def test_an_english_voucher_reads() -> None:
    assert text_of(render_receipt_voucher(VOUCHER, "en", FONTS)).splitlines() == [
        "Najm Cloud Telephony LLC",
        "7845 King Fahd Road",
        "Olaya District",
        "Riyadh 12213-3214",
        "Saudi Arabia",
        "Tax number: 310122393500003",
        "Registration number: 1010123456",
        "Receipt Voucher",
        "سند قبض",
        "Voucher number",
        "RV-2026-000341",
        "Date",
        "23 November 2026, 12:14 UTC+03:00",
        "Amount received",
        "1,284.50 USD",
        "One thousand two hundred eighty-four US dollars and fifty cents only",
        "Received from Bright Dental Clinics Co.",
        "Rainbow Street 14, 2nd floor",
        "Amman 11181",
        "Tel. +962 6 465 1234",
        "Jordan",
        "Registration number: CR 200-45/7",
        "On account of Prepaid balance top-up",
        "Account AC-100245",
        "Payment method Card, Visa •••• 4242",
        "Payment reference 0193590f-2c1d-7a44-b7c6-2f4f9f1f9c11",
        "Bank reference pay_3QK8x2LkdIwHu7ix0",
        "Received by Najm Cloud Telephony LLC",
        "This voucher was issued electronically and needs no signature or stamp. RV-2026-000341 Page 1 of 1",
    ]


def test_an_arabic_voucher_says_the_same_in_arabic() -> None:
    view = voucher_view(ARABIC_VOUCHER, "ar")
    rows = cast("list[dict[str, object]]", view["rows"])
    said = {
        str(row["label"]): [line.translate(INVISIBLE) for line in cast("list[str]", row["lines"])]
        for row in rows
    }
    assert said == {
        "استلمنا من": [
            "شركة الشام للتجارة (فرع 3)",
            "شارع الرينبو 14، الطابق 2",
            "ص.ب 12345-6789 عمّان",
            "هاتف +962 6 465 1234",
            "الأردن",
            "الرقم الضريبي: 123456789",
            "رقم السجل التجاري: CR 200-45/7",
        ],
        "وذلك عن": ["شحن رصيد مسبق الدفع"],
        "الحساب": ["AC-100245"],
        "طريقة الدفع": ["بطاقة، Visa •••• 4242"],
        "مرجع الدفعة": ["0193590f-2c1d-7a44-b7c6-2f4f9f1f9c11"],
        "مرجع البنك": ["pay_3QK8x2LkdIwHu7ix0"],
        "المستلم": ["شركة نجم للاتصالات السحابية ذ.م.م"],
    }
    assert view["amount"] == {
        "label": "المبلغ المستلم",
        "text": "\u20661,250.250 JOD\u2069",
        "words": "فقط ألف ومئتان وخمسون دينارًا أردنيًا ومئتان وخمسون فلسًا لا غير",
    }
    assert (view["title"], view["other_title"]) == ("سند قبض", "Receipt Voucher")


def test_in_arabic_numbers_stand_left_to_right_and_words_right_to_left() -> None:
    seen = as_seen(render_receipt_voucher(ARABIC_VOUCHER, "ar", FONTS))
    page = "\n".join(seen)
    for number in (
        "RV-2026-000341",
        "1,250.250JOD",
        "+96264651234",
        "12345-6789",
        "12213-3214",
        "310122393500003",
        "CR200-45/7",
        "Visa••••4242",
        "0193590f-2c1d-7a44-b7c6-2f4f9f1f9c11",
        "pay_3QK8x2LkdIwHu7ix0",
        "12:14UTC+03:00",
    ):
        assert number in page
    # Read from the right, the title is its letters in their order; so is a word of the body.
    assert any("سندقبض" in line[::-1] for line in seen)
    assert any("وذلكعن" in line[::-1] for line in seen)
    assert any("صفحة" in line[::-1] for line in seen)


def test_without_isolates_a_phone_reads_from_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control of the test above: it would see the fault."""
    monkeypatch.setattr("raseed.documents.render.in_its_own_direction", lambda text: text)
    seen = "\n".join(as_seen(render_receipt_voucher(ARABIC_VOUCHER, "ar", FONTS)))
    assert "+96264651234" not in seen
    assert "12345-6789" not in seen


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("currency", CURRENCIES)
def test_every_currency_in_figures_and_words(currency: str, language: Language) -> None:
    amount = Money.from_minor(1_234_560, currency)
    copy = cast("ReceiptVoucherCopy", changed(amount_minor=1_234_560, currency=currency))
    shown = cast("dict[str, str]", voucher_view(copy, language)["amount"])
    assert shown["text"] == f"\u2066{format_money(amount)}\u2069"
    assert shown["words"] == amount_in_words(amount, language)
    assert format_money(amount).replace(" ", "") in "\n".join(
        as_seen(render_receipt_voucher(copy, language, FONTS))
    )


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("copy", [VOUCHER, ARABIC_VOUCHER], ids=["english", "arabic"])
def test_it_is_no_tax_paper(copy: ReceiptVoucherCopy, language: Language) -> None:
    text = (
        text_of(render_receipt_voucher(copy, language, FONTS)).lower()
        + str(voucher_view(copy, language)).lower()
    )
    for word in ("invoice", "vat", "فاتورة", "القيمة المضافة"):
        assert word not in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_same_copy_gives_the_same_bytes(language: Language) -> None:
    first = render_receipt_voucher(VOUCHER, language, FONTS)
    assert (
        hashlib.sha256(render_receipt_voucher(VOUCHER, language, FONTS)).digest()
        == hashlib.sha256(first).digest()
    )
    assert render_receipt_voucher(changed(number="RV-2026-000342"), language, FONTS) != first


def test_another_process_in_another_zone_gives_the_same_bytes(tmp_path: Path) -> None:
    code = (
        "import json, sys, hashlib; from pathlib import Path\n"
        "from raseed.documents.render import render_receipt_voucher\n"
        "copy = json.loads(sys.stdin.read())\n"
        "print(hashlib.sha256(render_receipt_voucher(copy, 'ar', Path(sys.argv[1]))).hexdigest())"
    )
    import_path = str(Path(sys.modules["raseed"].__path__[0]).parent)
    done = subprocess.run(
        [sys.executable, "-c", code, str(FONTS)],
        input=json.dumps(ARABIC_VOUCHER),
        env={"TZ": "America/Lima", "LANG": "C", "PYTHONPATH": import_path, "PYTHONUTF8": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    here = hashlib.sha256(render_receipt_voucher(ARABIC_VOUCHER, "ar", FONTS)).hexdigest()
    assert done.stdout.strip() == here


@pytest.mark.parametrize("language", LANGUAGES)
def test_hostile_text_is_only_text_and_stays_on_the_page(language: Language) -> None:
    pdf = render_receipt_voucher(HOSTILE_VOUCHER, language, FONTS)
    # pdfium reports a bracket in a line of the other direction as its mirror image; on the page it stands right.
    unsided = str.maketrans("(<[", ")>]")
    seen = "\n".join(as_seen(pdf)).translate(unsided)
    for plain in (
        "#panic()$x$*b*_i_\"q\"'r'<b>[c]\\@ref`raw`gnp.exe",
        '#read("/etc/passwd")',
        "<#eval(1)>••••4242",
    ):
        assert plain.translate(unsided) in seen
    assert seen.count("W") == HOSTILE_NAME.count("W")
    assert seen.count("g" * 20) >= 4
    with opened(pdf) as document:
        assert len(document) <= 2
        for page in document:
            assert tuple(map(round, page.get_size())) == A4_POINTS
            letters = page.get_textpage()
            boxes = [letters.get_charbox(index) for index in range(letters.count_chars())]
            assert min(box[0] for box in boxes if box[2] > box[0]) >= MARGIN_POINTS
            assert max(box[2] for box in boxes if box[2] > box[0]) <= A4_POINTS[0] - MARGIN_POINTS


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_file_says_what_it_is(language: Language) -> None:
    with opened(render_receipt_voucher(VOUCHER, language, FONTS)) as document:
        facts = document.get_metadata_dict()
        assert len(document) == 1
        assert document.is_tagged()
    title = {"en": "Receipt Voucher", "ar": "سند قبض"}[language]
    assert facts["Title"] == f"{title} RV-2026-000341"
    assert (
        facts["Author"] == {"en": VOUCHER["operator"]["name"], "ar": VOUCHER["operator"]["name_ar"]}[language]
    )
    assert facts["CreationDate"].startswith("D:20261123091405")


@pytest.mark.parametrize(
    ("fields", "language", "expected"),
    [
        ({"time_zone": "UTC"}, "en", "23 November 2026, 09:14 UTC"),
        (
            {"time_zone": "Africa/Cairo", "issued_at": "2026-07-01T22:30:00+00:00"},
            "en",
            "2 July 2026, 01:30 UTC+03:00",
        ),
        ({"time_zone": "America/New_York"}, "en", "23 November 2026, 04:14 UTC-05:00"),
        ({}, "ar", "23 نوفمبر 2026، 12:14 UTC+03:00"),
    ],
)
def test_the_date_is_the_operators(fields: dict[str, object], language: Language, expected: str) -> None:
    view = voucher_view(cast("ReceiptVoucherCopy", changed(**fields)), language)
    assert cast("dict[str, str]", view["date"])["text"].translate(INVISIBLE) == expected


@pytest.mark.parametrize(
    ("fields", "label", "expected"),
    [
        ({"card_brand": "mada"}, "Payment method", ["Card, mada •••• 4242"]),
        ({"card_brand": "newbrand"}, "Payment method", ["Card, newbrand •••• 4242"]),
        ({"card_brand": "", "card_last4": ""}, "Payment method", ["Card"]),
        ({"method": "transfer"}, "Payment method", ["Bank transfer"]),
        (
            {"method": "cash", "received_by": "Huda Salem"},
            "Received by",
            ["Najm Cloud Telephony LLC", "Huda Salem"],
        ),
        ({"purpose": "amount_due"}, "On account of", ["Amount due on the account"]),
        ({"gateway_reference": " "}, "Bank reference", None),
        ({}, "Received on", None),
        ({"received_at": "2026-11-20T09:00:00+00:00"}, "Received on", ["20 November 2026, 12:00 UTC+03:00"]),
    ],
)
def test_rows_follow_the_payment(fields: dict[str, object], label: str, expected: list[str] | None) -> None:
    rows = cast(
        "list[dict[str, object]]", voucher_view(cast("ReceiptVoucherCopy", changed(**fields)), "en")["rows"]
    )
    found = [
        [line.translate(INVISIBLE) for line in cast("list[str]", row["lines"])]
        for row in rows
        if row["label"] == label
    ]
    assert found == ([] if expected is None else [expected])


@pytest.mark.parametrize(
    ("frozen", "detail"),
    [
        ({}, "schema is None, not 1"),
        (changed(schema=2), "schema is 2, not 1"),
        ({key: value for key, value in VOUCHER.items() if key != "number"}, "number is missing"),
        (changed(amount_minor="12"), "amount_minor is str, not int"),
        (changed(amount_minor=12.5), "amount_minor is float, not int"),
        (changed(method="cheque"), "method is 'cheque', not one of card, transfer, cash"),
        (changed(purpose=""), "purpose is '', not one of prepaid_balance, amount_due"),
        (changed(vat="1"), "vat is not a field of this paper"),
        (changed(operator={"name": "x"}), "operator.address is missing"),
        (changed(operator=None), "operator is NoneType, not dict"),
    ],
)
def test_a_copy_of_another_shape_is_refused(frozen: Mapping[str, object], detail: str) -> None:
    with pytest.raises(CopyUnreadable) as refusal:
        render_receipt_voucher(frozen, "en", FONTS)
    assert refusal.value.log_detail == detail


def test_missing_fonts_are_named(tmp_path: Path) -> None:
    with pytest.raises(FontsMissing) as refusal:
        render_receipt_voucher(VOUCHER, "en", tmp_path)
    assert "IBM Plex Sans Arabic" in refusal.value.log_detail
    assert "make assets" in refusal.value.log_detail
