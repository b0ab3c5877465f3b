"""People: who they are, how they sign in, how they get and change a password.

Whether an address exists is told to nobody: a wrong address and a wrong password end in the same words after the same
work, and asking for a reset always ends the same way. No password and no link is ever stored, queued or logged.
"""

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.contrib.auth import authenticate
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from psycopg.errors import UniqueViolation

from raseed.accounts import attempts, links
from raseed.accounts.factors import held
from raseed.accounts.models import Language, Membership, Role, StaffRole, User
from raseed.accounts.notices import Notice, tell
from raseed.audit import log
from raseed.audit.log import Who
from raseed.db.queue import defer
from raseed.db.transactions import atomic
from raseed.db.uuids import new_id
from raseed.errors import RaseedError

_log = logging.getLogger(__name__)

INVITATION_JOB: Final = "notifications.mail_invitation"
RESET_JOB: Final = "notifications.mail_password_reset"
SELF_ROLE: Final = "self"
# RFC 5321, 4.5.3.1.3, less the angle brackets of a path.
EMAIL_LENGTH_MAX: Final = 254


class SignInRefused(RaseedError):
    """Address and password do not fit; which of them is wrong is not said."""

    code = "sign_in_refused"
    status = 401
    message = _("This e-mail address and password do not fit together. Check both, or reset your password.")


class TooManyTries(RaseedError):
    """Too many tries from one place; the password was not looked at."""

    code = "too_many_tries"
    status = 429
    message = _("Too many tries. Wait %(minutes)s min and try again, or reset your password.")


class WrongPassword(RaseedError):
    """The present password is not the one that was typed."""

    code = "password_wrong"
    status = 422
    field = "current_password"
    message = _("This is not your present password. Type it again, or reset it from the sign-in page.")


class EmailTaken(RaseedError):
    """One address is one person in the whole installation."""

    code = "email_taken"
    status = 409
    field = "email"
    message = _("Somebody already signs in with %(email)s. Use another e-mail address.")


class NotAnEmail(RaseedError):
    """Not an address that mail can be sent to."""

    code = "email_invalid"
    field = "email"
    message = _("%(email)s is not a whole e-mail address. Write it as lina@example.com.")


class LinkOver(RaseedError):
    """A one-time link that was used, is too old, or never was one."""

    code = "link_over"
    status = 410
    message = _("This link no longer works: it was used already, or it is too old. Ask for a new one.")


@dataclass(frozen=True, slots=True)
class NewPerson:
    """A person who is to sign in: where, how they are called, and in which language they read."""

    name: str
    email: str
    language: Language


def sign_in(email: str, password: str, ip: str | None, now: datetime) -> User:
    """The user whom the address and the password name. Raises SignInRefused, or TooManyTries without looking.

    Who has a second factor is not signed in by this: the caller asks for it, and `factors.check` writes the sign-in down.
    Starting the session is the caller's. Call it outside a transaction: the count of tries must stay.
    """
    _limit_sign_in(email.strip().lower(), ip, now)
    # Django hashes a password for nobody when the address is unknown, so that both answers take as long.
    user = authenticate(None, username=email, password=password)
    if not isinstance(user, User):
        _log.warning("sign_in_refused ip=%s", ip)
        raise SignInRefused
    know_place(user, ip, now)
    if held.has_any(user.id):
        return user
    with atomic():
        log.record(
            Who(user.id, SELF_ROLE, ip),
            "signed_in",
            account_id=user.account_id,
            object_kind="user",
            object_id=user.id,
            at=now,
            after={"by": "password"},
        )
    return user


def ask_for_reset(email: str, ip: str | None, now: datetime) -> None:
    """Have a link mailed, if somebody signs in with the address. The same work, and no answer, either way."""
    address = email.strip().lower()
    waits = [
        attempts.take(attempts.RESET, address, now),
        attempts.take(attempts.RESET_PLACE, attempts.place_of(ip), now),
    ]
    if any(waits):
        _log.warning("reset_limited ip=%s", ip)
        return
    user_id = User.objects.filter(email=address, is_active=True).values_list("id", flat=True).first()
    # For an unknown address a job is queued all the same, for nobody: it finds no user and mails nothing.
    defer(RESET_JOB, user_id=user_id or new_id())


def link_holder(key: str, token: str, now: datetime) -> tuple[User, links.Purpose]:
    """Whose link this is and what it is for. Raises LinkOver."""
    return _fitting(User.objects.all(), key, token, now)


def use_link(key: str, token: str, password: str, ip: str | None, now: datetime) -> User:
    """Set the password by a one-time link, once, whoever else presses at the same moment.

    Whoever had a password is told by mail that it changed; a place that had too many tries may sign in again at once.
    Raises LinkOver, or Django's ValidationError if the password is too weak; then nothing has changed.
    """
    with atomic():
        user, purpose = _fitting(User.objects.select_for_update(), key, token, now)
        validate_password(password, user)
        set_password(user, password, Who(user.id, SELF_ROLE, ip), now)
        if purpose is links.Purpose.RESET:
            tell(user, Notice.PASSWORD_CHANGED, now, {"ip": ip or ""})
    know_place(user, ip, now)
    return user


def change_password(user_id: UUID, current: str, password: str, ip: str | None, now: datetime) -> User:
    """Set a new password for somebody who knows the present one; all their sessions end, and they are told by mail.

    Keeping the session of the request is the caller's. Call it outside a transaction: the count of tries must stay.
    Raises TooManyTries without looking, WrongPassword, or Django's ValidationError; then nothing has changed.
    """
    wait = attempts.take(attempts.PASSWORD_CHANGE, str(user_id), now)
    if wait:
        raise TooManyTries(minutes=attempts.minutes(wait))
    known = User.objects.get(id=user_id)
    # Looked at before the row is locked: hashing is slow on purpose, and nobody should wait behind a guess.
    if not known.check_password(current):
        _log.warning("password_change_refused user=%s ip=%s", user_id, ip)
        raise WrongPassword
    validate_password(password, known)
    with atomic():
        user = User.objects.select_for_update().get(id=user_id)
        if user.password != known.password:
            # Changed since: what was typed fits the old one.
            raise WrongPassword
        set_password(user, password, Who(user.id, SELF_ROLE, ip), now)
        tell(user, Notice.PASSWORD_CHANGED, now, {"ip": ip or ""})
    attempts.forget(attempts.PASSWORD_CHANGE, str(user_id))
    return user


def end_sessions(user: User, by: Who, now: datetime) -> None:
    """End all sessions of the user, at their next request. Call it in a transaction."""
    User.objects.filter(id=user.id).update(sessions_valid_from=now)
    log.record(
        by, "sessions_ended", account_id=user.account_id, object_kind="user", object_id=user.id, at=now
    )


def set_password(user: User, password: str, by: Who, now: datetime) -> None:
    """Set the password and end all sessions of the user. Call it in a transaction."""
    user.set_password(password)
    user.sessions_valid_from = now
    user.save(update_fields=["password", "sessions_valid_from"])
    log.record(by, "password_set", account_id=user.account_id, object_kind="user", object_id=user.id, at=now)


def add_member(account_id: UUID, person: NewPerson, role: Role, by: Who, now: datetime) -> User:
    """A new user of an account, without a password yet. Call it in a transaction. Raises NotAnEmail or EmailTaken."""
    user = _add(person, account_id, StaffRole.NONE, now)
    Membership.objects.create(account_id=account_id, user_id=user.id, role=role)
    _record_added(user, role, by, now)
    return user


def add_staff(person: NewPerson, role: StaffRole, by: Who, now: datetime) -> User:
    """A new user of the operator's staff, without a password yet. Call it in a transaction. Raises NotAnEmail or EmailTaken."""
    user = _add(person, None, role, now)
    _record_added(user, role, by, now)
    return user


def invite(user: User, by: Who, now: datetime) -> None:
    """Mail the invitation and write it down: for one that is asked for by itself. Call it in a transaction."""
    mail_invitation(user)
    log.record(by, "invited", account_id=user.account_id, object_kind="user", object_id=user.id, at=now)


def mail_invitation(user: User) -> None:
    """Have the link to choose a first password mailed; the job makes it. Call it in the transaction that adds `user`."""
    defer(INVITATION_JOB, user_id=user.id)


def read_email(text: str) -> str:
    """An address as it is kept: whole, without spaces around, in lower case. Raises NotAnEmail."""
    address = text.strip().lower()
    if len(address) > EMAIL_LENGTH_MAX:
        raise NotAnEmail(email=f"{address[:20]}…")
    try:
        validate_email(address)
    except ValidationError as error:
        raise NotAnEmail(email=address) from error
    return address


def know_place(user: User, ip: str | None, now: datetime) -> None:
    """The person has shown who they are from this place: the count there begins anew, and the place is known."""
    attempts.forget(attempts.SIGN_IN, _at(user.email, ip))
    attempts.remember_place(_at(user.email, ip), now)


def _fitting(users: QuerySet[User], key: str, token: str, now: datetime) -> tuple[User, links.Purpose]:
    user_id = links.user_id_of(key)
    user = users.filter(id=user_id).first() if user_id else None
    purpose = links.purpose_of(user, token, now) if user else None
    if user is None or purpose is None:
        raise LinkOver
    return user, purpose


def _add(person: NewPerson, account_id: UUID | None, staff_role: StaffRole, now: datetime) -> User:
    user = User(
        email=read_email(person.email),
        name=person.name.strip(),
        language=person.language,
        account_id=account_id,
        staff_role=staff_role,
        created_at=now,
        sessions_valid_from=now,
    )
    user.set_unusable_password()
    try:
        # A savepoint: the address that another transaction takes first must not break this one.
        with atomic():
            user.save(force_insert=True)
    except IntegrityError as error:
        if not isinstance(error.__cause__, UniqueViolation):
            raise
        raise EmailTaken(email=user.email) from error
    return user


def _record_added(user: User, role: Role | StaffRole, by: Who, now: datetime) -> None:
    log.record(
        by,
        "user_added",
        account_id=user.account_id,
        object_kind="user",
        object_id=user.id,
        at=now,
        after={"email": user.email, "role": role.value},
    )


def _limit_sign_in(address: str, ip: str | None, now: datetime) -> None:
    """Count a try to sign in. Raises TooManyTries."""
    subject = _at(address, ip)
    waits = [
        attempts.take(attempts.SIGN_IN, subject, now),
        attempts.take(attempts.SIGN_IN_PLACE, attempts.place_of(ip), now),
    ]
    # What is refused here already does not use up what all places have together.
    if not any(waits) and not attempts.is_familiar(subject, now):
        waits.append(attempts.take(attempts.SIGN_IN_ADDRESS, address, now))
    wait = max((wait for wait in waits if wait), default=None)
    if wait:
        _log.warning("sign_in_limited ip=%s", ip)
        raise TooManyTries(minutes=attempts.minutes(wait))


def _at(address: str, ip: str | None) -> str:
    return f"{address} {attempts.place_of(ip)}"
