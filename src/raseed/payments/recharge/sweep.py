"""Find what an event missed: tries that are due, lines that were passed unseen, recharges that nobody considered.

It only looks and queues, in bounded batches; an update that names what it saw makes two sweeps queue a thing once.
"""

from datetime import datetime, timedelta
from typing import Final

from django.db.models import Exists, F, OuterRef, Subquery
from django.db.models.functions import Coalesce

from raseed.balance.lines import arm, look
from raseed.balance.models import Line, LineKind
from raseed.db.guard import across_accounts
from raseed.db.queue import defer
from raseed.db.transactions import atomic
from raseed.ledger.chart import Kind
from raseed.ledger.models import LedgerAccount
from raseed.payments.recharge.models import RechargeSeries
from raseed.payments.recharge.reasons import Cause

SWEEP_LIMIT: Final = 200
# A job that was queued when the line was reached has run by now.
EVENT_LOST_AFTER: Final = timedelta(minutes=1)
# The job that the sweep queues has run by then; else it is queued again.
QUEUED_AGAIN_AFTER: Final = timedelta(minutes=5)


def sweep(now: datetime) -> int:
    """Queue all that is due or was missed, at most 200 of each kind; returns how many accounts were visited."""
    return _due(now) + _unseen(now) + _unconsidered(now)


def _due(now: datetime) -> int:
    with across_accounts("the sweep looks for recharges that are due"):
        due = list(
            RechargeSeries.objects.filter(look_at__lte=now)
            .order_by("look_at")
            .values_list("account_id", "look_at")[:SWEEP_LIMIT]
        )
    for account_id, look_at in due:
        with atomic():
            claimed = RechargeSeries.objects.filter(account_id=account_id, look_at=look_at).update(
                look_at=now + QUEUED_AGAIN_AFTER
            )
            if claimed:
                defer("payments.consider_recharge", account_id=account_id, cause=Cause.RETRY.value)
    return len(due)


def _unseen(now: datetime) -> int:
    """Lines on the wrong side of the balance: a deduction that came past, or met new settings; a credit that forgot them."""
    own = LedgerAccount.objects.filter(account_id=OuterRef("account_id"), kind=Kind.CUSTOMER).values(
        now_micros=F("balance_micros") - F("held_micros") - Coalesce(F("floor_micros"), 0)
    )
    lines = Line.objects.filter(kind=LineKind.RECHARGE).annotate(now_micros=Coalesce(Subquery(own), 0))
    with across_accounts("the sweep looks for lines that the balance passed unseen"):
        reached = list(
            lines.filter(crossed_at__isnull=True, amount_micros__gte=F("now_micros")).values_list(
                "account_id", flat=True
            )[:SWEEP_LIMIT]
        )
        left = list(
            lines.filter(crossed_at__isnull=False, amount_micros__lt=F("now_micros")).values_list(
                "account_id", flat=True
            )[:SWEEP_LIMIT]
        )
    for account_id in reached:
        with atomic():
            look(account_id, now)
    for account_id in left:
        with atomic():
            arm(account_id)
    return len(reached) + len(left)


def _unconsidered(now: datetime) -> int:
    """Lines that were reached and that nobody has considered: their job was lost."""
    considered = RechargeSeries.objects.filter(
        account_id=OuterRef("account_id"), considered_at__gte=OuterRef("crossed_at")
    )
    with across_accounts("the sweep looks for recharges that nobody considered"):
        lost = list(
            Line.objects.filter(kind=LineKind.RECHARGE, crossed_at__lte=now - EVENT_LOST_AFTER)
            .exclude(Exists(considered))
            .values_list("account_id", flat=True)[:SWEEP_LIMIT]
        )
    for account_id in lost:
        defer("payments.consider_recharge", account_id=account_id, cause=Cause.RETRY.value)
    return len(lost)
