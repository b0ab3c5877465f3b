"""A flood of webhooks, some of them forged, while somebody looks at Balance Details: what is taken, how fast, at what cost.

The flood behaves as a gateway does: many connections, as fast as they are taken or so many a second whatever becomes of them,
and again after `Retry-After` where it is told to come again. Beside the figures the result says what must be so on every machine: nothing forged was kept, all else was applied.
"""

import asyncio
import hashlib
import hmac
import json
import random
import re
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, LiteralString

import aiohttp
import psycopg

from raseed.bench.site import Site

CONNECTIONS: Final = 32
# At a steady rate: who is slow must not slow down the next ones, so that only a flood beyond all measure is held up here.
STEADY_CONNECTIONS: Final = 1_000
# So long a gateway waits for an answer before it sends the letter again.
ANSWER_S_MAX: Final = 20.0
FORGED_SHARE: Final = 0.05
WEBHOOKS_PER_PAYMENT: Final = 20
IDLE_S: Final = 5.0
DRAIN_S_MAX: Final = 900.0
TRIES_MAX: Final = 300
SEED: Final = 7
PAGE: Final = "/settings/billing/balance"

_WAITING: Final[LiteralString] = "SELECT count(*) FROM payments_inboxevent WHERE next_try_at IS NOT NULL"
_FOUND: Final[dict[str, LiteralString]] = {
    "kept": "SELECT count(*) FROM payments_inboxevent",
    "applied": "SELECT count(*) FROM payments_inboxevent WHERE applied_at IS NOT NULL",
    "left_to_a_person": "SELECT count(*) FROM payments_inboxevent WHERE applied_at IS NULL AND next_try_at IS NULL",
    "forged_accepted": "SELECT count(*) FROM payments_inboxevent WHERE event_id LIKE 'evt_forged%'",
    "forged_counted": "SELECT coalesce(sum(times), 0) FROM payments_webhooktally WHERE what = 'forged_webhook'",
    "payments": "SELECT count(*) FROM payments_payment",
    "succeeded": "SELECT count(*) FROM payments_payment WHERE state = 'succeeded'",
    "credited": "SELECT count(*) FROM ledger_entry WHERE kind = 'topup_card'",
}


def run(webhooks: int = 10_000, rate: float = 0, seconds: float = 0) -> dict[str, Any]:
    """Start everything, flood it with so many webhooks, wait until the inbox is empty, and give the figures.

    With a `rate`, so many a second for `seconds`, each at its moment; else as fast as they are taken. Times in milliseconds or, named `_s`, seconds; `page_ratio` is the page's p99 in the flood by its p99 at rest.
    """
    webhooks = round(rate * seconds) if rate else webhooks
    with Site() as site:
        made = json.loads(site.finish("raseed.bench.paid", str(max(webhooks // WEBHOOKS_PER_PAYMENT, 5))))
        site.serve()
        with psycopg.connect(site.database_url, autocommit=True) as database:
            idle = Visitor(site, made["cookie"])
            time.sleep(min(IDLE_S, webhooks / 100))
            at_rest = idle.leave()
            busy, watch = Visitor(site, made["cookie"]), Watch(site.database_url)
            flood = Flood(site, made["payments"], webhooks, rate)
            asyncio.run(flood.run())
            in_flood = busy.leave()
            drain_s = _drain(database)
            most = watch.end()
            found = {name: _one(database, sql) for name, sql in _FOUND.items()}
        told = site.finish("raseed.cli", "verify")
        verdict = re.search(r"verify: (\d+) violations", told)
    return {
        "webhooks": webhooks,
        **flood.figures(),
        "drain_s": round(drain_s, 1),
        **most,
        **_page("rest", at_rest),
        **_page("flood", in_flood),
        "page_ratio_p50": _ratio(in_flood, at_rest, 50),
        "page_ratio": _ratio(in_flood, at_rest, 99),
        "page_requests": len(in_flood["times_ms"]),
        "page_errors": at_rest["errors"] + in_flood["errors"],
        **found,
        "violations": int(verdict[1]) if verdict else 0,
        "violated": ", ".join(sorted(set(re.findall(r"\b(?:I\d+|CLOCK)\b", told))))
        if verdict and int(verdict[1])
        else "",
    }


@dataclass
class Flood:
    """The webhooks of one run, in an order that is the same every time, and how they fared.

    `rate` is how many come a second; 0 is as many as are taken.
    """

    site: Site
    payments: Sequence[tuple[str, str]]
    count: int
    rate: float = 0
    taken_ms: list[float] = field(default_factory=list)
    latest_ms: float = 0
    refused: int = 0
    put_off: int = 0
    unanswered: int = 0
    odd: int = 0
    seconds: float = 0

    async def run(self) -> None:
        """Deliver all of them, each until it is answered in time with something other than 503."""
        letters = self._letters()
        began = time.perf_counter()
        connector = aiohttp.TCPConnector(limit=STEADY_CONNECTIONS if self.rate else CONNECTIONS)
        timeout = aiohttp.ClientTimeout(total=ANSWER_S_MAX)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            if self.rate:
                await self._pace(session, letters)
            else:
                await asyncio.gather(*(self._carry(session, letters) for _ in range(CONNECTIONS)))
        self.seconds = time.perf_counter() - began

    def figures(self) -> dict[str, Any]:
        """What the gateway's side saw. `share_503` is of all answers."""
        answers = len(self.taken_ms) + self.refused + self.put_off + self.odd
        return {
            "forged": sum(_is_forged(number, self.count) for number in range(self.count)),
            "forged_refused": self.refused,
            "odd_answers": self.odd,
            "unanswered": self.unanswered,
            "flood_s": round(self.seconds, 1),
            "acknowledged_per_second": round(len(self.taken_ms) / self.seconds),
            "acknowledged_p50_ms": _quantile(self.taken_ms, 50),
            "acknowledged_p99_ms": _quantile(self.taken_ms, 99),
            "acknowledged_latest_ms": round(self.latest_ms, 1),
            "share_503": round(self.put_off / answers, 3),
        }

    def _letters(self) -> list[bytes]:
        letters = [self._letter(number) for number in range(self.count)]
        random.Random(SEED).shuffle(letters)  # noqa: S311 - an order, not a secret
        return letters

    def _letter(self, number: int) -> bytes:
        payment_id, ref = self.payments[number % len(self.payments)]
        name = f"evt_{'forged' if _is_forged(number, self.count) else 'bench'}_{number}"
        thing = {"object": "payment", "id": ref, "reference": payment_id}
        return json.dumps({"id": name, "type": "payment.succeeded", "object": thing}).encode()

    async def _pace(self, session: aiohttp.ClientSession, letters: list[bytes]) -> None:
        """Send each at its moment, whether or not the earlier ones have been answered."""
        began = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as sent:
            for number, letter in enumerate(letters):
                await asyncio.sleep(began + number / self.rate - asyncio.get_running_loop().time())
                sent.create_task(self._deliver(session, letter))

    async def _carry(self, session: aiohttp.ClientSession, letters: list[bytes]) -> None:
        while letters:
            await self._deliver(session, letters.pop())

    async def _deliver(self, session: aiohttp.ClientSession, body: bytes) -> None:
        due, status = time.perf_counter(), 0
        for _ in range(TRIES_MAX):
            began = time.perf_counter()
            try:
                async with session.post(
                    f"{self.site.portal}/webhooks/sandbox", data=body, headers=self._headers(body)
                ) as answer:
                    status, wait_s = answer.status, float(answer.headers.get("Retry-After", 1))
            except (TimeoutError, aiohttp.ClientConnectionError):
                self.unanswered += 1
                await asyncio.sleep(1)
                continue
            if status != HTTPStatus.SERVICE_UNAVAILABLE:
                break
            self.put_off += 1
            await asyncio.sleep(wait_s)
        if status == HTTPStatus.OK:
            self.taken_ms.append((time.perf_counter() - began) * 1000)
            self.latest_ms = max(self.latest_ms, (time.perf_counter() - due) * 1000)
        elif status == HTTPStatus.BAD_REQUEST:
            self.refused += 1
        else:
            self.odd += 1

    def _headers(self, body: bytes) -> dict[str, str]:
        secret = "a stranger's" if b"evt_forged" in body else self.site.webhook_secret
        stamp = int(time.time())
        mac = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
        return {"Sandbox-Signature": f"t={stamp},v1={mac}", "Content-Type": "application/json"}


class Visitor:
    """The Admin, who opens Balance Details ten times a second, in a process of its own."""

    def __init__(self, site: Site, cookie: str) -> None:
        """Starts at once."""
        command = [sys.executable, "-m", "raseed.bench.visitor", f"{site.portal}{PAGE}", cookie]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def leave(self) -> dict[str, Any]:
        """Stop, and tell the times in milliseconds and the number of errors."""
        told, _ = self._process.communicate()
        answer: dict[str, Any] = json.loads(told)
        return answer


class Watch:
    """Counts the application's connections to the database, twenty times a second, in a thread of its own."""

    def __init__(self, url: str) -> None:
        """Starts at once."""
        self._url, self._most, self._active, self._over = url, 0, 0, threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def end(self) -> dict[str, int]:
        """The most that were open, and the most of them that were at work at the same moment."""
        self._over.set()
        self._thread.join()
        return {"connections_max": self._most, "connections_active_max": self._active}

    def _run(self) -> None:
        with psycopg.connect(self._url, autocommit=True) as database:
            while not self._over.wait(0.05):
                row = database.execute(
                    "SELECT count(*), count(*) FILTER (WHERE state <> 'idle')"
                    " FROM pg_stat_activity WHERE usename = 'raseed_app'"
                ).fetchone()
                if row:
                    self._most, self._active = max(self._most, row[0]), max(self._active, row[1])


def _is_forged(number: int, count: int) -> bool:
    """Which are forged: exactly the share of the whole, every time the same."""
    return number < count * FORGED_SHARE


def _drain(database: psycopg.Connection[Any]) -> float:
    """Wait until no webhook waits; the seconds that it took."""
    began = time.monotonic()
    while _one(database, _WAITING) and time.monotonic() - began < DRAIN_S_MAX:
        time.sleep(0.1)
    return time.monotonic() - began


def _one(database: psycopg.Connection[Any], sql: LiteralString) -> int:
    row = database.execute(sql).fetchone()
    return int(row[0]) if row else 0


def _quantile(times: Sequence[float], percent: int) -> float:
    if len(times) < 2:
        return round(times[0], 1) if times else 0.0
    return round(statistics.quantiles(times, n=100, method="inclusive")[percent - 1], 1)


def _page(when: str, visited: dict[str, Any]) -> dict[str, float]:
    return {f"page_{when}_p{percent}_ms": _quantile(visited["times_ms"], percent) for percent in (50, 99)}


def _ratio(busy: dict[str, Any], idle: dict[str, Any], percent: int) -> float:
    base = _quantile(idle["times_ms"], percent)
    return round(_quantile(busy["times_ms"], percent) / base, 2) if base else 0.0
