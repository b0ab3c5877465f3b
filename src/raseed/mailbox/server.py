"""A mail server that delivers nothing: it keeps every mail as a file in one folder, for the demo and the tests.

A mail that was answered with 250 is on the disk, whole: written beside its name, synced, then renamed. It must never
listen to anybody but this machine, nor send anything on.
"""

import asyncio
import os
import signal
import tempfile
import time
from pathlib import Path
from typing import Final
from uuid import uuid4

from aiosmtpd.smtp import SMTP, Envelope, Session

MAIL_BYTES_MAX: Final = 25 * 1024 * 1024


class Folder:
    """Keeps each mail as `<nanoseconds>-<random>.eml`: names in the order of arrival."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._directory = directory

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Take a mail. The envelope is kept in two headers of ours, before the mail's own."""
        content = envelope.original_content or b""
        await asyncio.to_thread(self.keep, _envelope_headers(envelope) + content)
        return "250 kept"

    def keep(self, content: bytes) -> Path:
        """Write a mail to the disk for good and give its file."""
        handle, name = tempfile.mkstemp(dir=self._directory, suffix=".part")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        kept = self._directory / f"{time.time_ns()}-{uuid4().hex[:8]}.eml"
        Path(name).rename(kept)
        folder = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return kept


def _envelope_headers(envelope: Envelope) -> bytes:
    recipients = ", ".join(envelope.rcpt_tos)
    return f"X-Envelope-From: {envelope.mail_from}\r\nX-Envelope-To: {recipients}\r\n".encode()


def run(host: str, port: int, directory: Path) -> None:
    """Serve until SIGTERM or SIGINT. Prints `Mailbox on <host>:<port>` once it listens, with the real port."""
    asyncio.run(_serve(host, port, directory))


async def _serve(host: str, port: int, directory: Path) -> None:
    folder = Folder(directory)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for wanted in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(wanted, stop.set)
    server = await loop.create_server(
        lambda: SMTP(folder, hostname="mailbox.localhost", ident="Mailbox", data_size_limit=MAIL_BYTES_MAX),
        host,
        port,
    )
    print(f"Mailbox on {host}:{server.sockets[0].getsockname()[1]}", flush=True)
    await stop.wait()
    server.close()
    await server.wait_closed()
