"""Delivers the bank's letters (webhooks), signed, at least once, in the background and across restarts.

It reads letters that a transaction has already written and never makes one. A letter is given up after a bounded
number of tries; the book knows the truth regardless.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from contextlib import suppress

import aiohttp

from raseed.sandbox.faults import Behaviour
from raseed.sandbox.rows import Letter
from raseed.sandbox.settings import SandboxSettings
from raseed.sandbox.store import Store

_AT_ONCE_MAX = 8
_STALE_S = 600
_COPIES = {Behaviour.TWICE: 2, Behaviour.THRICE: 3}
_IDLE_S = 0.25


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """The `Sandbox-Signature` header: HMAC-SHA256 over `timestamp.body`; `timestamp` in Unix seconds."""
    mac = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256)
    return f"t={timestamp},v1={mac.hexdigest()}"


class Courier:
    """One background walk over the letters that are due."""

    def __init__(self, store: Store, settings: SandboxSettings) -> None:
        """Opens nothing before `run`."""
        self._store = store
        self._settings = settings
        self._woken = asyncio.Event()
        self._on_the_way: set[str] = set()
        self._session: aiohttp.ClientSession | None = None

    def wake(self) -> None:
        """Look for letters now rather than at the next idle look."""
        self._woken.set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        timeout = aiohttp.ClientTimeout(total=self._settings.webhook_timeout_s)
        running: set[asyncio.Task[None]] = set()
        async with aiohttp.ClientSession(timeout=timeout) as self._session:
            try:
                while True:
                    self._send_out(running)
                    await self._rest()
            finally:
                # What is on its way is left undelivered and goes again after the next start.
                for task in running:
                    task.cancel()
                await asyncio.gather(*running, return_exceptions=True)

    def _send_out(self, running: set[asyncio.Task[None]]) -> None:
        for letter in self._store.letters_due(time.time(), _AT_ONCE_MAX * 2):
            if len(running) < _AT_ONCE_MAX and letter.event_id not in self._on_the_way:
                self._on_the_way.add(letter.event_id)
                task = asyncio.create_task(self._carry(letter))
                running.add(task)
                task.add_done_callback(running.discard)
                task.add_done_callback(lambda _: self.wake())

    async def deliver_now(self, event_id: str) -> None:
        """One try, awaited: what a bank does that tells the merchant before it answers the customer."""
        letter = self._store.letter(event_id)
        if letter is not None and letter.next_at is not None and event_id not in self._on_the_way:
            self._on_the_way.add(event_id)
            await self._carry(letter)

    async def _rest(self) -> None:
        # Not wait_for: it can swallow a cancellation that comes together with the wake, and never end.
        with suppress(TimeoutError):
            async with asyncio.timeout(_IDLE_S):
                await self._woken.wait()
        self._woken.clear()

    async def _carry(self, letter: Letter) -> None:
        try:
            delivered = await self._send(letter)
            now, attempts = time.time(), letter.attempts + 1
            next_at = None if delivered else self._next_try(attempts, now)
            with self._store.transaction():
                self._store.mark_letter(letter.event_id, attempts, next_at, now if delivered else None)
        finally:
            self._on_the_way.discard(letter.event_id)

    def _next_try(self, attempts: int, now: float) -> float | None:
        if attempts >= self._settings.webhook_attempts_max:
            return None
        wait: float = self._settings.webhook_backoff_s * 2 ** (attempts - 1)
        return now + min(wait, self._settings.webhook_backoff_s_max)

    async def _send(self, letter: Letter) -> bool:
        """One try, in the way that the letter's fate wants (G18); whether the true letter was taken."""
        body, now, secret = letter.payload.encode(), int(time.time()), self._settings.webhook_secret
        fate, first = self._store.fate(letter.event_id), letter.attempts == 0
        if fate == Behaviour.FORGED and first:
            return await self._post(body, signature(f"not {secret}", now, body))
        if fate == Behaviour.STALE and first:
            return await self._post(body, signature(secret, now - _STALE_S, body))
        copies = _COPIES.get(Behaviour(fate), 1) if fate else 1
        taken = await asyncio.gather(*(self._post(body, signature(secret, now, body)) for _ in range(copies)))
        return all(taken)

    async def _post(self, body: bytes, signed: str) -> bool:
        if self._session is None:
            return False
        headers = {"Content-Type": "application/json", "Sandbox-Signature": signed}
        try:
            async with self._session.post(
                self._settings.webhook_url, data=body, headers=headers, allow_redirects=False
            ) as response:
                return 200 <= response.status < 300
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False
