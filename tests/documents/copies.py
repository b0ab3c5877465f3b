"""Receipt vouchers' copies as an operator in Riyadh would issue them, for the tests of papers."""

from __future__ import annotations

from typing import Final

from raseed.documents.copies import PartyCopy, ReceiptVoucherCopy

OPERATOR: Final[PartyCopy] = {
    "name": "Najm Cloud Telephony LLC",
    "name_ar": "شركة نجم للاتصالات السحابية ذ.م.م",
    "address": "7845 King Fahd Road\nOlaya District\nRiyadh 12213-3214",
    "address_ar": "7845 طريق الملك فهد\nحي العليا\nالرياض 12213-3214",
    "country": "Saudi Arabia",
    "country_ar": "المملكة العربية السعودية",
    "tax_number": "310122393500003",
    "registration_number": "1010123456",
}
ACCOUNT: Final[PartyCopy] = {
    "name": "Bright Dental Clinics Co.",
    "name_ar": "",
    "address": "Rainbow Street 14, 2nd floor\nAmman 11181\nTel. +962 6 465 1234",
    "address_ar": "",
    "country": "Jordan",
    "country_ar": "الأردن",
    "tax_number": "",
    "registration_number": "CR 200-45/7",
}
ARABIC_ACCOUNT: Final[PartyCopy] = {
    **ACCOUNT,
    "name": "شركة الشام للتجارة (فرع 3)",
    "address": "شارع الرينبو 14، الطابق 2\nص.ب 12345-6789 عمّان\nهاتف +962 6 465 1234",
    "tax_number": "123456789",
}
VOUCHER: Final[ReceiptVoucherCopy] = {
    "schema": 1,
    "number": "RV-2026-000341",
    "issued_at": "2026-11-23T09:14:05+00:00",
    "received_at": "2026-11-23T09:14:04+00:00",
    "time_zone": "Asia/Riyadh",
    "amount_minor": 128450,
    "currency": "USD",
    "operator": OPERATOR,
    "received_from": ACCOUNT,
    "method": "card",
    "card_brand": "visa",
    "card_last4": "4242",
    "payment_reference": "0193590f-2c1d-7a44-b7c6-2f4f9f1f9c11",
    "gateway_reference": "pay_3QK8x2LkdIwHu7ix0",
    "purpose": "prepaid_balance",
    "account_reference": "AC-100245",
    "received_by": "",
}
ARABIC_VOUCHER: Final[ReceiptVoucherCopy] = {
    **VOUCHER,
    "amount_minor": 1250250,
    "currency": "JOD",
    "received_from": ARABIC_ACCOUNT,
}
# Markup of three languages, quotes, bidi controls, endless words, stacked marks, scripts that the fonts lack.
HOSTILE_NAME: Final = "#panic() $x$ *b* _i_ \"q\" 'r' <b> [c] \\ @ref `raw` \u202egnp.exe\u2066 " + "W" * 90
HOSTILE_ACCOUNT: Final[PartyCopy] = {
    "name": HOSTILE_NAME,
    "name_ar": "",
    "address": '#read("/etc/passwd")\n'
    "شارع ABC 12-34\u202e 55 \U0001f600 中文 Ελλάδα Москва Şişli\n"
    + "ا" * 120
    + "\nZ"
    + "\u0300" * 500
    + " zalgo\n\n5\n6\n7\n8",
    "address_ar": "",
    "country": "X" * 400,
    "country_ar": "",
    "tax_number": "-100",
    "registration_number": "+966-11",
}
HOSTILE_VOUCHER: Final[ReceiptVoucherCopy] = {
    **VOUCHER,
    "received_from": HOSTILE_ACCOUNT,
    "card_brand": "<#eval(1)>",
    "gateway_reference": "g" * 150,
}
