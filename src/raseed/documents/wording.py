"""The fixed words of the papers, both languages side by side.

They stand here and not in the message catalogues because a paper must never come out half translated: a missing Arabic
label is a type error, not a silent English one. A receipt voucher must never call itself an invoice, nor speak of VAT due.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from raseed.documents.copies import Language


@dataclass(frozen=True, slots=True)
class VoucherWording:
    """The words of a receipt voucher in one language."""

    title: str
    number: str
    date: str
    amount: str
    received_from: str
    received_on: str
    method: str
    card_reference: str
    gateway_reference: str
    on_account_of: str
    account: str
    receiver: str
    tax_number: str
    registration_number: str
    electronic: str
    page: str
    of_pages: str
    comma: str
    methods: dict[str, str]
    purposes: dict[str, str]
    months: tuple[str, ...]


VOUCHER: Final[dict[Language, VoucherWording]] = {
    "en": VoucherWording(
        title="Receipt Voucher",
        number="Voucher number",
        date="Date",
        amount="Amount received",
        received_from="Received from",
        received_on="Received on",
        method="Payment method",
        card_reference="Payment reference",
        gateway_reference="Bank reference",
        on_account_of="On account of",
        account="Account",
        receiver="Received by",
        tax_number="Tax number",
        registration_number="Registration number",
        electronic="This voucher was issued electronically and needs no signature or stamp.",
        page="Page",
        of_pages="of",
        comma=", ",
        methods={"card": "Card", "transfer": "Bank transfer", "cash": "Cash"},
        purposes={"prepaid_balance": "Prepaid balance top-up", "amount_due": "Amount due on the account"},
        months=(
            "January",
            "February",
            "March",
            "April",
            "May",
            "June",
            "July",
            "August",
            "September",
            "October",
            "November",
            "December",
        ),
    ),
    "ar": VoucherWording(
        title="سند قبض",
        number="رقم السند",
        date="التاريخ",
        amount="المبلغ المستلم",
        received_from="استلمنا من",
        received_on="تاريخ الاستلام",
        method="طريقة الدفع",
        card_reference="مرجع الدفعة",
        gateway_reference="مرجع البنك",
        on_account_of="وذلك عن",
        account="الحساب",
        receiver="المستلم",
        tax_number="الرقم الضريبي",
        registration_number="رقم السجل التجاري",
        electronic="صدر هذا السند إلكترونيًا ولا يحتاج إلى توقيع أو ختم.",
        page="صفحة",
        of_pages="من",
        comma="، ",
        methods={"card": "بطاقة", "transfer": "تحويل مصرفي", "cash": "نقدًا"},
        purposes={"prepaid_balance": "شحن رصيد مسبق الدفع", "amount_due": "سداد المبلغ المستحق على الحساب"},
        months=(
            "يناير",
            "فبراير",
            "مارس",
            "أبريل",
            "مايو",
            "يونيو",
            "يوليو",
            "أغسطس",
            "سبتمبر",
            "أكتوبر",
            "نوفمبر",
            "ديسمبر",
        ),
    ),
}

# As the schemes write themselves; what is not listed is printed as the gateway gave it.
CARD_BRANDS: Final = {
    "visa": "Visa",
    "mastercard": "Mastercard",
    "amex": "American Express",
    "mada": "mada",
    "meeza": "Meeza",
    "knet": "KNET",
    "benefit": "BENEFIT",
    "discover": "Discover",
    "diners": "Diners Club",
    "jcb": "JCB",
    "unionpay": "UnionPay",
}
