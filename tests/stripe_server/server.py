"""The server: HTTP, keys, idempotency, faults, the log of requests, and the signed webhooks that go out."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import queue
import re
import socket
import threading
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs, parse_qsl, urlsplit
from urllib.request import Request, urlopen

from stripe_server import pages
from stripe_server.bank import Bank, Thing
from stripe_server.parameters import SCHEMAS, Refusal, read
from stripe_server.routes import ROUTES

VERSION = "2026-10-28.endive"
KEYS_KEPT_S = 24 * 3600
CORS = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "*"}


class StripeServer:
    """One Stripe account on a port of its own. `log` is where a line for each request of the API is added."""

    def __init__(self, log: Path | None = None) -> None:
        self.secret_key = "sk_test_51RaseedTests"
        self.publishable_key = "pk_test_51RaseedTests"
        self.webhook_secrets = ["whsec_of_the_tests"]
        self.webhook_url = ""
        self.ahead_s = 0.0
        self.letters: list[tuple[dict[str, str], bytes]] = []
        self.requests: list[Thing] = []
        self._log = log
        self._lock = threading.RLock()
        self._connected: set[socket.socket] = set()
        self._answers: dict[str, tuple[float, str, int, bytes] | None] = {}
        self._faults: list[tuple[str, str]] = []
        self._post: queue.Queue[tuple[dict[str, str], bytes] | None] = queue.Queue()
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

            def do_OPTIONS(self) -> None:
                _send(self, 204, CORS, b"")

            def do_POST(self) -> None:
                server._serve(self)

            def log_message(self, *_: object) -> None:
                return

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Door)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self.bank = Bank(self.url, self.now, self._tell)
        self._threads = [
            threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True),
            threading.Thread(target=self._deliver, daemon=True),
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        for connection in list(self._connected):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._post.put(None)
        for thread in self._threads:
            thread.join()

    def now(self) -> float:
        return time.time() + self.ahead_s

    # -- what a tester says to it

    def pay(self, session: str, number: str) -> str:
        """Send the card page's form; where the browser goes. A declined card comes back to the page."""
        with self._lock:
            try:
                return self.bank.submit(self.bank.things[session], number)
            except Refusal as refusal:
                if refusal.status != 402:
                    raise
                return str(self.bank.things[session]["url"])

    def authenticate(self, url: str, *, passes: bool = True) -> str:
        """End the 3-D Secure page at `url`; where the browser goes."""
        with self._lock:
            return self.bank.authenticate(url.rsplit("/", 1)[1], passes=passes)

    def fault(self, kind: str, path: str) -> None:
        """What befalls the next POST under `path`: drop_before, drop_after, 500_after, busy, rubbish."""
        self._faults.append((kind, path))

    def in_use(self, key: str) -> None:
        """Another request with this key is being worked on, and will be for ever."""
        self._answers[key] = None

    def foreign_charge(self, amount: int) -> str:
        """Somebody else charges by the same Stripe account; the PaymentIntent's id."""
        with self._lock:
            intent = self.bank.make_intent({"amount": amount, "currency": "usd"}, None)
            method = self.bank.method("4242424242424242")
            self.bank.confirm(intent, method, was_kept=False, off_session=False)
            return str(intent["id"])

    def hide(self, intent: str, seconds: float) -> None:
        """The charge's line comes into the list only after so many seconds, where it belongs."""
        charge = self.bank.things[self.bank.things[intent]["latest_charge"]]
        self.bank.things[charge["balance_transaction"]]["_listed_at"] = self.now() + seconds

    def book(self, kind: str) -> None:
        """A line of the balance that is no payment's, of 7.77 USD."""
        with self._lock:
            payout = self.bank.make("po", "payout", amount=777, currency="usd")
            self.bank.book(kind, payout, 777)
            del self.bank.things[payout["id"]]

    def charges(self, payment_id: object) -> list[int]:
        """Minor units captured under our id; more than one is a double charge."""
        things = [one for one in self.bank.things.values() if one["object"] == "charge" and one["captured"]]
        return [
            one["amount_captured"] for one in things if one["metadata"].get("payment_id") == str(payment_id)
        ]

    def kept_card(self, number: str, customer: str) -> str:
        """A card that the customer has kept already; the PaymentMethod's id."""
        with self._lock:
            method = self.bank.method(number)
            method["customer"] = customer
            return str(method["id"])

    @staticmethod
    def signed(raw: bytes, at: float, *secrets: str) -> dict[str, str]:
        """The header of a letter, signed with each of the secrets."""
        stamp = str(int(at)).encode()
        macs = [hmac.new(one.encode(), stamp + b"." + raw, hashlib.sha256).hexdigest() for one in secrets]
        return {"Stripe-Signature": ",".join([f"t={stamp.decode()}", *(f"v1={mac}" for mac in macs)])}

    # -- webhooks

    def _tell(self, event: Thing) -> None:
        raw = json.dumps(self.bank.shown(event, [])).encode()
        letter = (self.signed(raw, self.now(), *self.webhook_secrets), raw)
        self.letters.append(letter)
        if self.webhook_url:
            self._post.put(letter)

    def _deliver(self) -> None:
        while (letter := self._post.get()) is not None:
            headers, raw = letter
            for pause_s in (0.2, 1, 0):
                try:
                    request = Request(self.webhook_url, raw, headers | {"Content-Type": "application/json"})
                    with urlopen(request, timeout=5):
                        break
                except OSError:
                    time.sleep(pause_s)

    # -- requests

    def _serve(self, door: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(door.path)
        body = door.rfile.read(int(door.headers.get("Content-Length") or 0)).decode()
        if not parts.path.startswith("/v1/"):
            with self._lock:
                status, headers, page = pages.answer(self.bank, door.command, parts.path, parse_qs(body))
            _send(door, status, headers, page)
            return
        if "key=pk_" in (body or parts.query):
            status, answer = self._by_browser(door.command, parts.path, dict(parse_qsl(body or parts.query)))
            _send(door, status, CORS | {"Content-Type": "application/json"}, answer)
            return
        fault = self._due_fault(door.command, parts.path)
        if fault == "drop_before":
            door.connection.shutdown(socket.SHUT_RDWR)
            return
        status, answer = (
            _error(Refusal(429, "Too many requests", code="rate_limit"))
            if fault == "busy"
            else self._keyed(door, parts.path, body if door.command == "POST" else parts.query)
        )
        self._write_down(door, parts.path, body or parts.query, status)
        if fault == "drop_after":
            door.connection.shutdown(socket.SHUT_RDWR)
            return
        if fault == "500_after":
            status, answer = 500, b'{"error": {"type": "api_error", "message": "Something went wrong."}}'
        if fault == "rubbish":
            answer = b"<html>"
        headers = {"Content-Type": "application/json", "Request-Id": f"req_{len(self.requests)}"}
        _send(door, status, headers | ({"Retry-After": "7"} if status == 429 else {}), answer)

    def _by_browser(self, method: str, path: str, given: dict[str, str]) -> tuple[int, bytes]:
        """What Stripe's script asks with the publishable key: an intent's state, and to confirm it, by its secret alone."""
        match = re.fullmatch(r"/v1/(?:payment|setup)_intents/(\w+)(/confirm)?", path)
        with self._lock:
            intent = self.bank.things.get(match[1], {}) if match else {}
            secret = intent.get("client_secret")
            if given["key"] != self.publishable_key or not secret or given.get("client_secret") != secret:
                return _error(Refusal(404, "No such intent", code="resource_missing"))
            try:
                if method == "POST":
                    self.bank.confirm_in_element(intent, given["payment_method_data[card][number]"])
            except Refusal as refusal:
                return _error(refusal)
            seen = ("id", "object", "status", "amount", "currency", "last_payment_error", "last_setup_error")
            shown = self.bank.shown(intent, [])
            return 200, json.dumps({name: shown[name] for name in seen if name in shown}).encode()

    def _due_fault(self, method: str, path: str) -> str:
        for place, (kind, prefix) in enumerate(self._faults):
            if method == "POST" and path.startswith(prefix):
                del self._faults[place]
                return kind
        return ""

    def _keyed(self, door: BaseHTTPRequestHandler, path: str, encoded: str) -> tuple[int, bytes]:
        """Once for each Idempotency-Key: a repeat is answered with what the first one was, whatever that was."""
        key = door.headers.get("Idempotency-Key", "") if door.command == "POST" else ""
        if not key:
            return self._done(door, path, encoded)[:2]
        print_ = f"{door.command} {path} {encoded}"
        with self._lock:
            if key in self._answers:
                kept = self._answers[key]
                if kept is None:
                    in_use = Refusal(409, "There is another request in progress with this key.")
                    in_use.error["code"] = "idempotency_key_in_use"
                    return _error(in_use)
                if self.now() - kept[0] < KEYS_KEPT_S:
                    if kept[1] != print_:
                        text = "Keys for idempotent requests can only be used with the same parameters they were first used with."
                        return _error(Refusal(400, text, type="idempotency_error"))
                    return kept[2], kept[3]
            self._answers[key] = None
        status, answer, begun = self._done(door, path, encoded)
        with self._lock:
            if begun:
                self._answers[key] = (self.now(), print_, status, answer)
            else:
                del self._answers[key]
        return status, answer

    def _done(self, door: BaseHTTPRequestHandler, path: str, encoded: str) -> tuple[int, bytes, bool]:
        """Status, body, and whether anything was begun: what is refused as such is not kept under its key."""
        begun = False
        try:
            self._check_bearer(door)
            pattern, ids = _route(door.command, path)
            given = read(SCHEMAS[door.command, pattern], encoded)
            begun = True
            with self._lock:
                answer = ROUTES[door.command, pattern](self.bank, given, *ids)
                expand = [] if answer["object"] in {"list", "search_result"} else given.get("expand", [])
                return 200, json.dumps(self.bank.shown(answer, expand)).encode(), begun
        except Refusal as refusal:
            status, answer_ = _error(refusal)
            return status, answer_, begun and status == 402

    def _check_bearer(self, door: BaseHTTPRequestHandler) -> None:
        if door.headers.get("Authorization") != f"Bearer {self.secret_key}":
            raise Refusal(401, "Invalid API Key provided")
        if door.headers.get("Stripe-Version") != VERSION:
            raise Refusal(400, f"Invalid Stripe API version: {door.headers.get('Stripe-Version')}")

    def _write_down(self, door: BaseHTTPRequestHandler, path: str, encoded: str, status: int) -> None:
        line = {
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "method": door.command,
            "path": path,
            "parameters": sorted(parse_qs(encoded, keep_blank_values=True)),
            "idempotency_key": door.headers.get("Idempotency-Key"),
            "version": door.headers.get("Stripe-Version"),
            "telemetry": door.headers.get("X-Stripe-Client-Telemetry"),
            "status": status,
        }
        with self._lock:
            self.requests.append(line)
            if self._log:
                self._log.parent.mkdir(exist_ok=True)
                with self._log.open("a") as log:
                    log.write(json.dumps(line) + "\n")


def _route(method: str, path: str) -> tuple[str, list[str]]:
    for known_method, pattern in SCHEMAS:
        match = re.fullmatch(pattern.replace(":id", "([^/]+)"), path)
        if match and known_method == method and ":id" in pattern and match[1] == "search":
            continue
        if match and known_method == method:
            return pattern, list(match.groups())
    raise Refusal(404, f"Unrecognized request URL ({method}: {path}).")


def _error(refusal: Refusal) -> tuple[int, bytes]:
    return refusal.status, json.dumps({"error": refusal.error}).encode()


def _send(door: BaseHTTPRequestHandler, status: int, headers: dict[str, str], body: bytes) -> None:
    door.send_response(status)
    for name, value in (headers | {"Content-Length": str(len(body))}).items():
        door.send_header(name, value)
    door.end_headers()
    door.wfile.write(body)
