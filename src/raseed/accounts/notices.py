"""Telling people by mail that their sign-in, who may act for them, or their account's cards and details changed (OWASP ASVS 5.0, 6.3.7).

The mail goes to the address that the person had when it happened, even if the person is disabled since. What it says
is written when it is sent; the job holds facts only. Never a secret: no password, no link that works.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from raseed.accounts.models import Membership, Role, StaffRole, User
from raseed.db.queue import defer
from raseed.db.uuids import new_id

NOTICE_JOB: Final = "notifications.mail_notice"
_NO_FACTS: Final[Mapping[str, str]] = {}


class Notice(StrEnum):
    """What a person is told of."""

    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - the name of a mail, not a secret
    ROLE_CHANGED = "role_changed"
    ACCESS_ENDED = "access_ended"
    ACCESS_RESTORED = "access_restored"
    APP_ADDED = "app_added"
    APP_REMOVED = "app_removed"
    PASSKEY_ADDED = "passkey_added"
    PASSKEY_REMOVED = "passkey_removed"
    CODES_MADE = "codes_made"
    CODE_USED = "code_used"
    FACTORS_RESET = "factors_reset"
    EMAIL_CHANGE_ASKED = "email_change_asked"
    EMAIL_CHANGED = "email_changed"
    EMAIL_WANTED = "email_wanted"
    API_KEY_MADE = "api_key_made"
    API_KEY_REVOKED = "api_key_revoked"
    WEBHOOKS_STOPPED = "webhooks_stopped"
    CARD_ADDED = "card_added"
    CARD_REMOVED = "card_removed"
    CARD_MADE_DEFAULT = "card_made_default"
    CARD_EXPIRES = "card_expires"
    DETAILS_CHANGED = "details_changed"
    REQUEST_APPROVED = "request_approved"
    REQUEST_REFUSED = "request_refused"
    CARD_TESTING = "card_testing"


def tell(user: User, notice: Notice, at: datetime, facts: Mapping[str, str] = _NO_FACTS) -> None:
    """Have `user` told, at the address of now, of what happened at `at` (UTC). Call it in the act's transaction."""
    # The id makes the mail once, although the job may run twice.
    defer(
        NOTICE_JOB,
        mail_id=new_id(),
        user_id=user.id,
        kind=notice.value,
        address=user.email,
        facts={"at": at.isoformat(), **facts},
    )


def tell_admins(account_id: UUID, notice: Notice, at: datetime, facts: Mapping[str, str] = _NO_FACTS) -> None:
    """Have every active Admin of the account told. Call it in the act's transaction."""
    admins = Membership.objects.filter(account_id=account_id, role=Role.ADMIN, is_active=True)
    for user in User.objects.filter(id__in=list(admins.values_list("user_id", flat=True)), is_active=True):
        tell(user, notice, at, facts)


def tell_finance(notice: Notice, at: datetime, facts: Mapping[str, str] = _NO_FACTS) -> None:
    """Have the finance people of the operator's staff told."""
    for user in User.objects.filter(staff_role=StaffRole.FINANCE, is_active=True):
        tell(user, notice, at, facts)
