"""Have the gateway forget cards that were removed. Runs as a job; a card that the gateway does not know is forgotten.

A card that a payment is still being charged for waits: its request may have to be sent again with the same words.
"""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from raseed.db.guard import across_accounts
from raseed.db.queue import defer
from raseed.gateways.registry import gateway
from raseed.payments.models import Payment, PaymentMethod
from raseed.payments.states import OPEN

FORGET_JOB: Final = "payments.forget_card"
# The card's own job has this long before the sweep asks again.
SWEEP_AFTER: Final = timedelta(hours=1)
SWEEP_MAX: Final = 200


def forget(account_id: UUID, method_id: UUID, now: datetime) -> bool:
    """Have one removed card forgotten; False if it must wait. Raises GatewayUnavailable, and the job tries again."""
    method = PaymentMethod.objects.filter(
        account_id=account_id, id=method_id, removed_at__isnull=False, forgotten_at__isnull=True
    ).first()
    if method is None:
        return False
    if Payment.objects.filter(account_id=account_id, method_id=method_id, state__in=OPEN).exists():
        return False
    gateway(method.gateway).forget_card(method.reference)
    PaymentMethod.objects.filter(account_id=account_id, id=method_id).update(forgotten_at=now)
    return True


def forget_overdue(now: datetime) -> int:
    """Queue again what was removed an hour ago and is not forgotten, at most 200; how many."""
    with across_accounts("the sweep looks for removed cards of all accounts"):
        waiting = list(
            PaymentMethod.objects.filter(removed_at__lt=now - SWEEP_AFTER, forgotten_at__isnull=True)
            .order_by("removed_at")
            .values_list("account_id", "id")[:SWEEP_MAX]
        )
    for account_id, method_id in waiting:
        defer(FORGET_JOB, account_id=account_id, method_id=method_id)
    return len(waiting)
