"""The line to Moyasar: JSON over HTTP, one request at a time, each sent once.

Asking again is decided above. It gives back plain dicts, and values for everything that Moyasar or the network may do instead.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import httpx

from raseed.db.transactions import assert_no_transaction, let_go
from raseed.gateways.port import Busy, Unknown

API: Final = "https://api.moyasar.com"
_BUSY_S = 5
_BUSY_S_MAX = 300
_OWN_BUSY_S = 1
_CONNECT_TIMEOUT_S = 3.0
_CONNECTIONS_MAX = 50


@dataclass(frozen=True, slots=True)
class Fault:
    """Moyasar refused the request: the HTTP status, and what it says, for the log."""

    status: int
    told: str


Answer: TypeAlias = "dict[str, Any] | Fault | Unknown | Busy"


class Line:
    """One client; safe to use from many threads. `timeout_s` bounds each wait for Moyasar: for a byte, not for the answer.

    `may_leave` is asked before each request; where it says no, nothing is sent and the answer is Busy.
    """

    def __init__(
        self, *, secret_key: str, api_base: str, timeout_s: float, may_leave: Callable[[], bool]
    ) -> None:
        self._may_leave = may_leave
        limits = httpx.Limits(max_connections=_CONNECTIONS_MAX)
        self._client = httpx.Client(
            base_url=api_base or API,
            auth=(secret_key, ""),
            timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, _CONNECT_TIMEOUT_S)),
            transport=httpx.HTTPTransport(retries=0, limits=limits, trust_env=False),
            follow_redirects=False,
            trust_env=False,
        )

    def close(self) -> None:
        """Close the client's connections."""
        self._client.close()

    def ask(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request and read its answer. Raises OpenTransaction inside a database transaction."""
        assert_no_transaction()
        if not self._may_leave():
            return Busy(_OWN_BUSY_S)
        let_go()
        try:
            response = self._client.request(method, f"/v1/{path}", json=body, params=query)
        except httpx.HTTPError as error:
            return Unknown(f"{method} {path}: {error!r}"[:300])
        return _read(response)


def _read(response: httpx.Response) -> Answer:
    """A plain "no" is a Fault; a server's error, or rubbish under any status, says nothing of what was done."""
    status, told = response.status_code, f"HTTP {response.status_code}: {response.text[:200]}"
    if status == 429:
        return Busy(_retry_after_s(response))
    if status == 204:
        return {}
    try:
        body = response.json()
    except (ValueError, RecursionError):
        return Unknown(told)
    if not isinstance(body, dict):
        return Unknown(told)
    if status in {200, 201}:
        return body
    # Only what is in Moyasar's own form is its word: a proxy between us may answer with a 4xx of its own.
    is_refusal = 400 <= status < 500 and status != 408 and isinstance(body.get("type"), str)
    return Fault(status, told) if is_refusal else Unknown(told)


def _retry_after_s(response: httpx.Response) -> int:
    text = response.headers.get("Retry-After", "")
    return min(int(text), _BUSY_S_MAX) if re.fullmatch(r"[0-9]{1,6}", text) else _BUSY_S
