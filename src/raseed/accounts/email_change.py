"""Another e-mail address to sign in with: asked for by the person, confirmed from the new mailbox.

The new address gets a link, and only the person's own session can use it: an address that was mistyped gives a stranger
nothing. The old address is told at once, and again when it has happened. Whether somebody else signs in with the new
address is told to nobody but whoever reads its mail.
"""

from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import IntegrityError
from django.utils.translation import gettext_lazy as _
from psycopg.errors import UniqueViolation

from raseed.accounts import attempts, links, people
from raseed.accounts.models import User
from raseed.accounts.notices import Notice, tell
from raseed.accounts.people import EmailTaken, LinkOver, read_email
from raseed.audit import log
from raseed.audit.log import Who
from raseed.db.queue import defer
from raseed.db.transactions import atomic
from raseed.db.uuids import new_id
from raseed.errors import RaseedError

LINK_JOB: Final = "notifications.mail_email_change"


class SameEmail(RaseedError):
    """The person signs in with this address already."""

    code = "email_same"
    status = 409
    field = "email"
    message = _("You sign in with this address already. Nothing has changed.")


class TooManyChanges(RaseedError):
    """Mail to addresses that nobody has confirmed has a limit."""

    code = "too_many_email_changes"
    status = 429
    field = "email"
    message = _("Too many changes were asked for. Wait %(minutes)s min and try again.")


def ask(user: User, typed: str, by: Who, now: datetime) -> str:
    """Have the new address mailed and the old one told; the address as it was read. Nothing else changes yet.

    The same work, and no other answer, whether or not somebody signs in with the address: then that person is told.
    Call it outside a transaction: the count of tries must stay. Raises NotAnEmail, SameEmail or TooManyChanges.
    """
    address = read_email(typed)
    if address == user.email:
        raise SameEmail
    waits = [
        attempts.take(attempts.EMAIL_CHANGE, str(user.id), now),
        attempts.take(attempts.EMAIL_CHANGE_ADDRESS, address, now),
    ]
    wait = max((wait for wait in waits if wait), default=None)
    if wait:
        raise TooManyChanges(minutes=attempts.minutes(wait))
    with atomic():
        asking = User.objects.select_for_update().get(id=user.id)
        _record(asking, "email_change_asked", asking.email, address, by, now)
        tell(asking, Notice.EMAIL_CHANGE_ASKED, now, {"email": address})
        owner = User.objects.filter(email=address).first()
        if owner is not None:
            tell(owner, Notice.EMAIL_WANTED, now)
        else:
            defer(
                LINK_JOB,
                mail_id=new_id(),
                user_id=asking.id,
                address=address,
                since=asking.sessions_valid_from.isoformat(),
            )
    return address


def asked(user: User, token: str, now: datetime) -> str:
    """The address that a link of this person confirms. Raises LinkOver."""
    address = links.new_email_of(user, token, now)
    if address is None:
        raise LinkOver
    return address


def confirm(user_id: UUID, token: str, by: Who, now: datetime) -> User:
    """Make the link's address the one to sign in with, once; all sessions end, and the old address is told.

    Keeping the session of the request is the caller's. Raises LinkOver, or EmailTaken if somebody took the address
    meanwhile; then nothing has changed.
    """
    address = ""
    try:
        with atomic():
            user = User.objects.select_for_update().get(id=user_id)
            address = asked(user, token, now)
            _record(user, "email_changed", user.email, address, by, now)
            tell(user, Notice.EMAIL_CHANGED, now, {"email": address})
            user.email, user.sessions_valid_from = address, now
            user.save(update_fields=["email", "sessions_valid_from"])
    except IntegrityError as error:
        if not isinstance(error.__cause__, UniqueViolation):
            raise
        raise EmailTaken(email=address) from error
    people.know_place(user, by.ip, now)
    return user


def _record(user: User, act: str, before: str, after: str, by: Who, now: datetime) -> None:
    log.record(
        by,
        act,
        account_id=user.account_id,
        object_kind="user",
        object_id=user.id,
        at=now,
        before={"email": before},
        after={"email": after},
    )
