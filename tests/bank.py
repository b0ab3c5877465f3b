"""The sandbox bank as a real process, for every test that pays.

    with RunningBank(tmp_path, webhook_url="http://127.0.0.1:8000/webhooks/sandbox") as bank: ...

Starting again after `stop` or `kill` keeps the port and the book. `Postbox` is where its webhooks can go.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import httpx

SECRET_KEY = "sandbox-secret-key-for-demo-and-tests-only"
WEBHOOK_SECRET = "sandbox-webhook-secret-for-demo-and-tests-only"
_LISTENS = "Sandbox bank on "


class RunningBank:
    """`url` is where it listens once started. Settings are the flags of `python -m raseed.sandbox`, `_` for `-`."""

    def __init__(
        self, data_dir: Path, webhook_url: str = "http://127.0.0.1:9/nobody", **settings: object
    ) -> None:
        self.data_dir = data_dir
        self.webhook_url = webhook_url
        self.settings = settings
        self.secret = SECRET_KEY
        self.webhook_secret = WEBHOOK_SECRET
        self.port = 0
        self.process: subprocess.Popen[str] | None = None
        self.client = httpx.Client(
            headers={"Authorization": f"Bearer {self.secret}"}, timeout=10, trust_env=False
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.client.close()

    def start(self, **settings: object) -> Self:
        """Start, or start again, with more settings; returns once it listens."""
        self.settings = {**self.settings, **settings}
        flags = [
            "--port",
            str(self.port),
            "--data-dir",
            str(self.data_dir),
            "--webhook-url",
            self.webhook_url,
        ]
        for name, value in self.settings.items():
            flag = f"--{name.replace('_', '-')}"
            flags += [flag] if value is True else [flag, str(value)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "raseed.sandbox", *flags],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ
            | {"SANDBOX_SECRET_KEY": self.secret, "SANDBOX_WEBHOOK_SECRET": self.webhook_secret},
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith(_LISTENS), f"the bank did not start: {line!r}"
        self.port = int(line.rsplit(":", 1)[1])
        return self

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        """SIGKILL: what a power cut does to a process."""
        return self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> int:
        if self.process is None:
            return 0
        self.process.send_signal(how)
        process, self.process = self.process, None
        assert process.stdout is not None
        try:
            return process.wait(timeout=15)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()

    # -- what a tester says to it

    def behaviour(self, **order: object) -> None:
        """`next="G5"`, `reference=…, behaviour="G9"`, `mix={…}`, `webhook_drop_percent=…`, `clear=True`; `stage="open"`."""
        self._said(self.client.post(f"{self.url}/admin/behaviour", json=order))

    def pay(
        self, ref: str, card: str = "4242424242424242", outcome: str = "complete", **fields: str
    ) -> dict[str, Any]:
        """Act as the customer: {"payment": …, "redirect": url or None}. `outcome`: complete, fail, abandon, cancel."""
        order = {"card": card, "outcome": outcome, **fields}
        return self._said(self.client.post(f"{self.url}/admin/pay/{ref}", json=order))

    def keep(
        self, ref: str, card: str = "4242424242424242", outcome: str = "complete", **fields: str
    ) -> dict[str, Any]:
        """As `pay`, for a card that is to be kept: {"setup": …, "redirect": url or None}."""
        order = {"card": card, "outcome": outcome, **fields}
        return self._said(self.client.post(f"{self.url}/admin/keep/{ref}", json=order))

    def hasten_disputes(self, ref: str) -> list[dict[str, Any]]:
        """The next step of a payment's disputes at once; how they then are."""
        return list(self._said(self.client.post(f"{self.url}/admin/disputes/{ref}"))["disputes"])

    def book(self) -> list[dict[str, Any]]:
        """Every line of the bank's book."""
        return list(self.dump()["entries"])

    def charges(self, reference: object) -> list[int]:
        """Minor units charged under our reference; more than one line is a double charge."""
        wanted = str(reference)
        return [
            one["amount"] for one in self.book() if one["reference"] == wanted and one["kind"] == "charge"
        ]

    def dump(self) -> dict[str, Any]:
        """Book, payments, refunds and letters."""
        return self._said(self.client.get(f"{self.url}/admin/book"))

    # -- what a merchant says to it

    def create(self, key: str | None = None, **fields: object) -> httpx.Response:
        """POST /v1/payments of 10.00 USD for a new reference, unless told otherwise."""
        reference = str(uuid4())
        body = {
            "reference": reference,
            "customer": "customer-1",
            "amount": 1000,
            "currency": "USD",
            "description": "Top-up",
            "return_url": "http://localhost:8000/return",
            **fields,
        }
        headers = {"Idempotency-Key": key or str(body["reference"])}
        return self.client.post(f"{self.url}/v1/payments", json=body, headers=headers)

    def set_up(self, key: str | None = None, **fields: object) -> httpx.Response:
        """POST /v1/setups for a new reference, unless told otherwise."""
        reference = str(uuid4())
        body = {
            "reference": reference,
            "customer": "customer-1",
            "currency": "USD",
            "return_url": "http://localhost:8000/return",
            **fields,
        }
        headers = {"Idempotency-Key": key or str(body["reference"])}
        return self.client.post(f"{self.url}/v1/setups", json=body, headers=headers)

    def save_card(self, card: str = "4242424242424242", customer: str = "customer-1") -> str:
        """Pay once with a new card and save it; the saved reference."""
        opened = self._said(self.create(save_card=True, customer=customer))
        saved = self.pay(opened["id"], card)["payment"]["saved"]
        return str(saved["reference"])

    def _said(self, response: httpx.Response) -> dict[str, Any]:
        assert response.status_code == 200, f"{response.status_code}: {response.text}"
        answer: dict[str, Any] = response.json()
        return answer


class Postbox:
    """An address that receives webhooks: `letters` as (headers, raw body), in order of arrival.

    It answers with the statuses of `answers` first, then 200.
    """

    def __init__(self, *answers: int) -> None:
        self.letters: list[tuple[dict[str, str], bytes]] = []
        self._answers = list(answers)
        self._changed = threading.Condition()
        postbox = self

        class Slot(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                postbox._take(self)

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Slot)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/webhooks/sandbox"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def wait_for(self, count: int, timeout_s: float = 10) -> list[tuple[dict[str, str], bytes]]:
        """Wait until so many letters came; AssertionError if they do not."""
        with self._changed:
            came = self._changed.wait_for(lambda: len(self.letters) >= count, timeout_s)
            assert came, f"{len(self.letters)} of {count} letters came within {timeout_s} s"
            return list(self.letters)

    def _take(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers["Content-Length"]))
        with self._changed:
            status = self._answers.pop(0) if self._answers else 200
            self.letters.append(({name.lower(): value for name, value in request.headers.items()}, body))
            self._changed.notify_all()
        request.send_response(status)
        request.send_header("Content-Length", "0")
        request.end_headers()


def eventually(look: Callable[[], bool], timeout_s: float = 10) -> None:
    """Wait for a state that another process reaches by itself; AssertionError if it does not."""
    deadline = time.monotonic() + timeout_s
    while not look():
        assert time.monotonic() < deadline, f"not reached within {timeout_s} s"
        time.sleep(0.02)
