"""Cards that are about to expire: the Admins are told 30 days and 7 days ahead, once each. Runs once a day.

Of cards that cannot be charged at the gateway in use nobody is told.
"""

from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Q

from raseed.accounts.models import Account
from raseed.accounts.notices import Notice, tell_admins
from raseed.db.guard import across_accounts
from raseed.db.transactions import atomic
from raseed.payments.cards.names import name_of
from raseed.payments.models import PaymentMethod

TOLD_DAYS_AHEAD: Final = (30, 7)


def days_left(method: PaymentMethod, today: date) -> int:
    """Days after today on which the card still works; below zero when it has expired. It works to the end of its month."""
    month_after = date(method.exp_year + method.exp_month // 12, method.exp_month % 12 + 1, 1)
    return (month_after - today).days - 1


def expires_soon(method: PaymentMethod, today: date) -> bool:
    """Whether people should see that it expires within 30 days, or has."""
    return days_left(method, today) <= TOLD_DAYS_AHEAD[0]


def tell_of_expiry(now: datetime) -> int:
    """Tell the Admins of every card that has come within 30 or 7 days of its end and of which they were not; how many."""
    ahead = now + timedelta(days=TOLD_DAYS_AHEAD[0] + 1)
    months = {(at.year, at.month) for at in (now - timedelta(days=1), now + timedelta(days=1), ahead)}
    wanted = Q()
    for year, month in months:
        wanted |= Q(exp_year=year, exp_month=month)
    with across_accounts("the daily look for cards that expire"):
        found = list(
            PaymentMethod.objects.filter(wanted, removed_at__isnull=True, gateway=settings.GATEWAY)
            .exclude(expiry_told_days=TOLD_DAYS_AHEAD[-1])
            .values_list("account_id", "id")
        )
    return sum(_tell(account_id, method_id, now) for account_id, method_id in found)


def _tell(account_id: UUID, method_id: UUID, now: datetime) -> bool:
    account = Account.objects.get(id=account_id)
    with atomic():
        method = (
            PaymentMethod.objects.select_for_update()
            .filter(account_id=account_id, id=method_id, removed_at__isnull=True)
            .first()
        )
        if method is None or account.closed_at is not None:
            return False
        left = days_left(method, now.astimezone(ZoneInfo(account.time_zone)).date())
        due = [days for days in TOLD_DAYS_AHEAD if left <= days]
        if left < 0 or not due or (method.expiry_told_days or TOLD_DAYS_AHEAD[0] + 1) <= due[-1]:
            return False
        method.expiry_told_days = due[-1]
        method.save(update_fields=["expiry_told_days"])
        facts = {
            "thing": name_of(method.brand, method.last4),
            "month": f"{method.exp_month:02d}/{method.exp_year}",
        }
        tell_admins(account_id, Notice.CARD_EXPIRES, now, facts)
    return True
