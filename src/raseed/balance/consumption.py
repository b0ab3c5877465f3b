"""How much an account consumes, from its ledger: in the month so far, and how long the balance lasts at this pace.

Consumption is what usage, fees and shortfalls took from the customer's balance, reversals counted back. Reads only.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import BigIntegerField, Case, F, Q, Sum, Value, When
from django.db.models.functions import Coalesce

from raseed.accounts.models import Account
from raseed.balance.equation import CONSUMPTION, available
from raseed.db.guard import across_accounts
from raseed.ledger.chart import Kind
from raseed.ledger.models import LedgerEntry, LedgerTransfer
from raseed.money import Money

# The pace is that of the last week: long enough to hold its quiet days.
PACE_OF: Final = timedelta(days=7)
_DAY: Final = timedelta(days=1)


def month_start(account: Account, now: datetime) -> datetime:
    """Midnight of the first of this month in the account's time zone."""
    local = now.astimezone(ZoneInfo(account.time_zone))
    return local.replace(day=1, hour=0, minute=0, second=0, microsecond=0, fold=0)


def consumed(account: Account, since: datetime, until: datetime) -> Money:
    """What was consumed from `since` until before `until`; below zero if more was reversed than used."""
    customer = Q(debit=Kind.CUSTOMER) | Q(credit=Kind.CUSTOMER)
    kinds = Q(entry__kind__in=CONSUMPTION) | Q(entry__reverses__kind__in=CONSUMPTION)
    net = Case(
        When(debit=Kind.CUSTOMER, then=F("amount_micros")),
        default=-F("amount_micros"),
        output_field=BigIntegerField(),
    )
    found = LedgerTransfer.objects.filter(
        customer,
        kinds,
        account_id=account.id,
        entry__account_id=account.id,
        currency=account.currency,
        entry__at__gte=since,
        entry__at__lt=until,
    ).aggregate(net=Coalesce(Sum(net), Value(0), output_field=BigIntegerField()))
    return Money(int(found["net"]), account.currency)


def days_left(account: Account, now: datetime) -> int | None:
    """Whole days that the available balance lasts at the pace of the last week; None if nothing was used.

    An account that began within the week has the pace of its own days, at least one.
    """
    used = consumed(account, now - PACE_OF, now).micros
    if used <= 0:
        return None
    pace_s = int(max(_DAY, min(PACE_OF, now - account.created_at)).total_seconds())
    have = max(0, available(account).micros)
    return have * pace_s // (used * int(_DAY.total_seconds()))


def with_recent_usage(now: datetime) -> Iterator[UUID]:
    """The accounts that used something in the last week."""
    with across_accounts("the sweep looks how long balances last"):
        found = list(
            LedgerEntry.objects.filter(kind__in=CONSUMPTION, at__gte=now - PACE_OF)
            .order_by("account_id")
            .values_list("account_id", flat=True)
            .distinct()
        )
    yield from found
