"""The line to Stripe: its official SDK, one request at a time. The only module that imports the SDK.

It never sends a request twice: asking again is decided above, with the same key. It gives back plain dicts, since the
SDK's objects are none, and values for everything that Stripe or the network may do instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

import httpx
import stripe

from raseed.db.transactions import assert_no_transaction, let_go
from raseed.gateways.port import Busy, Unknown

# What the adapter was written against. A newer version is taken up on purpose, with the tests, and never by the account's
# own setting: each request names this one.
API_VERSION: Final = "2026-10-28.endive"
_BUSY_S = 5
_BUSY_S_MAX = 300
_OWN_BUSY_S = 1
_CONNECT_TIMEOUT_S = 3.0
_CONNECTIONS_MAX = 50

# It would tell Stripe how long our requests took, and keep an id of this machine in the service account's home.
stripe.enable_telemetry = False


@dataclass(frozen=True, slots=True)
class Fault:
    """Stripe refused the request: HTTP status, and its error object ({} if it is none that can be read)."""

    status: int
    error: Mapping[str, Any]

    @property
    def told(self) -> str:
        """For the log; Stripe's messages name no card."""
        words = (self.error.get(name) for name in ("type", "code", "param", "message"))
        return f"HTTP {self.status}: {' '.join(str(word) for word in words if word)}"[:300]


Answer: TypeAlias = "dict[str, Any] | Fault | Unknown | Busy"


class Told(Protocol):
    """What the SDK gives back: an object, a list, the result of a search."""

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts and lists, all the way down."""


class Line:
    """One client; safe to use from many threads. `timeout_s` bounds each wait for Stripe: for a byte, not for the answer.

    `may_leave` is asked before each request; where it says no, nothing is sent and the answer is Busy.
    """

    def __init__(
        self, *, secret_key: str, api_base: str, timeout_s: float, may_leave: Callable[[], bool]
    ) -> None:
        self._may_leave = may_leave
        self._http = _Http(timeout_s)
        self._client = stripe.StripeClient(
            secret_key,
            stripe_version=API_VERSION,
            base_addresses={"api": api_base} if api_base else None,
            max_network_retries=0,
            http_client=self._http,
        )

    def close(self) -> None:
        """Close the client's connections."""
        self._http.close()

    def ask(self, request: Callable[[stripe.StripeClient], Told]) -> Answer:
        """Send one request and read its answer. Raises OpenTransaction inside a database transaction."""
        assert_no_transaction()
        if not self._may_leave():
            return Busy(_OWN_BUSY_S)
        let_go()
        try:
            return request(self._client).to_dict()
        except stripe.RateLimitError as error:
            return Busy(_retry_after_s(error))
        except stripe.APIConnectionError as error:
            return Unknown(f"no answer: {error.__cause__!r}"[:300])
        except stripe.StripeError as error:
            return _fault(error)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            return Unknown(f"an answer that cannot be read: {error!r}"[:300])


class _Http(stripe.HTTPClient):
    """The SDK's HTTP by httpx: no redirect is followed, no proxy of the environment is used, every wait is bounded."""

    name = "httpx"

    def __init__(self, timeout_s: float) -> None:
        super().__init__()
        limits = httpx.Limits(max_connections=_CONNECTIONS_MAX)
        self._client = httpx.Client(
            timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, _CONNECT_TIMEOUT_S)),
            transport=httpx.HTTPTransport(retries=0, limits=limits, trust_env=False),
            follow_redirects=False,
            trust_env=False,
        )

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,
        *,
        _usage: list[str] | None = None,
    ) -> tuple[Any, int, Mapping[str, str]]:
        """One request; raises the SDK's APIConnectionError for no answer."""
        try:
            response = self._client.request(method, url, headers=headers, content=post_data or None)
        except httpx.HTTPError as error:
            raise stripe.APIConnectionError(f"{method} {url}") from error  # type: ignore[no-untyped-call]
        return response.content, response.status_code, response.headers

    def close(self) -> None:
        """Close the client's connections."""
        self._client.close()


def _fault(error: stripe.StripeError) -> Fault | Unknown:
    """A plain "no" is a Fault; a server's error or rubbish under any status says nothing of what was done."""
    body = error.json_body
    told = body.get("error") if isinstance(body, dict) else None
    status = error.http_status or 0
    if not isinstance(told, dict) or not 400 <= status < 500:
        return Unknown(f"HTTP {status}: {error.http_body or error}"[:300])
    return Fault(status, told)


def _retry_after_s(error: stripe.RateLimitError) -> int:
    text = str((error.headers or {}).get("retry-after", ""))
    return min(int(text), _BUSY_S_MAX) if text.isascii() and text.isdigit() else _BUSY_S
