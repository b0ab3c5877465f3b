"""Has the person told by mail that something about their sign-in changed, so that a change by somebody else is seen.

The job is queued in the transaction of the change; the mail goes to the address that the person has at that moment.
"""

from datetime import datetime
from enum import StrEnum
from typing import Final

from raseed.accounts.models import User
from raseed.db.queue import defer
from raseed.db.uuids import new_id

NOTICE_JOB: Final = "notifications.mail_security_notice"


class Event(StrEnum):
    """What has happened; the mail has its sentence for each."""

    APP_ADDED = "app_added"
    APP_REMOVED = "app_removed"
    PASSKEY_ADDED = "passkey_added"
    PASSKEY_REMOVED = "passkey_removed"
    CODES_MADE = "codes_made"
    CODE_USED = "code_used"
    FACTORS_RESET = "factors_reset"


def notify(user: User, event: Event, thing: str, now: datetime) -> None:
    """Queue the mail; `thing` is the name of what it is about, if it has one. Call it in a transaction."""
    defer(
        NOTICE_JOB,
        notice_id=new_id(),
        user_id=user.id,
        address=user.email,
        event=event.value,
        thing=thing,
        at=now.isoformat(),
    )
