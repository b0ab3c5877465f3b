"""The general settings of an account: language of papers and time zone by its Admins, the name by the operator's staff.

The currency is nobody's to change: it is written when the account is opened, and money has moved in it since. Whoever
changes says what the page showed, so that two people do not undo each other's work unseen.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import available_timezones

from raseed.accounts.members import ChangedMeanwhile
from raseed.accounts.models import Account, Language
from raseed.accounts.onboarding import UnknownTimeZone
from raseed.audit import log
from raseed.audit.log import Facts, Who
from raseed.db.transactions import atomic


@dataclass(frozen=True, slots=True)
class General:
    """What an Admin may change: the language of papers and mail about money, and the zone in which days are cut."""

    language: str
    time_zone: str


def general_of(account: Account) -> General:
    """The settings as they are."""
    return General(account.language, account.time_zone)


def change_general(
    account_id: UUID, seen: General, language: Language, time_zone: str, by: Who, now: datetime
) -> bool:
    """Write the settings, one entry of the audit log; False if they are so already. Papers that are issued stay as they are.

    Raises UnknownTimeZone or ChangedMeanwhile; then nothing changed.
    """
    if time_zone not in available_timezones():
        raise UnknownTimeZone(time_zone=time_zone)
    with atomic():
        account = Account.objects.select_for_update(no_key=True).get(id=account_id)
        there, wanted = general_of(account), General(language.value, time_zone)
        if there == wanted:
            return False
        if there != seen:
            raise ChangedMeanwhile
        Account.objects.filter(id=account_id).update(language=wanted.language, time_zone=wanted.time_zone)
        _record(
            account_id,
            "settings_changed",
            by,
            now,
            before={"language": there.language, "time_zone": there.time_zone},
            after={"language": wanted.language, "time_zone": wanted.time_zone},
        )
    return True


def rename(account_id: UUID, seen: str, name: str, by: Who, now: datetime) -> bool:
    """Give the account another name; False if it is called so already. Raises ChangedMeanwhile; then nothing changed."""
    with atomic():
        account = Account.objects.select_for_update(no_key=True).get(id=account_id)
        if account.name == name:
            return False
        if account.name != seen:
            raise ChangedMeanwhile
        Account.objects.filter(id=account_id).update(name=name)
        _record(account_id, "account_renamed", by, now, before={"name": account.name}, after={"name": name})
    return True


def _record(account_id: UUID, action: str, by: Who, now: datetime, *, before: Facts, after: Facts) -> None:
    """The log keeps the fields that changed, and no others."""
    changed = {field for field in after if before[field] != after[field]}
    log.record(
        by,
        action,
        account_id=account_id,
        object_kind="account",
        object_id=account_id,
        at=now,
        before={field: before[field] for field in sorted(changed)},
        after={field: after[field] for field in sorted(changed)},
    )
