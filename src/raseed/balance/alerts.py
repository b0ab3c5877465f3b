"""Warnings by mail and on the page: the balance is low, it lasts only so many days, the month's consumption reached its limit.

A warning opens when its limit is reached and closes only when the account is well clear of it, and its mail is not repeated
within a day: a balance that hovers at the line sends one mail, not ten. Accounts that never saved settings are warned too.
Nothing here moves money or stops a service.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from raseed.accounts.models import Account
from raseed.balance import lines
from raseed.balance.consumption import consumed, days_left, month_start, with_recent_usage
from raseed.balance.equation import available
from raseed.balance.models import Alert, AlertKind, AlertSettings
from raseed.db.guard import across_accounts
from raseed.db.queue import defer
from raseed.db.transactions import atomic
from raseed.events.models import EventKind
from raseed.events.tell import Fact, tell
from raseed.money import Money, decimal_text

# A warning closes once the balance is this far above its line, in per cent of the line.
CLEAR_PERCENT: Final = 110
MAIL_AGAIN_AFTER: Final = timedelta(hours=24)
WATCH_EVERY: Final = timedelta(minutes=1)
SWEEP_LIMIT: Final = 500
# What an account is warned of until an Admin decides otherwise.
USUAL_LOW_DAYS: Final = 3


@dataclass(frozen=True, slots=True)
class Watched:
    """Of what an account is warned: None is not watched. `addresses` empty: the billing addresses."""

    is_on: bool = True
    addresses: tuple[str, ...] = ()
    consumption_limit: Money | None = None
    low_balance: Money | None = None
    low_days: int | None = USUAL_LOW_DAYS


def watched_by(account: Account, row: AlertSettings | None) -> Watched:
    """The settings of an account, those of one that never saved any included."""
    if row is None:
        return Watched()

    def money(micros: int | None) -> Money | None:
        return None if micros is None else Money(micros, account.currency)

    return Watched(
        is_on=row.is_on,
        addresses=tuple(row.addresses),
        consumption_limit=money(row.consumption_limit_micros),
        low_balance=money(row.low_balance_micros),
        low_days=row.low_days,
    )


def settings_of(account_id: UUID) -> AlertSettings | None:
    """The settings as they were saved; None if they never were."""
    return AlertSettings.objects.filter(account_id=account_id).first()


def open_alerts(account_id: UUID) -> list[Alert]:
    """The warnings that stand, oldest first."""
    return list(Alert.objects.filter(account_id=account_id, closed_at__isnull=True).order_by("opened_at"))


def warn_low(account_id: UUID, now: datetime) -> None:
    """The balance came down to its line: warn, if it is still there."""
    account = Account.objects.get(id=account_id)
    _look_at_balance(account, watched_by(account, settings_of(account_id)), now)


def look(account_id: UUID, now: datetime) -> None:
    """Hold an account against all its limits: open what was reached, close what is well clear, mail what waited."""
    account = Account.objects.get(id=account_id)
    watched = watched_by(account, settings_of(account_id))
    _look_at_balance(account, watched, now)
    _look_at_days(account, watched, now)
    _look_at_consumption(account, watched, now)
    _mail_waiting(account, now)


def _look_at_balance(account: Account, watched: Watched, now: datetime) -> None:
    line = watched.low_balance
    have = available(account).micros
    if line is not None and have > line.micros:
        # Not every credit arms the lines; the next fall must be heard of again.
        lines.arm(account.id)
    if not watched.is_on or line is None or have * 100 > line.micros * CLEAR_PERCENT:
        _close(account, AlertKind.LOW_BALANCE, now)
    elif have <= line.micros:
        _open(account, AlertKind.LOW_BALANCE, line.micros, have, now)


def _look_at_days(account: Account, watched: Watched, now: datetime) -> None:
    is_watched = watched.is_on and watched.low_days is not None
    days = days_left(account, now) if is_watched else None
    if watched.low_days is None or days is None:
        _close(account, AlertKind.DAYS_LEFT, now)
    elif days <= watched.low_days:
        _open(account, AlertKind.DAYS_LEFT, watched.low_days, days, now)
    elif days > watched.low_days + 1:
        _close(account, AlertKind.DAYS_LEFT, now)


def _look_at_consumption(account: Account, watched: Watched, now: datetime) -> None:
    """Once a month: the next month begins at nothing, and closes it."""
    limit = watched.consumption_limit
    since = month_start(account, now)
    Alert.objects.filter(
        account_id=account.id, kind=AlertKind.CONSUMPTION, closed_at__isnull=True, opened_at__lt=since
    ).update(closed_at=now)
    if not watched.is_on or limit is None:
        _close(account, AlertKind.CONSUMPTION, now)
        return
    used = consumed(account, since, now).micros
    if used >= limit.micros:
        _open(account, AlertKind.CONSUMPTION, limit.micros, used, now)
    else:
        # The limit was raised.
        _close(account, AlertKind.CONSUMPTION, now)


def _open(account: Account, kind: AlertKind, limit: int, found: int, now: datetime) -> None:
    alert = Alert(
        account_id=account.id,
        kind=kind,
        opened_at=now,
        limit=limit,
        found=found,
        available_micros=available(account).micros,
    )
    with atomic():
        Alert.objects.bulk_create([alert], ignore_conflicts=True)
        if not Alert.objects.filter(account_id=account.id, id=alert.id).exists():
            return
        _tell(alert, account, now)
        _mail(alert, now)


def _tell(alert: Alert, account: Account, now: datetime) -> None:
    """The operator's service is told of each, whether or not its mail waits."""
    is_days = alert.kind == AlertKind.DAYS_LEFT
    facts: dict[str, Fact] = {
        "reason": alert.kind,
        "limit": alert.limit if is_days else decimal_text(Money(alert.limit, account.currency)),
        "found": alert.found if is_days else decimal_text(Money(alert.found, account.currency)),
        "available": decimal_text(Money(alert.available_micros, account.currency)),
        "currency": account.currency,
    }
    tell(account.id, EventKind.BALANCE_LOW, facts, now)


def _mail(alert: Alert, now: datetime) -> None:
    """Ask for the mail, unless one of the kind was asked for within a day: then it waits."""
    recent = Alert.objects.filter(
        account_id=alert.account_id, kind=alert.kind, mailed_at__gt=now - MAIL_AGAIN_AFTER
    )
    if recent.exists():
        return
    mailed = Alert.objects.filter(account_id=alert.account_id, id=alert.id, mailed_at__isnull=True)
    if mailed.update(mailed_at=now):
        defer("notifications.mail_alert", account_id=alert.account_id, alert_id=alert.id)


def _mail_waiting(account: Account, now: datetime) -> None:
    for alert in open_alerts(account.id):
        if alert.mailed_at is None:
            with atomic():
                _mail(alert, now)


def _close(account: Account, kind: AlertKind, now: datetime) -> None:
    Alert.objects.filter(account_id=account.id, kind=kind, closed_at__isnull=True).update(closed_at=now)


def sweep(now: datetime) -> int:
    """Look at accounts whose consumption is watched, that have a warning open; at most 500 of each. How many."""
    with across_accounts("the sweep looks at accounts that want to be warned"):
        watched = list(
            AlertSettings.objects.filter(is_on=True, consumption_limit_micros__isnull=False)
            .exclude(watched_at__gt=now - WATCH_EVERY)
            .order_by("watched_at")
            .values_list("account_id", flat=True)[:SWEEP_LIMIT]
        )
        standing = list(
            Alert.objects.filter(closed_at__isnull=True)
            .order_by("opened_at")
            .values_list("account_id", flat=True)[:SWEEP_LIMIT]
        )
    for account_id in watched:
        AlertSettings.objects.filter(account_id=account_id).update(watched_at=now)
    return _look_at_all({*watched, *standing}, now)


def sweep_forecasts(now: datetime) -> int:
    """Look how many days the balance lasts, for every account with usage in the last days. How many were looked at."""
    looked_at = 0
    for account_id in with_recent_usage(now):
        look(account_id, now)
        looked_at += 1
    return looked_at


def _look_at_all(account_ids: set[UUID], now: datetime) -> int:
    for account_id in sorted(account_ids):
        look(account_id, now)
    return len(account_ids)
