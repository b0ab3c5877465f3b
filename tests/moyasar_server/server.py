"""The server: HTTP, the key, what may be asked, faults, the log of requests, and the letters that go out."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import socket
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID, uuid4

from moyasar_server.bank import Bank, Refusal, Thing, invalid, now, shown

_TEXTS: Final = "a set of texts"
# What may be asked: for each parameter its kind, and whether it must be there.
SCHEMAS: Final[dict[tuple[str, str], dict[str, tuple[Any, bool]]]] = {
    ("POST", "invoices"): {
        "amount": (int, True),
        "currency": (str, True),
        "description": (str, True),
        "callback_url": (str, False),
        "success_url": (str, False),
        "back_url": (str, False),
        "expired_at": (str, False),
        "metadata": (_TEXTS, False),
    },
    ("GET", "invoices"): {"page": (str, False), "metadata[payment_id]": (str, False)},
    ("GET", "invoices/:id"): {},
    ("PUT", "invoices/:id/cancel"): {},
    ("POST", "payments"): {
        "given_id": (UUID, False),
        "amount": (int, True),
        "currency": (str, True),
        "description": (str, False),
        "callback_url": (str, False),
        "metadata": (_TEXTS, False),
        "source": (dict, True),
    },
    ("GET", "payments"): {"page": (str, False), "updated[gt]": (str, False)},
    ("GET", "payments/:id"): {},
    ("PUT", "payments/:id"): {"metadata": (_TEXTS, True)},
    ("POST", "payments/:id/refund"): {"amount": (int, False)},
    ("GET", "tokens/:id"): {},
    ("DELETE", "tokens/:id"): {},
}
_SOURCE: Final[dict[str, tuple[Any, bool]]] = {
    "type": (str, True),
    "token": (str, True),
    "3ds": (bool, True),
    "manual": (bool, False),
}
_KEYS_MAX, _NAME_MAX = 50, 40


class MoyasarServer:
    """One Moyasar account on a port of its own. `log` is where a line for each request is added."""

    def __init__(self, log: Path | None = None) -> None:
        self.secret_key = "sk_test_of_the_tests"
        self.webhook_secret = "secret-of-the-tests"
        self.letters: list[tuple[dict[str, str], bytes]] = []
        self.requests: list[Thing] = []
        self._log, self._lock = log, threading.RLock()
        self._faults: list[tuple[str, str, str]] = []
        self._connected: set[socket.socket] = set()
        server = self

        class Door(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                server._connected.add(self.request)

            def finish(self) -> None:
                server._connected.discard(self.request)
                super().finish()

            def do_GET(self) -> None:
                server._serve(self)

            def do_POST(self) -> None:
                server._serve(self)

            def do_PUT(self) -> None:
                server._serve(self)

            def do_DELETE(self) -> None:
                server._serve(self)

            def log_message(self, *_: object) -> None:
                return

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Door)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self.bank = Bank(self.url, self._tell)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        for connection in list(self._connected):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()

    def fault(self, kind: str, method: str, pattern: str) -> None:
        """What befalls the next such request: drop_before, drop_after, 500_after, busy, rubbish, html_404."""
        self._faults.append((kind, method, pattern))

    def charges(self, payment_id: object) -> list[int]:
        """Minor units captured under our id; more than one is a double charge."""
        captured = {"paid", "captured", "refunded"}
        ours = [
            one
            for one in self.bank.payments.values()
            if str(payment_id) in {one["id"], (self._metadata(one)).get("payment_id")}
        ]
        return [one["amount"] for one in ours if one["status"] in captured]

    def _metadata(self, payment: Thing) -> Thing:
        invoice = self.bank.invoices.get(payment["invoice_id"] or "", {})
        return payment["metadata"] or invoice.get("metadata") or {}

    def letter(self, kind: str, payment: Thing, **changes: Any) -> bytes:
        """A letter as it is sent."""
        body = {
            "id": str(uuid4()),
            "type": kind,
            "created_at": now(),
            "secret_token": self.webhook_secret,
            "account_name": "Raseed",
            "live": False,
            "data": shown(payment),
        }
        return json.dumps(body | changes).encode()

    def _tell(self, kind: str, payment: Thing) -> None:
        self.letters.append(({"Content-Type": "application/json"}, self.letter(kind, payment)))

    def _serve(self, door: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(door.path)
        raw = door.rfile.read(int(door.headers.get("Content-Length") or 0))
        path = parts.path.removeprefix("/v1/")
        pattern, ids = _route(door.command, path)
        kind = self._due_fault(door.command, pattern)
        if kind == "drop_before":
            door.connection.shutdown(socket.SHUT_RDWR)
            return
        given = raw or json.dumps(dict(parse_qsl(parts.query, keep_blank_values=True))).encode()
        status, answer = (429, b'{"type": "rate_limit_error", "message": "Too many requests"}')
        if kind not in {"busy", "html_404"}:
            status, answer = self._done(door, pattern, ids, given)
        self._write_down(door, path, given, status)
        if kind == "drop_after":
            door.connection.shutdown(socket.SHUT_RDWR)
            return
        if kind == "500_after":
            status, answer = 500, b'{"type": "api_error", "message": "Something went wrong"}'
        if kind in {"rubbish", "html_404"}:
            status, answer = (404 if kind == "html_404" else status), b"<html>"
        door.send_response(status)
        if status == 429:
            door.send_header("Retry-After", "7")
        door.send_header("Content-Type", "application/json")
        door.send_header("Content-Length", str(len(answer)))
        door.end_headers()
        door.wfile.write(answer)

    def _due_fault(self, method: str, pattern: str) -> str:
        for place, (kind, *where) in enumerate(self._faults):
            if where == [method, pattern]:
                del self._faults[place]
                return kind
        return ""

    def _done(
        self, door: BaseHTTPRequestHandler, pattern: str, ids: list[str], given: bytes
    ) -> tuple[int, bytes]:
        try:
            self._check_key(door)
            if (door.command, pattern) not in SCHEMAS:
                return 404, json.dumps(Refusal(404, "Object not found").body).encode()
            asked = _checked(SCHEMAS[door.command, pattern], json.loads(given))
            if "source" in asked:
                _checked(_SOURCE, asked["source"])
            with self._lock:
                answer = self._answer(door.command, pattern, asked, *ids)
        except Refusal as refusal:
            return refusal.status, json.dumps(refusal.body).encode()
        if answer is None:
            return 204, b""
        is_new = door.command == "POST" and pattern in {"invoices", "payments"}
        return 201 if is_new else 200, json.dumps(shown(answer)).encode()

    def _check_key(self, door: BaseHTTPRequestHandler) -> None:
        key = base64.b64encode(f"{self.secret_key}:".encode()).decode()
        if door.headers.get("Authorization") != f"Basic {key}":
            refused = Refusal(401, "Invalid authorization credentials")
            refused.body["type"] = "authentication_error"
            raise refused

    def _answer(self, method: str, pattern: str, asked: Thing, ref: str = "") -> Thing | None:
        bank = self.bank
        does: dict[tuple[str, str], Callable[[], Thing | None]] = {
            ("GET", "invoices"): lambda: bank.listed("invoices", asked),
            ("POST", "invoices"): lambda: bank.make_invoice(asked),
            ("GET", "invoices/:id"): lambda: bank.invoice(ref),
            ("PUT", "invoices/:id/cancel"): lambda: bank.cancel_invoice(ref),
            ("GET", "payments"): lambda: bank.listed("payments", asked),
            ("POST", "payments"): lambda: bank.make_payment(asked),
            ("GET", "payments/:id"): lambda: bank.payment(ref),
            ("PUT", "payments/:id"): lambda: bank.update_payment(asked, ref),
            ("POST", "payments/:id/refund"): lambda: bank.refund(asked, ref),
            ("GET", "tokens/:id"): lambda: bank.token(ref),
            ("DELETE", "tokens/:id"): lambda: bank.delete_token(ref),
        }
        return does[method, pattern]()

    def _write_down(self, door: BaseHTTPRequestHandler, path: str, given: bytes, status: int) -> None:
        line = {
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "method": door.command,
            "path": path,
            "parameters": sorted(json.loads(given)),
            "status": status,
        }
        with self._lock:
            self.requests.append(line)
            if self._log:
                self._log.parent.mkdir(exist_ok=True)
                with self._log.open("a") as log:
                    log.write(json.dumps(line) + "\n")


def _route(method: str, path: str) -> tuple[str, list[str]]:
    for known, pattern in SCHEMAS:
        match = re.fullmatch(pattern.replace(":id", "([^/]+)"), path)
        if match and known == method:
            return pattern, list(match.groups())
    return path, []


def _checked(schema: dict[str, tuple[Any, bool]], asked: Thing) -> Thing:
    """Every parameter is known, of its kind, and there if it must be."""
    for name in asked:
        if name not in schema:
            raise invalid(**{name: "is not known"})
    for name, (kind, is_needed) in schema.items():
        if name not in asked:
            if is_needed:
                raise invalid(**{name: "is missing"})
            continue
        if not _is_of(kind, asked[name]):
            raise invalid(**{name: f"must be {kind}"})
    return asked


def _is_of(kind: Any, value: object) -> bool:
    if kind is UUID:
        return isinstance(value, str) and str(UUID(value)) == value
    if kind is _TEXTS:
        return (
            isinstance(value, dict)
            and len(value) <= _KEYS_MAX
            and all(isinstance(one, str) and len(name) <= _NAME_MAX for name, one in value.items())
        )
    return type(value) is kind
