"""One POST to somebody else's server: bounded in time and in what is read, to the address that was looked at, no redirects.

It trusts nothing on the other side. It must never be called inside a database transaction, and reads no database.
"""

import http.client
import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import httpx

from raseed.notifications.webhooks.targets import NotReachable, Target, UrlRefused, look_up, target_of

CONNECT_S: Final = 3.0
READ_S: Final = 5.0
# However slowly it drips: after this the line is cut.
WHOLE_S: Final = 8.0
ANSWER_BYTES_MAX: Final = 1024
REDIRECTS: Final = range(300, 400)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: a status with the start of its body in `fault` if it is none of success; None: no answer."""

    status: int | None
    fault: str = ""

    @property
    def is_taken(self) -> bool:
        """Whether the receiver has it."""
        return self.status is not None and 200 <= self.status < 300


def post(url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
    """Send it once and say what came of it. Raises nothing that the other side could bring about."""
    try:
        target = target_of(url)
        line = _Line(target, look_up(target))
    except (UrlRefused, NotReachable) as error:
        return Reply(None, str(error))
    watchdog = threading.Timer(WHOLE_S, line.cut)
    watchdog.daemon = True
    watchdog.start()
    try:
        line.request("POST", target.path, body, dict(headers))
        answer = line.getresponse()
        said = answer.read(ANSWER_BYTES_MAX).decode("utf-8", "replace").replace("\0", "")
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Reply(None, f"{type(error).__name__}: {error}"[:300])
    finally:
        watchdog.cancel()
        line.close()
    if line.was_cut:
        # To the library the end of the line is the end of the headers.
        return Reply(None, f"no whole answer within {WHOLE_S:g} s")
    if 200 <= answer.status < 300:
        return Reply(answer.status)
    why = "it answers with a redirect, which is not followed" if answer.status in REDIRECTS else said[:300]
    return Reply(answer.status, why)


class _Line(http.client.HTTPConnection):
    """A connection to the address that was looked at; the certificate must be that of the name."""

    def __init__(self, target: Target, address: str) -> None:
        super().__init__(target.host, target.port, timeout=READ_S)
        self.default_port = 443 if target.is_encrypted else 80
        self._target, self._address = target, address
        self._plain: socket.socket | None = None
        self.was_cut = False

    def connect(self) -> None:
        self._plain = socket.create_connection((self._address, self._target.port), CONNECT_S)
        self._plain.settimeout(READ_S)
        self.sock = self._plain
        if self._target.is_encrypted:
            self.sock = _trust().wrap_socket(self._plain, server_hostname=self._target.host)

    def cut(self) -> None:
        """End it from another thread: whoever reads or writes gets an error at once."""
        self.was_cut = True
        for line in (self.sock, self._plain):
            if line is not None:
                with suppress(OSError):
                    line.shutdown(socket.SHUT_RDWR)


@lru_cache(maxsize=1)
def _trust() -> ssl.SSLContext:
    return httpx.create_ssl_context()
