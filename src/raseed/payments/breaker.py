"""The circuit breaker of a gateway, kept in PostgreSQL so that every process sees the same.

Five failures in a row within 30 seconds open it: no new payment is sent. Every ten seconds one call may probe;
an answer closes it. It never decides about a payment's outcome.
"""

from datetime import datetime, timedelta

from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from raseed.db.transactions import atomic
from raseed.errors import RaseedError
from raseed.gateways.port import Outcome, Unknown
from raseed.payments.models import GatewayHealth

FAILURES_MAX = 5
WINDOW = timedelta(seconds=30)
PROBE_EVERY = timedelta(seconds=10)


class GatewayDown(RaseedError):
    """The circuit is open: nothing was sent and nothing was written."""

    code = "gateway_down"
    status = 503
    message = _(
        "Card payments are not available at the moment. Nothing was charged. Try again in a few minutes."
    )


def is_open(gateway: str) -> bool:
    """Whether new payments should not be offered now."""
    return GatewayHealth.objects.filter(gateway=gateway, opened_at__isnull=False).exists()


def check(gateway: str, now: datetime) -> None:
    """Let a call pass, or claim the probe that is due, or raise GatewayDown."""
    if not is_open(gateway):
        return
    claimed = GatewayHealth.objects.filter(
        Q(gateway=gateway), Q(opened_at__isnull=True) | Q(probe_at__lte=now)
    )
    if not claimed.update(probe_at=now + PROBE_EVERY):
        raise GatewayDown(f"circuit of {gateway} is open")


def record(gateway: str, outcome: Outcome, now: datetime) -> None:
    """Count an answer. Only silence (`Unknown`) is a failure; a decline is a gateway that works."""
    if not isinstance(outcome, Unknown):
        GatewayHealth.objects.filter(gateway=gateway, failures__gt=0).update(
            failures=0, first_failure_at=None, opened_at=None, probe_at=None
        )
        return
    with atomic():
        GatewayHealth.objects.get_or_create(gateway=gateway)
        health = GatewayHealth.objects.select_for_update().get(gateway=gateway)
        if health.first_failure_at is None or now - health.first_failure_at > WINDOW:
            GatewayHealth.objects.filter(gateway=gateway).update(failures=1, first_failure_at=now)
            return
        GatewayHealth.objects.filter(gateway=gateway).update(failures=F("failures") + 1)
        if health.failures + 1 >= FAILURES_MAX and health.opened_at is None:
            GatewayHealth.objects.filter(gateway=gateway).update(opened_at=now, probe_at=now + PROBE_EVERY)
