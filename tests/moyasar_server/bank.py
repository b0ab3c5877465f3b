"""Invoices, payments and tokens of one Moyasar account, and what happens to them."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid4

Thing = dict[str, Any]
CURRENCIES: Final = {"SAR", "USD", "AED", "KWD", "BHD", "OMR", "QAR", "JOD", "EUR", "GBP"}
THREE_DS: Final = "4000002760003184"
FAILS_ONCE_SAVED: Final = "4000000000000341"
# Number: message and response code. The last six are Moyasar's own test cards.
DECLINED: Final = {
    "4000000000000002": ("DECLINED", "05"),
    "4201320000013020": ("UNSPECIFIED FAILURE", "99"),
    "4201320000311101": ("INSUFFICIENT FUNDS", "51"),
    "4201320131000508": ("DECLINED: LOST CARD", "41"),
    "4201322267774310": ("DECLINED: EXPIRED CARD", "54"),
    "4201326324640570": ("DECLINED: EXCEEDS WITHDRAWAL LIMIT", "61"),
    "4201321144311528": ("DECLINED: STOLEN CARD", "43"),
}
GOOD: Final = {"4242424242424242", "4111111111111111", THREE_DS, FAILS_ONCE_SAVED}


class Refusal(Exception):
    """An answer that is an error of Moyasar's kind."""

    def __init__(self, status: int, message: str, errors: Thing | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"type": "invalid_request_error", "message": message, "errors": errors}


def invalid(**errors: str) -> Refusal:
    return Refusal(400, "Validation Failed", {name: [text] for name, text in errors.items()})


class Bank:
    """One account. `tell` is called with the type of each webhook and the payment it is about."""

    def __init__(self, url: str, tell: Callable[[str, Thing], None]) -> None:
        self.url, self.tell = url, tell
        self.payments: dict[str, Thing] = {}
        self.invoices: dict[str, Thing] = {}
        self.tokens: dict[str, Thing] = {}
        self.page_keeps_cards = True
        self.hands_metadata_on = True
        self.page_size = 3

    # -- what the API does

    def make_invoice(self, given: Thing) -> Thing:
        _check_amount(given)
        ref = str(uuid4())
        invoice = {
            "id": ref,
            "status": "initiated",
            "amount": given["amount"],
            "currency": given["currency"],
            "description": given["description"],
            "url": f"{self.url}/invoices/{ref}?lang=en",
            "callback_url": None,
            "success_url": given.get("success_url"),
            "back_url": given.get("back_url"),
            "expired_at": None,
            "metadata": given.get("metadata"),
            "created_at": now(),
            "updated_at": now(),
        }
        self.invoices[ref] = invoice
        return self.invoice(ref)

    def invoice(self, ref: str) -> Thing:
        if ref not in self.invoices:
            raise Refusal(404, "Object not found")
        under = [one for one in self.payments.values() if one["invoice_id"] == ref]
        return self.invoices[ref] | {"payments": [shown(one) for one in under]}

    def cancel_invoice(self, ref: str) -> Thing:
        invoice = self.invoice(ref)
        if invoice["status"] != "initiated":
            raise Refusal(400, f"Invoice is {invoice['status']}")
        self.invoices[ref] |= {"status": "canceled", "updated_at": now()}
        return self.invoice(ref)

    def make_payment(self, given: Thing) -> Thing:
        _check_amount(given)
        ref, source = given.get("given_id") or str(uuid4()), given["source"]
        if str(UUID(ref)) in self.payments:
            raise invalid(given_id="has already been taken")
        token = self.tokens.get(source["token"])
        if token is None or token["status"] != "active":
            raise invalid(source="token is invalid")
        payment = self._payment(ref, given, token["_number"], given.get("metadata"), None)
        number = token["_number"]
        if number == FAILS_ONCE_SAVED:
            self._end(payment, "failed", "DECLINED", "05")
        elif number == THREE_DS and not source["3ds"]:
            self._end(payment, "failed", "DECLINED: AUTHENTICATION REQUIRED", "1A")
        elif number == THREE_DS:
            payment["source"]["transaction_url"] = f"{self.url}/transaction_auths/{ref}/form"
        else:
            self._judge(payment, number)
        return payment

    def payment(self, ref: str) -> Thing:
        if ref not in self.payments:
            raise Refusal(404, "Object not found")
        return self.payments[ref]

    def update_payment(self, given: Thing, ref: str) -> Thing:
        payment = self.payment(ref)
        merged = (payment["metadata"] or {}) | given["metadata"]
        payment["metadata"] = {name: value for name, value in merged.items() if value != ""}
        payment["updated_at"] = now()
        return payment

    def refund(self, given: Thing, ref: str) -> Thing:
        payment = self.payment(ref)
        left = payment["amount"] - payment["refunded"]
        amount = given.get("amount", left)
        if payment["status"] not in {"paid", "captured", "refunded"} or not 0 < amount <= left:
            raise invalid(amount="is more than can be refunded")
        payment |= {"refunded": payment["refunded"] + amount, "refunded_at": now(), "updated_at": now()}
        payment["status"] = "refunded"
        self.tell("payment_refunded", payment)
        return payment

    def delete_token(self, ref: str) -> None:
        if ref not in self.tokens:
            raise Refusal(404, "Object not found")
        del self.tokens[ref]

    def token(self, ref: str) -> Thing:
        if ref not in self.tokens:
            raise Refusal(404, "Object not found")
        return self.tokens[ref]

    def listed(self, name: str, given: Thing) -> Thing:
        """A page, newest first."""
        things = [self.invoice(ref) for ref in self.invoices]
        if name == "payments":
            things = list(self.payments.values())
        things = [one for one in reversed(things) if _is_asked_for(one, given)]
        page, size = int(given.get("page", 1)), self.page_size
        pages = max(1, -(-len(things) // size))
        meta = {
            "current_page": page,
            "next_page": page + 1 if page < pages else None,
            "prev_page": page - 1 or None,
            "total_pages": pages,
            "total_count": len(things),
        }
        return {name: [shown(one) for one in things[(page - 1) * size : page * size]], "meta": meta}

    # -- what a customer does

    def pay_invoice(self, ref: str, number: str) -> None:
        """A card is typed on the page of an invoice."""
        invoice = self.invoices[ref]
        if invoice["status"] != "initiated":
            raise Refusal(400, "Invoice cannot be paid")
        metadata = dict(invoice["metadata"] or {}) if self.hands_metadata_on else None
        payment = self._payment(str(uuid4()), invoice, number, metadata, ref)
        if self.page_keeps_cards:
            payment["source"]["token"] = self.keep(number)
        if number == THREE_DS:
            payment["source"]["transaction_url"] = f"{self.url}/transaction_auths/{payment['id']}/form"
        else:
            self._judge(payment, number)

    def authenticate(self, ref: str, *, passes: bool) -> None:
        """The 3-D Secure page of a payment, or of the one under way of an invoice, ends."""
        payment = next(
            one
            for one in self.payments.values()
            if ref in {one["id"], one["invoice_id"]} and one["status"] == "initiated"
        )
        if passes:
            self._end(payment, "paid", "APPROVED", "00")
        else:
            self._end(payment, "failed", "3DS: authentication failed", None)

    def keep(self, number: str) -> str:
        """A card that is kept; its token."""
        ref = f"token_{secrets.token_hex(12)}"
        self.tokens[ref] = {
            "id": ref,
            "status": "active",
            "brand": "visa",
            "funding": "credit",
            "country": "SA",
            "month": "12",
            "year": "2034",
            "name": "Test Customer",
            "last_four": number[-4:],
            "metadata": None,
            "created_at": now(),
            "updated_at": now(),
            "_number": number,
        }
        return ref

    def _payment(
        self, ref: str, given: Thing, number: str, metadata: Thing | None, invoice: str | None
    ) -> Thing:
        at = now()
        payment = {
            "id": ref,
            "status": "initiated",
            "amount": given["amount"],
            "fee": 0,
            "currency": given["currency"],
            "refunded": 0,
            "refunded_at": None,
            "captured": 0,
            "captured_at": None,
            "voided_at": None,
            "description": given.get("description"),
            "invoice_id": invoice,
            "ip": None,
            "callback_url": given.get("callback_url"),
            "created_at": at,
            "updated_at": at,
            "metadata": metadata,
            "source": {
                "type": "creditcard" if invoice else "token",
                "company": "visa",
                "name": "Test Customer",
                "number": f"XXXX-XXXX-XXXX-{number[-4:]}",
                "message": None,
                "transaction_url": None,
                "response_code": None,
            },
        }
        self.payments[ref] = payment
        return payment

    def _judge(self, payment: Thing, number: str) -> None:
        if number in GOOD:
            self._end(payment, "paid", "APPROVED", "00")
        else:
            self._end(payment, "failed", *DECLINED[number])

    def _end(self, payment: Thing, status: str, message: str, code: str | None) -> None:
        payment |= {"status": status, "updated_at": now()}
        payment["source"] |= {"message": message, "response_code": code}
        if payment["invoice_id"] and status == "paid":
            self.invoices[payment["invoice_id"]] |= {"status": "paid", "updated_at": now()}
        self.tell(f"payment_{status}", payment)


def shown(thing: Thing) -> Thing:
    return {name: value for name, value in thing.items() if not name.startswith("_")}


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _check_amount(given: Thing) -> None:
    if given["currency"] not in CURRENCIES:
        raise invalid(currency="is not supported")
    if given["amount"] < 100:
        raise invalid(amount="must be at least 100")


def _is_asked_for(thing: Thing, given: Thing) -> bool:
    since = given.get("updated[gt]")
    if since and datetime.fromisoformat(thing["updated_at"]) < datetime.fromisoformat(since):
        return False
    wanted = {name[9:-1]: value for name, value in given.items() if name.startswith("metadata[")}
    return all((thing["metadata"] or {}).get(name) == value for name, value in wanted.items())
