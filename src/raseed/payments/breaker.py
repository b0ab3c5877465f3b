"""The circuit breaker of a gateway, kept in PostgreSQL so that every process sees the same.

Five failures in a row within 30 seconds open it. No new payment begins then, and questions about old ones wait, but
for one every five seconds: the probe, which charges nobody anything new. An answer closes it. It never decides about
a payment's outcome.
"""

from datetime import datetime, timedelta
from typing import Final

from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from raseed.db.statements import row_of
from raseed.db.transactions import atomic
from raseed.errors import RaseedError
from raseed.gateways.port import Outcome, RefundOutcome, Unknown
from raseed.payments.models import GatewayHealth

FAILURES_MAX = 5
WINDOW = timedelta(seconds=30)
PROBE_EVERY = timedelta(seconds=5)
# The worker's questions are the probes. A customer's payment is one only if there was none for this long: no worker runs.
CUSTOMER_PROBES_AFTER = timedelta(seconds=60)

# Every payment asks the one and does the other; while all is well neither finds a row.
_IS_OPEN: Final = "SELECT 1 FROM payments_gatewayhealth WHERE gateway = %s AND opened_at IS NOT NULL"
_FORGET: Final = """
    UPDATE payments_gatewayhealth SET failures = 0, first_failure_at = NULL, opened_at = NULL, probe_at = NULL
     WHERE gateway = %s AND failures > 0
"""


class GatewayDown(RaseedError):
    """The circuit is open: nothing was sent and nothing was written."""

    code = "gateway_down"
    status = 503
    message = _(
        "Card payments are not available at the moment. Nothing was charged. Try again in a few minutes."
    )


def is_open(gateway: str) -> bool:
    """Whether the gateway is taken for silent."""
    return row_of(_IS_OPEN, [gateway]) is not None


def takes_payments(gateway: str, now: datetime) -> bool:
    """Whether a new payment may begin, so far as looking can tell."""
    return not GatewayHealth.objects.filter(
        gateway=gateway, opened_at__isnull=False, probe_at__gt=now - CUSTOMER_PROBES_AFTER
    ).exists()


def check(gateway: str, now: datetime) -> None:
    """Let a new payment begin, or raise GatewayDown."""
    if is_open(gateway) and not _claim(gateway, now - CUSTOMER_PROBES_AFTER, now):
        raise GatewayDown(f"circuit of {gateway} is open")


def may_ask(gateway: str, now: datetime) -> bool:
    """Whether a question about an open payment may leave now; while the circuit is open, only as its probe."""
    return not is_open(gateway) or _claim(gateway, now, now)


def _claim(gateway: str, due_before: datetime, now: datetime) -> bool:
    """Take the probe if it was due before that moment, so that nobody else takes it; or find the circuit closed."""
    claimed = GatewayHealth.objects.filter(
        Q(gateway=gateway), Q(opened_at__isnull=True) | Q(probe_at__lte=due_before)
    )
    return bool(claimed.update(probe_at=now + PROBE_EVERY))


def record(gateway: str, outcome: Outcome | RefundOutcome, now: datetime) -> None:
    """Count an answer. Only silence (`Unknown`) is a failure; a decline is a gateway that works."""
    if isinstance(outcome, Unknown):
        record_silence(gateway, now)
    else:
        record_answer(gateway)


def record_answer(gateway: str) -> None:
    """The gateway spoke: close the circuit and forget the failures."""
    row_of(_FORGET, [gateway])


def record_silence(gateway: str, now: datetime) -> None:
    """The gateway did not answer: count it, and open the circuit at the fifth in a row within the window."""
    with atomic():
        GatewayHealth.objects.get_or_create(gateway=gateway)
        health = GatewayHealth.objects.select_for_update().get(gateway=gateway)
        row = GatewayHealth.objects.filter(gateway=gateway)
        if health.opened_at is not None:
            row.update(failures=F("failures") + 1, probe_at=max(health.probe_at or now, now + PROBE_EVERY))
        elif health.first_failure_at is None or now - health.first_failure_at > WINDOW:
            row.update(failures=1, first_failure_at=now)
        elif health.failures + 1 >= FAILURES_MAX:
            row.update(failures=F("failures") + 1, opened_at=now, probe_at=now + PROBE_EVERY)
        else:
            row.update(failures=F("failures") + 1)
