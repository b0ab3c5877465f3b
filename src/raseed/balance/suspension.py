"""Suspend and restore. A suspended account is told to stop by its service, never locked out of Billing.

A payment lifts a suspension for `balance` by itself as soon as the available balance is above zero; one by staff
or for a dispute stays until staff lift it. The rows of the ledger account are read on the writer, in the
caller's transaction.
"""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db.models import F
from django.db.models.functions import Coalesce

from raseed.accounts.models import Account, Operator
from raseed.balance.equation import available
from raseed.balance.models import Grace, Reason, Suspension
from raseed.db.guard import across_accounts
from raseed.db.queue import defer
from raseed.db.transactions import atomic
from raseed.events.models import EventKind
from raseed.events.tell import tell
from raseed.ledger.chart import Kind
from raseed.ledger.models import LedgerAccount
from raseed.money import Money, currency_of

SWEEP_LIMIT: Final = 200


def open_suspensions(account_id: UUID) -> list[Suspension]:
    """The suspensions in force, oldest first."""
    return list(Suspension.objects.filter(account_id=account_id, lifted_at__isnull=True).order_by("since"))


def suspend(account_id: UUID, reason: Reason, now: datetime, note: str = "") -> bool:
    """Suspend for `reason`; False if it already was. The service is told, in the same transaction."""
    with atomic():
        made = Suspension.objects.bulk_create(
            [Suspension(account_id=account_id, reason=reason, since=now, note=note)], ignore_conflicts=True
        )
        open_id = Suspension.objects.values_list("id", flat=True).get(
            account_id=account_id, reason=reason, lifted_at__isnull=True
        )
        if open_id != made[0].id:
            return False
        facts = {"reason": reason.value, "since": now.isoformat()}
        tell(account_id, EventKind.ACCOUNT_SUSPENDED, facts, now)
    return True


def lift(account_id: UUID, reason: Reason, now: datetime) -> bool:
    """Lift the open suspension for `reason`; False if there was none.

    The service is told that the account is restored once none is left open, in the same transaction.
    """
    with atomic():
        # All are locked, so that two who lift the last two come one after the other, and the second sees the first.
        there = list(
            Suspension.objects.select_for_update(no_key=True)
            .filter(account_id=account_id, lifted_at__isnull=True)
            .order_by("id")
        )
        lifted = [row for row in there if row.reason == reason]
        if not lifted:
            return False
        Suspension.objects.filter(account_id=account_id, id=lifted[0].id).update(lifted_at=now)
        if len(there) == 1:
            facts = {"reason": reason.value, "suspended_since": lifted[0].since.isoformat()}
            tell(account_id, EventKind.ACCOUNT_RESTORED, facts, now)
    return True


def run_out(account_id: UUID, now: datetime) -> None:
    """Nothing is left, credit limit included: suspend, at once or when the operator's time of grace is over.

    Call inside a transaction, after what took the last of it; again and again, it happens once.
    """
    if _is_stopped_or_waiting(account_id):
        return
    hours = Operator.objects.values_list("grace_hours", flat=True).get()
    if not hours:
        _stop(account_id, now)
        return
    until = now + timedelta(hours=hours)
    made = Grace.objects.bulk_create(
        [Grace(account_id=account_id, since=now, until=until)], ignore_conflicts=True
    )
    if open_grace(account_id) == made[0]:
        defer("notifications.mail_grace", account_id=account_id, at=now.isoformat(), until=until.isoformat())


def _is_stopped_or_waiting(account_id: UUID) -> bool:
    stopped = Suspension.objects.filter(account_id=account_id, reason=Reason.BALANCE, lifted_at__isnull=True)
    waiting = Grace.objects.filter(account_id=account_id, ended_at__isnull=True)
    return bool(stopped.values("id").union(waiting.values("id"), all=True)[:1])


def _stop(account_id: UUID, now: datetime) -> None:
    if suspend(account_id, Reason.BALANCE, now):
        defer("notifications.mail_service_suspended", account_id=account_id, at=now.isoformat())


def open_grace(account_id: UUID) -> Grace | None:
    """The time of grace that runs, if one does."""
    return Grace.objects.filter(account_id=account_id, ended_at__isnull=True).first()


def restore_if_paid(account: Account, now: datetime) -> bool:
    """Lift a suspension for `balance`, or end the time of grace, if the available balance is above zero now.

    Called by whoever credits the account, in the same transaction, so that service is back with the money. True if a
    suspension was lifted.
    """
    # Hardly any account that pays is suspended: this one look is all that the others pay for.
    if not _is_stopped_or_waiting(account.id):
        return False
    # Whoever ends the time of grace at this moment is waited for: he may have read the balance before this credit.
    grace = Grace.objects.select_for_update().filter(account_id=account.id, ended_at__isnull=True).first()
    if available(account) <= Money.zero(account.currency):
        return False
    if grace is not None:
        Grace.objects.filter(account_id=account.id, id=grace.id).update(ended_at=now)
    lifted = lift(account.id, Reason.BALANCE, now)
    if lifted:
        defer("notifications.mail_service_restored", account_id=account.id, at=now.isoformat())
    return lifted


def sweep(now: datetime) -> int:
    """Suspend those whose time of grace is over, and those whose balance ran out unseen; at most 200 of each. How many."""
    own = F("balance_micros") - F("held_micros") - Coalesce(F("floor_micros"), 0)
    with across_accounts("the sweep looks for accounts to suspend"):
        over = list(
            Grace.objects.filter(ended_at__isnull=True, until__lte=now)
            .order_by("until")
            .values_list("account_id", flat=True)[:SWEEP_LIMIT]
        )
        waiting = Grace.objects.filter(ended_at__isnull=True).values("account_id")
        stopped = Suspension.objects.filter(reason=Reason.BALANCE, lifted_at__isnull=True).values(
            "account_id"
        )
        unseen = list(
            LedgerAccount.objects.filter(kind=Kind.CUSTOMER)
            .alias(available_micros=own)
            .filter(available_micros__lte=0, version__gt=0, account__closed_at__isnull=True)
            .exclude(account_id__in=waiting)
            .exclude(account_id__in=stopped)
            .values_list("account_id", flat=True)[:SWEEP_LIMIT]
        )
    for account_id in over:
        _end_grace(account_id, now)
    for account_id in unseen:
        with atomic():
            run_out(account_id, now)
    return len(over) + len(unseen)


def _end_grace(account_id: UUID, now: datetime) -> None:
    """The time is over: suspend, unless the account has paid. A payment that arrives now waits for the row, or we for it."""
    with atomic():
        grace = (
            Grace.objects.select_for_update()
            .filter(account_id=account_id, ended_at__isnull=True, until__lte=now)
            .first()
        )
        if grace is None:
            return
        Grace.objects.filter(account_id=account_id, id=grace.id).update(ended_at=now)
        account = Account.objects.get(id=account_id)
        if available(account) <= Money.zero(account.currency):
            _stop(account_id, now)


def smallest_sufficient(account: Account, minimum: Money) -> Money:
    """The smallest payment that lifts a suspension for `balance`: available becomes > 0, at least `minimum`.

    Rounded up to the gateway's step, so that it can be charged as it stands.
    """
    step = currency_of(account.currency).step_micros
    short = -available(account).micros
    # One step more than a whole number of steps that only reaches zero.
    needed = Money((short // step + 1) * step, account.currency) if short >= 0 else minimum
    return max(needed, minimum)
