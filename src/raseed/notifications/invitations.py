"""What became of invitations: on their way, sent, too old, or sent back. It reads the outbox and writes nothing."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from raseed.accounts.links import LIFETIMES, Purpose
from raseed.notifications.models import PersonalKind, PersonalMail


class InvitationState(StrEnum):
    """Where an invitation is that nobody has used yet."""

    ON_ITS_WAY = "on_its_way"
    SENT = "sent"
    TOO_OLD = "too_old"
    CAME_BACK = "came_back"


@dataclass(frozen=True, slots=True)
class Invitation:
    """The latest invitation of a person. `at`: when it was sent, or else when that became known (UTC); None: not yet."""

    state: InvitationState
    at: datetime | None
    reason: str = ""


def invitations_of(user_ids: Iterable[UUID], now: datetime) -> dict[UUID, Invitation]:
    """The latest invitation of each person; one that has no mail yet is on its way."""
    asked = list(user_ids)
    mails = PersonalMail.objects.filter(user_id__in=asked, kind=PersonalKind.INVITATION)
    latest = {mail.user_id: mail for mail in mails.order_by("created_at")}
    return {
        user_id: _read(latest[user_id], now)
        if user_id in latest
        else Invitation(InvitationState.ON_ITS_WAY, None)
        for user_id in asked
    }


def _read(mail: PersonalMail, now: datetime) -> Invitation:
    if mail.bounced_at or mail.gave_up_at:
        return Invitation(
            InvitationState.CAME_BACK, mail.bounced_at or mail.gave_up_at, mail.bounce_reason or mail.fault
        )
    if mail.sent_at is None:
        return Invitation(InvitationState.ON_ITS_WAY, None)
    too_old = now - mail.sent_at > LIFETIMES[Purpose.INVITATION]
    return Invitation(InvitationState.TOO_OLD if too_old else InvitationState.SENT, mail.sent_at)
