"""Suspend and restore. A suspended account is told to stop by its service, never locked out of Billing.

A payment lifts a suspension for `balance` by itself as soon as the available balance is above zero; one by staff
or for a dispute stays until staff lift it. The rows of the ledger account are read on the writer, in the
caller's transaction.
"""

from datetime import datetime
from uuid import UUID

from raseed.accounts.models import Account
from raseed.balance.equation import available
from raseed.balance.models import Reason, Suspension
from raseed.db.queue import defer
from raseed.db.transactions import atomic
from raseed.events.models import EventKind
from raseed.events.tell import tell
from raseed.money import Money, currency_of


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


def restore_if_paid(account: Account, now: datetime) -> bool:
    """Lift a suspension for `balance` if the available balance is above zero now.

    Called by whoever credits the account, in the same transaction, so that service is back with the money.
    """
    # Hardly any account that pays is suspended: this one look is all that the others pay for.
    is_suspended = Suspension.objects.filter(
        account_id=account.id, reason=Reason.BALANCE, lifted_at__isnull=True
    ).exists()
    if not is_suspended or available(account) <= Money.zero(account.currency):
        return False
    lifted = lift(account.id, Reason.BALANCE, now)
    if lifted:
        defer("notifications.mail_service_restored", account_id=account.id, at=now.isoformat())
    return lifted


def smallest_sufficient(account: Account, minimum: Money) -> Money:
    """The smallest payment that lifts a suspension for `balance`: available becomes > 0, at least `minimum`.

    Rounded up to the gateway's step, so that it can be charged as it stands.
    """
    step = currency_of(account.currency).step_micros
    short = -available(account).micros
    # One step more than a whole number of steps that only reaches zero.
    needed = Money((short // step + 1) * step, account.currency) if short >= 0 else minimum
    return max(needed, minimum)
