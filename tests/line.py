"""The line between us and the bank, in our hands: it delays, cuts, resets, and can be down.

    with Line(lambda: bank.port) as line: ...      # line.url is where the product looks for the bank

It understands just enough HTTP to note which requests went over it (`requests`) and to strike the answer to one of them.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

ANY = "any"
_CHUNK_BYTES = 64 * 1024
_HEAD = re.compile(rb"^(GET|POST|DELETE) (\S+) HTTP/1\.1\r\n", re.MULTILINE)
_KEY = re.compile(rb"^idempotency-key: (\S+)\r\n", re.MULTILINE | re.IGNORECASE)


class Fate(StrEnum):
    """What becomes of an answer of the bank."""

    RESET = "reset"  # the connection is reset before a byte of it arrives
    CUT = "cut"  # half of it arrives, then an orderly end
    HANG = "hang"  # nothing arrives, and the connection stays


@dataclass(frozen=True, slots=True)
class Request:
    """A request that reached the bank: seconds of `time.monotonic`, method, path with query, idempotency key or ""."""

    at: float
    method: str
    path: str
    key: str


class Line:
    """A TCP proxy in a thread of its own. `delay_s` holds back each piece of an answer."""

    def __init__(self, bank_port: Callable[[], int]) -> None:
        self._bank_port = bank_port
        self._is_down = False
        self._fates: list[tuple[str, Fate]] = []
        self.delay_s = 0.0
        self.requests: list[Request] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> Self:
        """Take calls from now on."""
        self._thread.start()
        self._server = self._in_loop(asyncio.start_server(self._serve, sock=self._listener))
        return self

    def close(self) -> None:
        """Take no more, and end those that are under way."""
        if not self._thread.is_alive():
            self._listener.close()
            return
        self._in_loop(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    # -- what a test does to it

    @contextmanager
    def down(self) -> Iterator[None]:
        """Nobody is at the other end: each attempt is reset, old connections too at their next word."""
        self._is_down = True
        try:
            yield
        finally:
            self._is_down = False

    def strike(self, key: object, fate: Fate) -> None:
        """Do this to the answer of the next request with this idempotency key (ANY: with any), once."""
        self._fates.append((str(key), fate))

    def sent(self, payment_id: object) -> list[Request]:
        """The requests that name our payment, by key or by reference, in their order."""
        name = str(payment_id)
        return [one for one in self.requests if name in {one.key, one.path.rpartition("reference=")[2]}]

    # -- the wire

    def _in_loop(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    async def _end(self) -> None:
        self._server.close()
        running = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        onward: asyncio.StreamWriter | None = None
        try:
            if self._is_down:
                return
            answers, onward = await asyncio.open_connection("127.0.0.1", self._bank_port())
            struck: list[Fate] = []
            pumps = [
                asyncio.create_task(self._up(reader, onward, struck)),
                asyncio.create_task(self._down(answers, writer, struck)),
            ]
            _done, running = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for pump in running:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
        except OSError:
            pass  # the bank is not there: as if the line were down
        finally:
            _reset(writer)
            if onward is not None:
                onward.close()

    async def _up(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, struck: list[Fate]
    ) -> None:
        while chunk := await reader.read(_CHUNK_BYTES):
            if self._is_down:
                return
            for method, path in _HEAD.findall(chunk):
                key = _KEY.search(chunk)
                self._note(method.decode(), path.decode(), key[1].decode() if key else "", struck)
            writer.write(chunk)
            await writer.drain()

    def _note(self, method: str, path: str, key: str, struck: list[Fate]) -> None:
        self.requests.append(Request(time.monotonic(), method, path, key))
        fate = next((one for one in self._fates if key and one[0] in {key, ANY}), None)
        if fate is not None:
            self._fates.remove(fate)
            struck.append(fate[1])

    async def _down(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, struck: list[Fate]
    ) -> None:
        while chunk := await reader.read(_CHUNK_BYTES):
            fate = struck.pop(0) if struck else None
            if fate is Fate.RESET or self._is_down:
                return
            if fate is Fate.HANG:
                await asyncio.Event().wait()
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
            if fate is Fate.CUT:
                writer.write(chunk[: len(chunk) // 2])
                await writer.drain()
                writer.close()
                await writer.wait_closed()
                return
            writer.write(chunk)
            await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with RST. One that is closed already stays as it is."""
    sock = writer.get_extra_info("socket")
    with suppress(OSError):
        # Linger 0 turns the close into a reset: the peer sees an error, not an orderly end.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
