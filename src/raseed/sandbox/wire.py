"""The JSON that goes over the wire, in both directions: what is asked is checked field by field, what is told is made here.

Amounts are whole minor units. It must never accept a card number: cards are typed on the bank's page.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from raseed.sandbox.cards import PROFILES, RETRYABLE
from raseed.sandbox.faults import Behaviour
from raseed.sandbox.rows import BookEntry, Dispute, Payment, Refund, Setup
from raseed.sandbox.settings import origin_allowed

AMOUNT_MAX = 99_999_999
EXPONENTS: Mapping[str, int] = {
    "SAR": 2, "AED": 2, "EGP": 2, "QAR": 2, "USD": 2, "EUR": 2, "GBP": 2, "JOD": 3, "KWD": 3, "BHD": 3, "OMR": 3,
}  # fmt: skip
_STEP_OF_THREE_DECIMALS = 10  # cards cannot be charged in single fils: the last digit must be 0


class ApiError(Exception):
    """A refusal. `status` is HTTP's, `code` is stable, `field` names what is wrong in the request."""

    def __init__(self, status: int, code: str, message: str, field: str | None = None) -> None:
        """The message is for the merchant's developer."""
        super().__init__(message)
        self.status, self.code, self.message, self.field = status, code, message, field

    def body(self) -> str:
        """The refusal as JSON text."""
        return json.dumps({"error": {"type": self.code, "message": self.message, "field": self.field}})


@dataclass(frozen=True, slots=True)
class Order:
    """A checked request for a payment. `month` is the (year, month) of now, to judge expiry by."""

    reference: str
    customer: str
    amount: int
    currency: str
    description: str
    return_url: str
    language: str
    save_card: bool
    unattended: bool
    saved_reference: str | None
    month: tuple[int, int]


@dataclass(frozen=True, slots=True)
class SetupOrder:
    """A checked request to keep a card."""

    reference: str
    customer: str
    currency: str
    return_url: str
    language: str


@dataclass(frozen=True, slots=True)
class RefundOrder:
    """A checked request for a refund. `reference` is the merchant's own, "" where it gives none."""

    payment: str
    amount: int
    reference: str


def parse_object(raw: bytes) -> dict[str, Any]:
    """The body as a JSON object; raises ApiError 400."""
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise ApiError(400, "invalid_request", "the body must be JSON") from error
    if not isinstance(body, dict):
        raise ApiError(400, "invalid_request", "the body must be a JSON object")
    return body


def parse_order(body: Mapping[str, Any], return_origins: tuple[str, ...], now: float) -> Order:
    """Check a request for a payment; raises ApiError 400 naming the first field that is wrong."""
    currency = _currency(body)
    amount = _amount(body)
    if EXPONENTS[currency] == 3 and amount % _STEP_OF_THREE_DECIMALS:
        raise _wrong("amount", f"a multiple of {_STEP_OF_THREE_DECIMALS} in {currency}")
    return_url = _return_url(body, return_origins)
    saved = body.get("saved_reference")
    moment = datetime.fromtimestamp(now, UTC)
    order = Order(
        reference=_text(body, "reference", r"[A-Za-z0-9_-]{1,64}"),
        customer=_text(body, "customer", r"[A-Za-z0-9_-]{1,64}"),
        amount=amount,
        currency=currency,
        description=_text(body, "description", r"[^\x00-\x1f\x7f]{0,200}"),
        return_url=return_url,
        language=_language(body),
        save_card=_switch(body, "save_card"),
        unattended=_switch(body, "unattended"),
        saved_reference=None if saved is None else _text(body, "saved_reference", r"[A-Za-z0-9_-]{1,64}"),
        month=(moment.year, moment.month),
    )
    if order.saved_reference is not None and order.save_card:
        raise _wrong("save_card", "false when saved_reference is given")
    if order.saved_reference is None and order.unattended:
        raise _wrong("unattended", "false when no saved_reference is given")
    return order


def parse_setup(body: Mapping[str, Any], return_origins: tuple[str, ...]) -> SetupOrder:
    """Check a request to keep a card; raises ApiError 400 naming the first field that is wrong."""
    return SetupOrder(
        reference=_text(body, "reference", r"[A-Za-z0-9_-]{1,64}"),
        customer=_text(body, "customer", r"[A-Za-z0-9_-]{1,64}"),
        currency=_currency(body),
        return_url=_return_url(body, return_origins),
        language=_language(body),
    )


def parse_refund(body: Mapping[str, Any]) -> RefundOrder:
    """Check a request for a refund; raises ApiError 400."""
    given = body.get("reference") is not None
    return RefundOrder(
        payment=_text(body, "payment", r"[A-Za-z0-9_-]{1,64}"),
        amount=_amount(body),
        reference=_text(body, "reference", r"[A-Za-z0-9_-]{1,64}") if given else "",
    )


def payment_json(payment: Payment, url: str | None) -> dict[str, Any]:
    """A payment as the merchant sees it; `url` where the customer must act."""
    card = _card(payment)
    saved = _saved(payment, card) if payment.save_card and payment.card_ref else None
    failed = payment.state == "failed"
    return {
        "id": payment.ref,
        "object": "payment",
        "reference": payment.reference,
        "customer": payment.customer,
        "state": payment.state,
        "amount": payment.amount,
        "currency": payment.currency,
        "captured_amount": payment.captured_amount,
        "captured_currency": payment.captured_currency,
        "description": payment.description,
        "url": url,
        "decline_code": payment.decline_code if failed else None,
        "retryable": payment.decline_code in RETRYABLE if failed else None,
        "card": card,
        "saved": saved,
        "created_at": _moment(payment.created_at),
    }


def setup_json(setup: Setup, url: str | None) -> dict[str, Any]:
    """A setup as the merchant sees it; `url` where the customer must act."""
    card = _card(setup)
    failed = setup.state == "failed"
    return {
        "id": setup.ref,
        "object": "setup",
        "reference": setup.reference,
        "customer": setup.customer,
        "state": setup.state,
        "currency": setup.currency,
        "url": url,
        "decline_code": setup.decline_code if failed else None,
        "retryable": setup.decline_code in RETRYABLE if failed else None,
        "card": card,
        "saved": _saved(setup, card) if setup.card_ref else None,
        "created_at": _moment(setup.created_at),
    }


def _card(typed: Payment | Setup) -> dict[str, Any] | None:
    if not typed.last4:
        return None
    return {
        "brand": typed.brand,
        "last4": typed.last4,
        "exp_month": typed.exp_month,
        "exp_year": typed.exp_year,
        "fingerprint": typed.fingerprint,
    }


def _saved(kept: Payment | Setup, card: dict[str, Any] | None) -> dict[str, Any]:
    unattended = PROFILES[kept.profile].chargeable_unattended
    return {"reference": kept.card_ref, "card": card, "chargeable_unattended": unattended}


def refund_json(refund: Refund, payment: Payment) -> dict[str, Any]:
    """A refund as the merchant sees it. `reference` is that of the payment, `refund_reference` its own."""
    return {
        "id": refund.ref,
        "object": "refund",
        "payment": refund.payment,
        "reference": payment.reference,
        "refund_reference": refund.reference or None,
        "amount": refund.amount,
        "currency": refund.currency,
        "state": refund.state,
        "created_at": _moment(refund.created_at),
    }


def dispute_json(dispute: Dispute, payment: Payment) -> dict[str, Any]:
    """A dispute as the merchant sees it."""
    return {
        "id": dispute.ref,
        "object": "dispute",
        "payment": dispute.payment,
        "reference": payment.reference,
        "amount": dispute.amount,
        "currency": dispute.currency,
        "state": dispute.state,
        "created_at": _moment(dispute.created_at),
    }


def captured(payment: Payment, behaviour: Behaviour) -> tuple[int, str]:
    """What a charge takes, in minor units and which currency: what was asked, unless the weather is G13."""
    if behaviour is Behaviour.G13:
        step = _STEP_OF_THREE_DECIMALS if EXPONENTS[payment.currency] == 3 else 1
        return max(payment.amount // 2 // step, 1) * step, payment.currency
    if behaviour is Behaviour.G13C:
        return payment.amount, "EUR" if payment.currency != "EUR" else "USD"
    return payment.amount, payment.currency


def entry_json(entry: BookEntry) -> dict[str, Any]:
    """A line of the book."""
    return {
        "cursor": str(entry.cursor),
        "kind": entry.kind,
        "payment": entry.payment,
        "reference": entry.reference,
        "amount": entry.amount,
        "currency": entry.currency,
        "detail": entry.detail,
        "at": _moment(entry.at),
    }


def money_text(amount: int, currency: str) -> str:
    """Minor units as people read them: `1,284.50 USD`."""
    exponent = EXPONENTS[currency]
    whole, part = divmod(amount, 10**exponent)
    return f"{whole:,}.{part:0{exponent}d} {currency}"


def _text(body: Mapping[str, Any], name: str, pattern: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not re.fullmatch(pattern, value):
        raise _wrong(name, f"a text like {pattern}")
    return value


def _currency(body: Mapping[str, Any]) -> str:
    currency = _text(body, "currency", r"[A-Z]{3}")
    if currency not in EXPONENTS:
        raise _wrong("currency", f"one of {', '.join(EXPONENTS)}")
    return currency


def _return_url(body: Mapping[str, Any], return_origins: tuple[str, ...]) -> str:
    return_url = _text(body, "return_url", r"\S{1,2000}")
    if not origin_allowed(return_url, return_origins):
        raise _wrong("return_url", "at one of the allowed origins")
    return return_url


def _language(body: Mapping[str, Any]) -> str:
    language = body.get("language", "en")
    if language not in {"en", "ar"}:
        raise _wrong("language", "en or ar")
    return str(language)


def _switch(body: Mapping[str, Any], name: str) -> bool:
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise _wrong(name, "true or false")
    return value


def _amount(body: Mapping[str, Any]) -> int:
    value = body.get("amount")
    # In Python true is an int: it must not buy one fils.
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= AMOUNT_MAX:
        raise _wrong("amount", f"whole minor units, 1 to {AMOUNT_MAX}")
    return value


def _wrong(name: str, right: str) -> ApiError:
    return ApiError(400, "invalid_request", f"{name} must be {right}", name)


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
