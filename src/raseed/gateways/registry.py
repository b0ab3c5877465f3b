"""Which gateways this installation has, by name, from its settings. Secrets stay inside the adapters."""

from __future__ import annotations

import threading

from django.conf import settings

from raseed.gateways import pace
from raseed.gateways.port import Gateway
from raseed.gateways.sandbox import NAME as SANDBOX
from raseed.gateways.sandbox import SandboxGateway

_ONE_AT_A_TIME = threading.Lock()
_MADE: dict[tuple[object, ...], SandboxGateway] = {}


class UnknownGateway(LookupError):
    """No gateway of this name is configured."""


def gateway(name: str) -> Gateway:
    """The gateway of this name, one per process for given settings; raises UnknownGateway."""
    if name != SANDBOX:
        raise UnknownGateway(f"no gateway is called {name!r}; configured: {SANDBOX}")
    url, secret_key = settings.SANDBOX_URL, settings.SANDBOX_SECRET_KEY
    secrets = tuple(filter(None, (settings.SANDBOX_WEBHOOK_SECRET, settings.SANDBOX_WEBHOOK_SECRET_BEFORE)))
    timeout_s, tolerance_s = settings.GATEWAY_TIMEOUT_S, settings.WEBHOOK_TOLERANCE_S
    # Keyed by the settings, so that a test that points elsewhere gets a client of its own. Two threads that come first
    # together would make two, and one would leak.
    key = (url, secret_key, secrets, timeout_s, tolerance_s)
    with _ONE_AT_A_TIME:
        if key not in _MADE:
            _MADE[key] = SandboxGateway(
                url=url,
                secret_key=secret_key,
                webhook_secrets=secrets,
                timeout_s=timeout_s,
                webhook_tolerance_s=tolerance_s,
                may_leave=_may_leave,
            )
        return _MADE[key]


def close_all() -> None:
    """Close the connections of every gateway of this process; who is asked for again is made anew."""
    with _ONE_AT_A_TIME:
        while _MADE:
            _MADE.popitem()[1].close()


def _may_leave() -> bool:
    """Wait for this installation's turn to speak to the gateway."""
    return pace.wait_for_turn(SANDBOX, settings.GATEWAY_REQUESTS_PER_S)
