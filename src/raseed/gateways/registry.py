"""Which gateways this installation has, by name, from its settings. Secrets stay inside the adapters."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Protocol

from django.conf import settings

from raseed.gateways import pace
from raseed.gateways.customers import Customers
from raseed.gateways.moyasar.adapter import NAME as MOYASAR
from raseed.gateways.moyasar.adapter import MoyasarGateway
from raseed.gateways.port import Gateway
from raseed.gateways.sandbox import NAME as SANDBOX
from raseed.gateways.sandbox import SandboxGateway

if TYPE_CHECKING:
    from raseed.gateways.stripe.adapter import StripeGateway

STRIPE: Final = "stripe"


class Adapter(Gateway, Protocol):
    """A gateway that holds connections."""

    def close(self) -> None:
        """Close them."""


_ONE_AT_A_TIME = threading.Lock()
_MADE: dict[tuple[object, ...], Adapter] = {}


class UnknownGateway(LookupError):
    """No gateway of this name is configured."""


def gateway(name: str) -> Gateway:
    """The gateway of this name, one per process for given settings; raises UnknownGateway.

    Not only the one that new payments go to: payments of the one before are still asked about while its keys are set.
    """
    given = _settings_of(name)
    # Keyed by the settings, so that a test that points elsewhere gets a client of its own. Two threads that come first
    # together would make two, and one would leak.
    key = (name, *given.values())
    with _ONE_AT_A_TIME:
        if key not in _MADE:
            _MADE[key] = _make(name, given)
        return _MADE[key]


def close_all() -> None:
    """Close the connections of every gateway of this process; who is asked for again is made anew."""
    with _ONE_AT_A_TIME:
        while _MADE:
            _MADE.popitem()[1].close()


def _settings_of(name: str) -> Mapping[str, Any]:
    shared = {
        "timeout_s": settings.GATEWAY_TIMEOUT_S,
        "webhook_tolerance_s": settings.WEBHOOK_TOLERANCE_S,
    }
    if name == SANDBOX and settings.SANDBOX_SECRET_KEY:
        return shared | {
            "url": settings.SANDBOX_URL,
            "secret_key": settings.SANDBOX_SECRET_KEY,
            "webhook_secrets": _secrets(
                settings.SANDBOX_WEBHOOK_SECRET, settings.SANDBOX_WEBHOOK_SECRET_BEFORE
            ),
        }
    if name == STRIPE and settings.STRIPE_SECRET_KEY:
        return shared | {
            "api_base": settings.STRIPE_API_BASE,
            "publishable_key": settings.STRIPE_PUBLISHABLE_KEY,
            "js_origin": settings.STRIPE_JS_ORIGIN,
            "secret_key": settings.STRIPE_SECRET_KEY,
            "webhook_secrets": _secrets(
                settings.STRIPE_WEBHOOK_SECRET, settings.STRIPE_WEBHOOK_SECRET_BEFORE
            ),
        }
    if name == MOYASAR and settings.MOYASAR_SECRET_KEY:
        return {
            "timeout_s": settings.GATEWAY_TIMEOUT_S,
            "api_base": settings.MOYASAR_API_BASE,
            "secret_key": settings.MOYASAR_SECRET_KEY,
            "webhook_secrets": _secrets(
                settings.MOYASAR_WEBHOOK_SECRET, settings.MOYASAR_WEBHOOK_SECRET_BEFORE
            ),
        }
    raise UnknownGateway(f"no gateway {name!r} is configured")


def _make(name: str, given: Mapping[str, Any]) -> Adapter:
    may_leave = partial(_may_leave, name)
    if name == SANDBOX:
        return SandboxGateway(**given, may_leave=may_leave)
    if name == MOYASAR:
        return MoyasarGateway(**given, may_leave=may_leave)
    # Loaded only where it is used: Stripe's SDK takes half a second to import.
    stripe: type[StripeGateway] = import_module("raseed.gateways.stripe.adapter").StripeGateway
    return stripe(**given, customers=Customers(name), may_leave=may_leave)


def _secrets(*secrets: str) -> tuple[str, ...]:
    return tuple(filter(None, secrets))


def _may_leave(name: str) -> bool:
    """Wait for this installation's turn to speak to the gateway."""
    return pace.wait_for_turn(name, settings.GATEWAY_REQUESTS_PER_S)
