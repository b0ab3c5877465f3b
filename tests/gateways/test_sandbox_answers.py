"""The adapter against answers that no sane bank gives: what cannot be read is never taken for a failure."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import uuid4

import pytest

from raseed.gateways.port import (
    Busy,
    Charge,
    GatewayUnavailable,
    NotFound,
    Outcome,
    Pending,
    Refused,
    Succeeded,
    Unknown,
)
from raseed.gateways.sandbox import SandboxGateway

PAID = {
    "id": "pay_1",
    "reference": str(uuid4()),
    "state": "succeeded",
    "captured_amount": 1000,
    "captured_currency": "USD",
    "card": None,
    "saved": None,
}


class OddBank:
    """Answers every request with one prepared answer and counts the requests."""

    def __init__(self) -> None:
        self.status, self.body, self.headers = 200, b"", {}
        self.requests: list[str] = []
        odd = self

        class Odd(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", "0")))
                odd.requests.append(self.path)
                self.send_response(odd.status)
                for name, value in odd.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(odd.body)))
                self.end_headers()
                self.wfile.write(odd.body)

            do_POST = do_DELETE = do_GET  # noqa: N815

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Odd)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()
        self.gateway = SandboxGateway(
            url=f"http://127.0.0.1:{self.server.server_address[1]}",
            secret_key="k",
            webhook_secrets=["w"],
            timeout_s=2,
        )

    def says(self, status: int, body: object = None, **headers: str) -> None:
        self.status = status
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def charge(self) -> Outcome:
        return self.gateway.charge(
            Charge(
                payment_id=uuid4(),
                account_id=uuid4(),
                amount_minor=1000,
                currency="USD",
                idempotency_key="k",
                description="",
                return_url="http://localhost/",
                saved_reference=None,
                save_card=False,
                unattended=False,
                customer_language="en",
            )
        )


@pytest.fixture
def odd() -> Iterator[OddBank]:
    bank = OddBank()
    yield bank
    bank.gateway.close()
    bank.server.shutdown()
    bank.server.server_close()
    bank.thread.join()


@pytest.mark.parametrize("status", [201, 204, 302, 408, 500, 502, 503, 504, 599])
def test_other_statuses_are_unknown_and_asked_once(odd: OddBank, status: int) -> None:
    odd.says(status, b"" if status == 204 else PAID)
    assert isinstance(odd.charge(), Unknown)
    assert len(odd.requests) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"\xff\xfe",
        [],
        None,
        {},
        {**PAID, "id": None},
        {**PAID, "state": "won"},
        {**PAID, "captured_amount": None},
        {**PAID, "captured_amount": "1000"},
        {**PAID, "captured_amount": 1000.0},
        {**PAID, "captured_amount": True},
        {**PAID, "captured_amount": -1000},
        {**PAID, "captured_currency": None},
        {**PAID, "reference": 7},
        {**PAID, "card": {"brand": "visa"}},
        {"id": "pay_1", "state": "failed", "decline_code": None, "retryable": None, "card": None},
        {"id": "pay_1", "state": "requires_action", "url": None},
    ],
)
def test_unreadable_payments_are_unknown(odd: OddBank, body: object) -> None:
    odd.says(200, body)
    assert isinstance(odd.charge(), Unknown)
    assert isinstance(odd.gateway.fetch("pay_1"), Unknown)


def test_readable_payment_is_read(odd: OddBank) -> None:
    odd.says(200, PAID)
    assert isinstance(odd.charge(), Succeeded)


def test_reference_that_is_not_ours_is_told_apart(odd: OddBank) -> None:
    odd.says(200, {**PAID, "reference": "order-7"})
    outcome = odd.gateway.fetch("pay_1")
    assert isinstance(outcome, Succeeded)
    assert outcome.payment_id is None


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7), ("0", 0), ("86400", 300), ("soon", 5), ("-1", 5), ("", 5)]
)
def test_busy(odd: OddBank, header: str, seconds: int) -> None:
    odd.says(429, {}, Retry_After=header)
    assert odd.charge() == Busy(seconds) == odd.gateway.fetch("pay_1")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
def test_refusal_is_for_charges_only(odd: OddBank, status: int) -> None:
    odd.says(status, {"error": {"type": "invalid_request"}})
    assert isinstance(odd.charge(), Refused)
    found = odd.gateway.find_by_reference(uuid4())
    assert found == NotFound() if status == 404 else isinstance(found, Unknown)


def test_still_running(odd: OddBank) -> None:
    odd.says(409, {})
    assert odd.charge() == Pending(None)


@pytest.mark.parametrize(
    "body",
    [
        b"nonsense",
        {},
        {"entries": [{}], "next": "1", "more": False},
        {"entries": [], "next": 1, "more": False},
        {"entries": [], "next": "1", "more": "no"},
    ],
)
def test_unreadable_book_is_unavailable_not_empty(odd: OddBank, body: object) -> None:
    odd.says(200, body)
    with pytest.raises(GatewayUnavailable):
        odd.gateway.list_since("", 10)


@pytest.mark.parametrize("status", [401, 500])
def test_verbs_that_move_no_money_raise(odd: OddBank, status: int) -> None:
    odd.says(status, {})
    with pytest.raises(GatewayUnavailable):
        odd.gateway.list_since("", 10)
    with pytest.raises(GatewayUnavailable):
        odd.gateway.forget_card("card_1")
