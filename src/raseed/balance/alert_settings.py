"""What an Admin changes about warnings: on or off, the addresses, the limits. Each change is in the audit log.

Every change carries the version that the page showed; a stale one is refused, so that nobody undoes another Admin's work
unseen.
"""

from datetime import datetime
from typing import Final
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from raseed.accounts.models import Account
from raseed.accounts.people import read_email
from raseed.audit import log
from raseed.audit.log import Facts, Who
from raseed.balance import lines
from raseed.balance.alerts import Watched, settings_of, watched_by
from raseed.balance.models import AlertSettings, LineKind
from raseed.db.queue import defer
from raseed.db.transactions import atomic
from raseed.errors import RaseedError
from raseed.money import Money

ADDRESSES_MAX: Final = 10
LOW_DAYS_MAX: Final = 60


class TooManyAddresses(RaseedError):
    """More addresses than anybody would read."""

    code = "alert_too_many_addresses"
    status = 422
    field = "addresses"
    message = _("Enter at most %(most)s addresses.")


class AlertLimitNotPositive(RaseedError):
    """A limit of nothing, or less, is always reached."""

    code = "alert_limit_not_positive"
    status = 422
    field = "consumption_limit"
    message = _("Enter an amount above zero, or leave the field empty.")


class LowDaysOutOfRange(RaseedError):
    """A number of days that makes no sense."""

    code = "alert_low_days_out_of_range"
    status = 422
    field = "low_days"
    message = _("Enter a number of days from 1 to %(most)s, or leave the field empty.")


class StaleAlertSettings(RaseedError):
    """Another Admin has changed the settings since the page was drawn."""

    code = "alert_settings_changed"
    status = 409
    message = _(
        "Another Admin has changed these settings meanwhile. Nothing of yours was saved. They are shown as they are now."
    )


def change(account: Account, seen_version: int, wanted: Watched, by: Who, now: datetime) -> AlertSettings:
    """Save what is watched, and look at once. `seen_version` is 0 for an account that never saved any.

    Raises StaleAlertSettings, TooManyAddresses, AlertLimitNotPositive, LowDaysOutOfRange, NotAnEmail; then nothing
    changed.
    """
    wanted = _checked(wanted)
    with atomic():
        # The account's row makes two Admins take turns: a first row cannot be locked.
        Account.objects.select_for_update(no_key=True).get(id=account.id)
        row = settings_of(account.id)
        there = watched_by(account, row)
        if (row.version if row else 0) != seen_version:
            raise StaleAlertSettings
        if row is not None and there == wanted:
            return row
        saved = row or AlertSettings(account_id=account.id, version=0)
        saved.is_on, saved.addresses = wanted.is_on, list(wanted.addresses)
        saved.consumption_limit_micros = _micros(wanted.consumption_limit)
        saved.low_balance_micros = _micros(wanted.low_balance)
        saved.low_days = wanted.low_days
        saved.version += 1
        saved.changed_at, saved.changed_by = now, by.user_id
        saved.save()
        _draw(account, wanted, now)
        _record(account.id, saved, there, wanted, by, now)
        defer("balance.look_at_alerts", account_id=account.id)
    return saved


def _checked(wanted: Watched) -> Watched:
    addresses = tuple(dict.fromkeys(read_email(address) for address in wanted.addresses))
    if len(addresses) > ADDRESSES_MAX:
        raise TooManyAddresses(most=ADDRESSES_MAX)
    for field, limit in (
        ("consumption_limit", wanted.consumption_limit),
        ("low_balance", wanted.low_balance),
    ):
        if limit is not None and limit.micros <= 0:
            refused = AlertLimitNotPositive()
            refused.field = field
            raise refused
    if wanted.low_days is not None and not 1 <= wanted.low_days <= LOW_DAYS_MAX:
        raise LowDaysOutOfRange(most=LOW_DAYS_MAX)
    return Watched(wanted.is_on, addresses, wanted.consumption_limit, wanted.low_balance, wanted.low_days)


def _draw(account: Account, wanted: Watched, now: datetime) -> None:
    if wanted.is_on and wanted.low_balance is not None:
        lines.draw(account.id, LineKind.LOW_BALANCE, wanted.low_balance, now)
    else:
        lines.erase(account.id, LineKind.LOW_BALANCE)


def _micros(amount: Money | None) -> int | None:
    return None if amount is None else amount.micros


def _facts(watched: Watched) -> Facts:
    return {
        "is_on": watched.is_on,
        "addresses": list(watched.addresses),
        "consumption_limit_micros": _micros(watched.consumption_limit),
        "low_balance_micros": _micros(watched.low_balance),
        "low_days": watched.low_days,
    }


def _record(
    account_id: UUID, saved: AlertSettings, there: Watched, wanted: Watched, by: Who, now: datetime
) -> None:
    """The log keeps the fields that changed, and no others."""
    before, after = _facts(there), _facts(wanted)
    changed = sorted(field for field in after if before[field] != after[field])
    log.record(
        by,
        "alerts_changed",
        account_id=account_id,
        object_kind="alert_settings",
        object_id=saved.id,
        at=now,
        before={field: before[field] for field in changed},
        after={field: after[field] for field in changed},
    )
