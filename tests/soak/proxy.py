"""A proxy before PostgreSQL that cuts the line between a COMMIT and its answer: kill point KP07.

SIGUSR1 cuts every line that is open, wherever its transaction stands.

    python proxy.py LISTEN_DIR SERVER_DIR MARKERS_DIR SEED ONE_IN

The server has committed and the client never hears of it. Only the two transactions that matter are cut, each at
most once for a payment: the one that writes an intent, and the one that posts a credit.
"""

import asyncio
import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

from raseed.failpoints import chosen

CUT = signal.SIGUSR1
SOCKET = ".s.PGSQL.5432"
CHUNK_BYTES = 64 * 1024
_NEGOTIATIONS = (80877103, 80877104)  # SSLRequest and GSSENCRequest: the real start-up message follows
_INTENT = re.compile(rb'INSERT INTO "payments_gatewayreference".*?VALUES[^0-9a-f]*([0-9a-f]{32})', re.DOTALL)
_CREDIT = re.compile(rb"payment:([0-9a-f]{8}-[0-9a-f-]{27}):captured")
_NOTHING = b""


class Frames:
    """Cuts a stream of PostgreSQL's protocol into messages: (type, body); the start-up message has no type."""

    def __init__(self, *, starts_up: bool) -> None:
        self._rest = bytearray()
        self._starts_up = starts_up

    def feed(self, chunk: bytes) -> Iterator[tuple[bytes, bytes]]:
        self._rest += chunk
        while True:
            head = 0 if self._starts_up else 1
            if len(self._rest) < head + 4:
                return
            length = int.from_bytes(self._rest[head : head + 4], "big")
            if len(self._rest) < head + length:
                return
            kind, body = bytes(self._rest[:head]), bytes(self._rest[head + 4 : head + length])
            del self._rest[: head + length]
            if self._starts_up and int.from_bytes(body[:4], "big") not in _NEGOTIATIONS:
                self._starts_up = False
            yield kind, body


class Session:
    """One connection through the proxy."""

    def __init__(self, markers: Path, seed: str, one_in: int) -> None:
        self._markers, self._seed, self._one_in = markers, seed, one_in
        self._sent, self._answered = Frames(starts_up=True), Frames(starts_up=False)
        self._keys: set[str] = set()
        self._cutting = False

    async def run(
        self,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        """Until either side, or the cut, ends it."""
        pumps = [
            asyncio.create_task(self._up(client[0], server[1])),
            asyncio.create_task(self._down(server[0], client[1])),
        ]
        _done, running = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for pump in running:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
        for _reader, writer in (client, server):
            writer.close()

    async def _up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(CHUNK_BYTES):
            for kind, body in self._sent.feed(chunk):
                self._cutting = self._read(kind, body) or self._cutting
            writer.write(chunk)
            await writer.drain()

    async def _down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(CHUNK_BYTES):
            if not self._cutting:
                writer.write(chunk)
                await writer.drain()
            elif any(kind == b"Z" for kind, _ in self._answered.feed(chunk)):
                return

    def _read(self, kind: bytes, body: bytes) -> bool:
        """Remember what the transaction writes; whether this message is a COMMIT whose answer is to be lost."""
        statement = body.rstrip(b"\0").strip().upper() if kind == b"Q" else _NOTHING
        if statement.startswith((b"BEGIN", b"ROLLBACK")):
            self._keys.clear()
        elif statement == b"COMMIT":
            keys, self._keys = self._keys, set()
            return any(self._fires(key) for key in sorted(keys))
        elif kind in {b"Q", b"P", b"B"}:
            self._keys |= {f"{UUID(found.decode())}.intent" for found in _INTENT.findall(body)}
            self._keys |= {found.decode() for found in _CREDIT.findall(body)}
        return False

    def _fires(self, key: str) -> bool:
        if not chosen(self._seed, "KP07", key, self._one_in):
            return False
        try:
            os.close(os.open(self._markers / f"KP07.{key}", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            return False
        return True


async def serve(listen: Path, server: Path, markers: Path, seed: str, one_in: int) -> None:
    """Until the process is ended."""

    lines: set[asyncio.StreamWriter] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            onward = await asyncio.open_unix_connection(str(server / SOCKET))
        except OSError:
            writer.close()
            return
        both = {writer, onward[1]}
        lines.update(both)
        try:
            await Session(markers, seed, one_in).run((reader, writer), onward)
        finally:
            lines.difference_update(both)

    def cut() -> None:
        for line in lines:
            line.transport.abort()

    asyncio.get_running_loop().add_signal_handler(CUT, cut)
    async with await asyncio.start_unix_server(accept, str(listen / SOCKET), backlog=200) as listener:
        await listener.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4], int(sys.argv[5])))
