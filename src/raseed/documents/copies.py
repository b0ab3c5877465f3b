"""The frozen copies that papers are made of: everything a paper says, copied when it is issued.

A copy is plain JSON, sufficient by itself: rendering reads nothing else, so that a paper never changes when an account
is renamed or the operator moves. This module must never read the database, the clock or the settings; whoever issues
a paper fills the copy inside the issuing transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, TypedDict, cast, get_args

from django.utils.translation import gettext_lazy as _

from raseed.errors import RaseedError

Language = Literal["en", "ar"]
Method = Literal["card", "transfer", "cash"]
Purpose = Literal["prepaid_balance", "amount_due"]

# Raised when the shape of the copy changes; renderers keep knowing how to read the older ones.
RECEIPT_VOUCHER_SCHEMA: Final = 1


class PartyCopy(TypedDict):
    """Who a voucher names: as the records said on the day. Any text may be empty, and an empty one is not printed."""

    name: str
    name_ar: str
    address: str  # lines are kept
    address_ar: str
    country: str  # the country's English name, or its ISO 3166 code
    country_ar: str
    tax_number: str
    registration_number: str


class ReceiptVoucherCopy(TypedDict):
    """Everything on a receipt voucher. Amounts are whole minor units; times are ISO 8601 in UTC."""

    schema: int  # RECEIPT_VOUCHER_SCHEMA
    number: str  # "RV-2026-000341"
    issued_at: str  # "2026-11-23T09:14:05+00:00"
    received_at: str  # when the payment became final
    time_zone: str  # IANA name, the operator's: the zone in which the days of its papers are cut
    amount_minor: int  # what was received; above zero
    currency: str  # ISO 4217
    operator: PartyCopy  # the receiver
    received_from: PartyCopy  # the account, by its billing name
    method: Method
    card_brand: str  # "visa", as the gateway says it; empty if not a card
    card_last4: str  # empty if not a card
    payment_reference: str  # our payment's id, as the account's pages show it
    gateway_reference: str  # the bank's own reference, or the transfer's; may be empty
    purpose: Literal[
        "prepaid_balance", "amount_due"
    ]  # on account of: a top-up, or what a postpaid account owes
    account_reference: str  # the account's number or id, by which the operator finds it
    received_by: str  # the staff member who took cash or a transfer; empty when the system received it


class CopyUnreadable(RaseedError):
    """A frozen copy that is not of a known shape: written by other code than this, or damaged."""

    code = "paper_copy_unreadable"
    status = 500
    message = _("This paper cannot be shown just now. Our staff have been told.")


def read_receipt_voucher_copy(frozen: Mapping[str, object]) -> ReceiptVoucherCopy:
    """Check that stored JSON is a receipt voucher's copy and give it its type.

    Raises CopyUnreadable naming the first field that is missing, unknown or of another type, and for another schema.
    """
    if frozen.get("schema") != RECEIPT_VOUCHER_SCHEMA:
        raise CopyUnreadable(f"schema is {frozen.get('schema')!r}, not {RECEIPT_VOUCHER_SCHEMA}")
    _check_fields(frozen, _VOUCHER_FIELDS, "")
    for party in ("operator", "received_from"):
        _check_fields(cast("Mapping[str, object]", frozen[party]), _PARTY_FIELDS, f"{party}.")
    for name, words in (("method", get_args(Method)), ("purpose", get_args(Purpose))):
        if frozen[name] not in words:
            raise CopyUnreadable(f"{name} is {frozen[name]!r}, not one of {', '.join(words)}")
    return cast("ReceiptVoucherCopy", frozen)


_PARTY_FIELDS: Final = dict.fromkeys(PartyCopy.__annotations__, str)
_VOUCHER_FIELDS: Final[dict[str, type]] = dict.fromkeys(ReceiptVoucherCopy.__annotations__, str) | {
    "schema": int,
    "amount_minor": int,
    "operator": dict,
    "received_from": dict,
}


def _check_fields(found: Mapping[str, object], expected: Mapping[str, type], path: str) -> None:
    for name in sorted(expected.keys() | found.keys()):
        if name not in found:
            raise CopyUnreadable(f"{path}{name} is missing")
        if name not in expected:
            raise CopyUnreadable(f"{path}{name} is not a field of this paper")
        if type(found[name]) is not expected[name]:
            raise CopyUnreadable(
                f"{path}{name} is {type(found[name]).__name__}, not {expected[name].__name__}"
            )
