"""The port over the sandbox bank's HTTP protocol.

It sends each request once. Whatever it cannot read is `Unknown`; it never guesses that money did not move.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import quote
from uuid import UUID

import httpx

from raseed.db.transactions import assert_no_transaction, let_go
from raseed.failpoints import ENABLED, failpoint
from raseed.gateways.port import (
    ActionRequired,
    Busy,
    Canceled,
    Card,
    CardKept,
    CardSetup,
    Charge,
    DeclineCode,
    Declined,
    Dispute,
    DisputeState,
    ForgedWebhook,
    GatewayBusy,
    GatewayUnavailable,
    Movement,
    MovementKind,
    NotFound,
    Outcome,
    Page,
    Pending,
    Refunded,
    RefundFailed,
    RefundOrder,
    RefundOutcome,
    RefundPending,
    Refused,
    SavedReference,
    SetupOutcome,
    Subject,
    Succeeded,
    Unknown,
    UnreadableWebhook,
    WebhookEvent,
    WebhookOutOfTime,
)

Told = TypeVar("Told")

NAME = "sandbox"
SIGNATURE_HEADER = "sandbox-signature"
WEBHOOK_TOLERANCE_S = 300.0
_BUSY_S = 5
_BUSY_S_MAX = 300
_OWN_BUSY_S = 1
_CONNECT_TIMEOUT_S = 3.0
_CONNECTIONS_MAX = 50

_DECLINES: Mapping[str, DeclineCode] = {
    "insufficient_funds": DeclineCode.INSUFFICIENT_FUNDS,
    "expired_card": DeclineCode.EXPIRED_CARD,
    "incorrect_cvc": DeclineCode.INCORRECT_DETAILS,
    "card_velocity_exceeded": DeclineCode.LIMIT_EXCEEDED,
    "authentication_failed": DeclineCode.AUTHENTICATION_FAILED,
    "authentication_required": DeclineCode.AUTHENTICATION_REQUIRED,
}


# Lines of these kinds name the refund or dispute in their detail.
_KINDS_OF_PARTS = frozenset({"refund", "refund_failed", "dispute", "dispute_won", "dispute_lost"})


_SUBJECTS: Mapping[str, Subject] = {
    "setup": Subject.SETUP,
    "refund": Subject.REFUND,
    "dispute": Subject.DISPUTE,
}


class SandboxGateway:
    """One shared client; safe to use from many threads. Times are in seconds.

    `timeout_s` bounds each wait for the bank: for a byte, not for the whole answer. `webhook_secrets` holds the one in
    use and, while it is being changed, the one before. `may_leave` is asked before each request; where it says no,
    nothing is sent and the answer is Busy.
    """

    def __init__(
        self,
        *,
        url: str,
        secret_key: str,
        webhook_secrets: Sequence[str],
        timeout_s: float,
        webhook_tolerance_s: float = WEBHOOK_TOLERANCE_S,
        may_leave: Callable[[], bool] = lambda: True,
    ) -> None:
        """Raises ValueError for an empty secret: with one, everybody could sign."""
        if not secret_key.strip():
            raise ValueError("SANDBOX_SECRET_KEY is empty")
        if not webhook_secrets or not all(secret.strip() for secret in webhook_secrets):
            raise ValueError("SANDBOX_WEBHOOK_SECRET is empty")
        self._webhook_secrets = tuple(secret.encode() for secret in webhook_secrets)
        self._webhook_tolerance_s = webhook_tolerance_s
        self._may_leave = may_leave
        self._client = httpx.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {secret_key}"},
            timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, _CONNECT_TIMEOUT_S)),
            limits=httpx.Limits(max_connections=_CONNECTIONS_MAX),
            transport=httpx.HTTPTransport(
                retries=0, limits=httpx.Limits(max_connections=_CONNECTIONS_MAX), trust_env=False
            ),
            follow_redirects=False,
            trust_env=False,
        )

    @property
    def name(self) -> str:
        """The key under which references of this gateway are unique."""
        return NAME

    @property
    def keeps_cards(self) -> bool:
        """Whether it can keep a card without a charge: it can."""
        return True

    def close(self) -> None:
        """Close the client's connections."""
        self._client.close()

    def charge(self, charge: Charge) -> Outcome:
        """Ask for money once, with the charge's key. A timeout here is the one that must be asked about."""
        body = {
            "reference": str(charge.payment_id),
            "customer": str(charge.account_id),
            "amount": charge.amount_minor,
            "currency": charge.currency,
            "description": charge.description,
            "return_url": charge.return_url,
            "language": charge.customer_language,
            "save_card": charge.save_card,
            "unattended": charge.unattended,
            "saved_reference": charge.saved_reference,
        }
        headers = {"Idempotency-Key": charge.idempotency_key}
        watched = {"trace": _dies_once_sent(charge.payment_id)} if ENABLED else {}
        response = self._send("POST", "/v1/payments", json=body, headers=headers, extensions=watched)
        if isinstance(response, Unknown | Busy):
            return response
        return Refused(_described(response)) if _refusal(response) else _read(response, _payment_outcome)

    def set_up_card(self, setup: CardSetup) -> SetupOutcome:
        """Open the bank's page for a card that is kept and not charged, once by the setup's key."""
        body = {
            "reference": str(setup.setup_id),
            "customer": str(setup.account_id),
            "currency": setup.currency,
            "return_url": setup.return_url,
            "language": setup.customer_language,
        }
        headers = {"Idempotency-Key": setup.idempotency_key}
        response = self._send("POST", "/v1/setups", json=body, headers=headers)
        if isinstance(response, Unknown | Busy):
            return response
        return Refused(_described(response)) if _refusal(response) else _read(response, _setup_outcome)

    def fetch_setup(self, gateway_ref: str) -> SetupOutcome:
        """The setup's state now, by the bank's reference."""
        response = self._send("GET", f"/v1/setups/{quote(gateway_ref, safe='')}")
        return response if isinstance(response, Unknown | Busy) else _read(response, _setup_outcome)

    def fetch(self, gateway_ref: str) -> Outcome:
        """The payment's state now, by the bank's reference."""
        return self._ask("GET", f"/v1/payments/{quote(gateway_ref, safe='')}")

    def find_by_reference(self, payment_id: UUID) -> Outcome:
        """The payment's state now, by our reference."""
        return self._ask("GET", "/v1/payments", params={"reference": str(payment_id)})

    def cancel(self, gateway_ref: str) -> Outcome:
        """Cancel, or learn what happened first."""
        return self._ask("POST", f"/v1/payments/{quote(gateway_ref, safe='')}/cancel")

    def refund(self, order: RefundOrder) -> RefundOutcome:
        """Ask for a refund once, with the order's key. Our id goes along, so that it can be found by it."""
        body = {
            "payment": order.gateway_ref,
            "amount": order.amount_minor,
            "reference": str(order.refund_id),
        }
        headers = {"Idempotency-Key": order.idempotency_key}
        response = self._send("POST", "/v1/refunds", json=body, headers=headers)
        if isinstance(response, Unknown | Busy):
            return response
        return Refused(_described(response)) if _refusal(response) else _refund_outcome(response)

    def fetch_refund(self, part_ref: str) -> RefundOutcome:
        """The refund's state now, by the bank's reference."""
        response = self._send("GET", f"/v1/refunds/{quote(part_ref, safe='')}")
        return response if isinstance(response, Unknown | Busy) else _refund_outcome(response)

    def find_refund(self, gateway_ref: str, refund_id: UUID) -> RefundOutcome:  # noqa: ARG002 - the id suffices here
        """The refund's state now, by our id."""
        response = self._send("GET", "/v1/refunds", params={"reference": str(refund_id)})
        return response if isinstance(response, Unknown | Busy) else _refund_outcome(response)

    def disputes_of(self, gateway_ref: str) -> tuple[Dispute, ...]:
        """All disputes of a payment; raises GatewayUnavailable."""
        response = _answered(self._send("GET", "/v1/disputes", params={"payment": gateway_ref}))
        if response.status_code != 200:
            raise GatewayUnavailable(_described(response))
        try:
            return tuple(_dispute(one) for one in response.json()["disputes"])
        except (ValueError, KeyError, TypeError) as error:
            raise GatewayUnavailable(f"the bank's disputes cannot be read: {error!r}") from error

    def card_form(self, gateway_ref: str) -> None:
        """It has no form for a page of ours."""

    def forget_card(self, reference: str) -> None:
        """Delete a saved card at the bank; raises GatewayUnavailable."""
        response = _answered(self._send("DELETE", f"/v1/cards/{quote(reference, safe='')}"))
        if response.status_code not in {200, 404}:
            raise GatewayUnavailable(_described(response))

    def list_since(self, cursor: str, limit: int) -> Page:
        """The bank's book after `cursor`; raises GatewayUnavailable."""
        params = {"after": cursor, "limit": str(limit)}
        response = _answered(self._send("GET", "/v1/book", params=params))
        if response.status_code != 200:
            raise GatewayUnavailable(_described(response))
        try:
            body = response.json()
            movements = tuple(_movement(entry) for entry in body["entries"])
            return Page(movements, next_cursor=_text(body["next"]), more=_switch(body["more"]))
        except (ValueError, KeyError, TypeError) as error:
            raise GatewayUnavailable(f"the bank's book cannot be read: {error!r}") from error

    def parse_webhook(self, raw: bytes, headers: Mapping[str, str], now: datetime) -> WebhookEvent:
        """Verify the signature over the raw bytes, then its age, then read; raises ForgedWebhook."""
        timestamp = self._verified_timestamp(raw, headers)
        if abs(now.timestamp() - timestamp) > self._webhook_tolerance_s:
            skew_s = round(now.timestamp() - timestamp)
            raise WebhookOutOfTime(f"signed {skew_s} s ago by our clock", skew_s=skew_s)
        try:
            body = json.loads(raw)
            thing = body["object"]
            subject = _SUBJECTS.get(thing["object"], Subject.PAYMENT)
            is_part = subject in {Subject.REFUND, Subject.DISPUTE}
            return WebhookEvent(
                event_id=_text(body["id"]),
                kind=_text(body["type"]),
                gateway_ref=_text(thing["payment"] if is_part else thing["id"]),
                payment_id=_our_reference(thing["reference"]),
                signed_at=datetime.fromtimestamp(timestamp, UTC),
                subject=subject,
                part_ref=_text(thing["id"]) if is_part else "",
            )
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise UnreadableWebhook(f"signed, but not an event: {error!r}") from error

    def _verified_timestamp(self, raw: bytes, headers: Mapping[str, str]) -> int:
        given = next((value for name, value in headers.items() if name.lower() == SIGNATURE_HEADER), "")
        match = re.fullmatch(r"t=([0-9]{1,12}),v1=([0-9a-f]{64})", given, re.ASCII)
        if match is None:
            raise ForgedWebhook("no readable signature")
        signed = match[1].encode() + b"." + raw
        # Every secret is tried, so that the time taken does not tell which of them is the right one.
        rights = [hmac.new(secret, signed, hashlib.sha256).hexdigest() for secret in self._webhook_secrets]
        if not any([hmac.compare_digest(right, match[2]) for right in rights]):  # noqa: C419 - no early end
            raise ForgedWebhook("the signature is not the bank's")
        return int(match[1])

    def _ask(self, method: str, path: str, **request: Any) -> Outcome:
        response = self._send(method, path, **request)
        return response if isinstance(response, Unknown | Busy) else _read(response, _payment_outcome)

    def _send(self, method: str, path: str, **request: Any) -> httpx.Response | Unknown | Busy:
        assert_no_transaction()
        if not self._may_leave():
            return Busy(_OWN_BUSY_S)
        let_go()
        try:
            return self._client.request(method, path, **request)
        except httpx.HTTPError as error:
            return Unknown(f"{method} {path}: {error!r}")


def _dies_once_sent(payment_id: UUID) -> Callable[[str, object], None]:
    """For the tests that kill processes: the request has left, its answer is not there."""

    def trace(event: str, _told: object) -> None:
        if event == "http11.send_request_body.complete":
            failpoint("KP03", payment_id)

    return trace


def _answered(response: httpx.Response | Unknown | Busy) -> httpx.Response:
    """The answer to a verb that moves no money; raises GatewayUnavailable for none, GatewayBusy for "later"."""
    if isinstance(response, Unknown):
        raise GatewayUnavailable(response.reason)
    if isinstance(response, Busy) or response.status_code == 429:
        raise GatewayBusy("asked too often")
    return response


def _read(
    response: httpx.Response, told: Callable[[Mapping[str, Any]], Told]
) -> Told | NotFound | Pending | Busy | Unknown:
    """Read one answer; what is neither the thing that was asked about nor a plain "no" or "later" is Unknown."""
    status = response.status_code
    if status in {200, 402}:
        try:
            return told(response.json())
        except (ValueError, KeyError, TypeError) as error:
            return Unknown(f"HTTP {status} that cannot be read: {error!r}")
    if status == 429:
        return Busy(_retry_after_s(response))
    plain: Mapping[int, NotFound | Pending] = {404: NotFound(), 409: Pending(None)}
    return plain.get(status, Unknown(_described(response)))


def _refund_outcome(response: httpx.Response) -> RefundOutcome:
    """Read one answer about a refund; what is neither a refund nor a plain "no" or "later" is Unknown."""
    status = response.status_code
    if status == 200:
        try:
            return _refund(response.json())
        except (ValueError, KeyError, TypeError) as error:
            return Unknown(f"a refund that cannot be read: {error!r}")
    if status == 429:
        return Busy(_retry_after_s(response))
    plain: Mapping[int, RefundOutcome] = {404: NotFound(), 409: Pending(None)}
    return plain.get(status, Unknown(_described(response)))


def _refund(body: Mapping[str, Any]) -> RefundOutcome:
    ref, state = _text(body["id"]), body["state"]
    if state == "succeeded":
        return Refunded(ref)
    if state == "pending":
        return RefundPending(ref)
    if state == "failed":
        return RefundFailed(ref, "the bank says: failed")
    return Unknown(f"a state of a refund that we do not know: {state!r}")


def _dispute(body: Mapping[str, Any]) -> Dispute:
    return Dispute(
        part_ref=_text(body["id"]),
        gateway_ref=_text(body["payment"]),
        amount_minor=_whole(body["amount"]),
        currency=_text(body["currency"]),
        state=DisputeState(_text(body["state"])),
    )


def _refusal(response: httpx.Response) -> bool:
    """Whether the bank did nothing with a request to charge because the request itself is wrong.

    Not so where the bank holds something under this key or reference already: that may have been charged.
    """
    wrong = 400 <= response.status_code < 500 and response.status_code not in {402, 408, 409, 429}
    return wrong and _error_type(response) not in {"reference_in_use", "key_reused"}


def _payment_outcome(body: Mapping[str, Any]) -> Outcome:
    ref, state = _text(body["id"]), body["state"]
    if state == "succeeded":
        return Succeeded(
            gateway_ref=ref,
            captured_minor=_whole(body["captured_amount"]),
            captured_currency=_text(body["captured_currency"]),
            payment_id=_our_reference(body["reference"]),
            card=_card(body["card"]),
            saved=_saved(body["saved"]),
        )
    if state == "requires_action":
        return ActionRequired(ref, _text(body["url"]))
    if state == "failed":
        return _declined(ref, body)
    if state == "canceled":
        return Canceled(ref)
    if state == "processing":
        return Pending(ref)
    return Unknown(f"a state that we do not know: {state!r}")


def _setup_outcome(body: Mapping[str, Any]) -> SetupOutcome:
    ref, state = _text(body["id"]), body["state"]
    if state == "succeeded":
        saved = _saved(body["saved"])
        if saved is None:
            raise ValueError("a setup that succeeded names no card")
        return CardKept(ref, _our_reference(body["reference"]), saved)
    if state == "requires_action":
        return ActionRequired(ref, _text(body["url"]))
    if state == "failed":
        return _declined(ref, body)
    if state == "canceled":
        return Canceled(ref)
    return Unknown(f"a state of a setup that we do not know: {state!r}")


def _declined(ref: str, body: Mapping[str, Any]) -> Declined:
    code = _DECLINES.get(_text(body["decline_code"]), DeclineCode.GENERIC)
    return Declined(ref, code, retryable=_switch(body["retryable"]), card=_card(body["card"]))


def _card(body: Mapping[str, Any] | None) -> Card | None:
    if body is None:
        return None
    return Card(
        brand=_text(body["brand"]),
        last4=_text(body["last4"]),
        exp_month=_whole(body["exp_month"]),
        exp_year=_whole(body["exp_year"]),
        fingerprint=_text(body["fingerprint"]),
    )


def _saved(body: Mapping[str, Any] | None) -> SavedReference | None:
    card = None if body is None else _card(body["card"])
    if body is None or card is None:
        return None
    return SavedReference(_text(body["reference"]), card, _switch(body["chargeable_unattended"]))


def _movement(entry: Mapping[str, Any]) -> Movement:
    at = datetime.fromisoformat(_text(entry["at"]))
    if at.tzinfo is None:
        raise ValueError("a time without a zone")
    return Movement(
        cursor=_text(entry["cursor"]),
        kind=_kind(_text(entry["kind"])),
        gateway_ref=_text(entry["payment"]),
        payment_id=_our_reference(entry["reference"]),
        amount_minor=_whole(entry["amount"]),
        currency=_text(entry["currency"]),
        at=at,
        part_ref=_text(entry["detail"]) if entry["kind"] in _KINDS_OF_PARTS else "",
    )


def _kind(name: str) -> MovementKind:
    return MovementKind(name) if name in set(MovementKind) else MovementKind.OTHER


def _our_reference(value: object) -> UUID | None:
    """Our payment id as the bank holds it; None for a reference that cannot be ours."""
    try:
        return UUID(_text(value))
    except ValueError:
        return None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a text was expected, not {type(value).__name__}")
    return value


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise TypeError(f"a whole number above zero was expected, not {value!r}")
    return value


def _switch(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"true or false was expected, not {type(value).__name__}")
    return value


def _retry_after_s(response: httpx.Response) -> int:
    text = response.headers.get("Retry-After", "")
    return min(int(text), _BUSY_S_MAX) if re.fullmatch(r"[0-9]{1,6}", text) else _BUSY_S


def _error_type(response: httpx.Response) -> str:
    try:
        return str(response.json()["error"]["type"])
    except (ValueError, KeyError, TypeError):
        return ""


def _described(response: httpx.Response) -> str:
    return f"HTTP {response.status_code}: {response.text[:200]}"
