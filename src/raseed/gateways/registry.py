"""Which gateways this installation has, by name, from its settings. Secrets stay inside the adapters."""

from __future__ import annotations

import threading
from functools import cache

from django.conf import settings

from raseed.gateways import pace
from raseed.gateways.port import Gateway
from raseed.gateways.sandbox import NAME as SANDBOX
from raseed.gateways.sandbox import SandboxGateway

_ONE_AT_A_TIME = threading.Lock()


class UnknownGateway(LookupError):
    """No gateway of this name is configured."""


def gateway(name: str) -> Gateway:
    """The gateway of this name, one per process for given settings; raises UnknownGateway."""
    if name != SANDBOX:
        raise UnknownGateway(f"no gateway is called {name!r}; configured: {SANDBOX}")
    # `cache` runs the function twice when two threads come first together, and the second client would leak.
    with _ONE_AT_A_TIME:
        return _sandbox(
            settings.SANDBOX_URL,
            settings.SANDBOX_SECRET_KEY,
            tuple(filter(None, (settings.SANDBOX_WEBHOOK_SECRET, settings.SANDBOX_WEBHOOK_SECRET_BEFORE))),
            settings.GATEWAY_TIMEOUT_S,
            settings.WEBHOOK_TOLERANCE_S,
        )


@cache
def _sandbox(
    url: str, secret_key: str, webhook_secrets: tuple[str, ...], timeout_s: float, webhook_tolerance_s: float
) -> SandboxGateway:
    # Keyed by the settings, so that a test that points elsewhere gets a client of its own.
    return SandboxGateway(
        url=url,
        secret_key=secret_key,
        webhook_secrets=webhook_secrets,
        timeout_s=timeout_s,
        webhook_tolerance_s=webhook_tolerance_s,
        may_leave=_may_leave,
    )


def _may_leave() -> bool:
    """Wait for this installation's turn to speak to the gateway."""
    return pace.wait_for_turn(SANDBOX, settings.GATEWAY_REQUESTS_PER_S)
