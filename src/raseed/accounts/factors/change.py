"""Adds and removes factors: each act in one transaction with its audit entry, its mail, and the end of other sessions.

The first factor brings a set of recovery codes, shown once; with the last factor the codes go. Who may do it, and that
they have just proved who they are, is `access`'s business.
"""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import IntegrityError
from psycopg.errors import UniqueViolation

from raseed.accounts.factors import codes, held, sealing
from raseed.accounts.factors.errors import (
    AppThere,
    LastFactor,
    NobodyThere,
    PasskeyThere,
    SetupOver,
    WrongCode,
)
from raseed.accounts.factors.models import AuthenticatorApp, Passkey, RecoveryCode
from raseed.accounts.factors.passkeys import NewCredential
from raseed.accounts.models import User
from raseed.accounts.notices import Notice, tell
from raseed.audit import log
from raseed.audit.log import Who
from raseed.db.transactions import atomic

SETUP_FOR: Final = timedelta(minutes=15)
PASSKEYS_MAX: Final = 20


def begin_app(user: User, now: datetime) -> str:
    """A new secret, sealed for `user`, to be carried by the page that shows it. Nothing is stored."""
    return sealing.seal(user.id.bytes + codes.new_secret(), now)


def secret_of(user: User, sealed: str, now: datetime) -> bytes:
    """The secret that a set-up page of this user carries. Raises SetupOver after 15 minutes, or if it is not theirs."""
    try:
        opened = sealing.unseal_young(sealed, SETUP_FOR, now)
    except sealing.Unsealable as error:
        raise SetupOver from error
    if opened[:16] != user.id.bytes:
        raise SetupOver("another person's page")
    return opened[16:]


def add_app(user: User, sealed: str, typed: str, by: Who, now: datetime) -> list[str]:
    """Keep the app whose first code was typed; the recovery codes if this is the first factor, else none.

    Raises SetupOver, WrongCode or AppThere; then nothing has changed.
    """
    secret = secret_of(user, sealed, now)
    step = codes.step_of(secret, typed, now)
    if step is None:
        raise WrongCode
    with atomic():
        _lock(user)
        before = held.of(user.id)
        if before.app is not None:
            raise AppThere
        AuthenticatorApp.objects.create(
            user_id=user.id, sealed_secret=sealing.seal(secret, now), last_step=step, created_at=now
        )
        new = _first_codes(user, before)
        _changed(user, "authenticator_app_added", Notice.APP_ADDED, "", by, now)
    return new


def remove_app(user: User, by: Who, now: datetime) -> None:
    """Remove the authenticator app, if there is one. Raises LastFactor for staff who would have none left."""
    with atomic():
        _lock(user)
        before = held.of(user.id)
        if before.app is None:
            return
        _leave_one(user, before)
        before.app.delete()
        _changed(user, "authenticator_app_removed", Notice.APP_REMOVED, "", by, now)


def add_passkey(user: User, name: str, new: NewCredential, by: Who, now: datetime) -> list[str]:
    """Keep a passkey; the recovery codes if this is the first factor, else none. Raises PasskeyThere."""
    try:
        with atomic():
            _lock(user)
            before = held.of(user.id)
            if len(before.passkeys) >= PASSKEYS_MAX:
                raise PasskeyThere
            Passkey.objects.create(
                user_id=user.id,
                name=name,
                credential_id=new.id,
                credential=new.data,
                signature_count=new.signature_count,
                created_at=now,
            )
            codes_shown = _first_codes(user, before)
            _changed(user, "passkey_added", Notice.PASSKEY_ADDED, name, by, now)
    except IntegrityError as error:
        if not isinstance(error.__cause__, UniqueViolation):
            raise
        raise PasskeyThere from error
    return codes_shown


def rename_passkey(user: User, passkey_id: UUID, name: str, by: Who, now: datetime) -> bool:
    """Give a passkey of the user another name. False if the user has no such passkey."""
    with atomic():
        passkey = Passkey.objects.select_for_update().filter(id=passkey_id, user_id=user.id).first()
        if passkey is None:
            return False
        log.record(
            by,
            "passkey_renamed",
            account_id=user.account_id,
            object_kind="passkey",
            object_id=passkey.id,
            at=now,
            before={"name": passkey.name},
            after={"name": name},
        )
        passkey.name = name
        passkey.save(update_fields=["name"])
    return True


def remove_passkey(user: User, passkey_id: UUID, by: Who, now: datetime) -> bool:
    """Remove a passkey of the user. False if there is none such. Raises LastFactor for staff who would have none left."""
    with atomic():
        _lock(user)
        before = held.of(user.id)
        passkey = next((one for one in before.passkeys if one.id == passkey_id), None)
        if passkey is None:
            return False
        _leave_one(user, before)
        passkey.delete()
        _changed(user, "passkey_removed", Notice.PASSKEY_REMOVED, passkey.name, by, now)
    return True


def renew_codes(user: User, by: Who, now: datetime) -> list[str]:
    """A new set of recovery codes in the place of the old; none for a user without a factor."""
    with atomic():
        _lock(user)
        if not held.has_any(user.id):
            return []
        RecoveryCode.objects.filter(user_id=user.id).delete()
        new = _keep_new_codes(user)
        _changed(user, "recovery_codes_made", Notice.CODES_MADE, "", by, now)
    return new


def reset(email: str, by: Who, now: datetime) -> int:
    """Remove all factors and codes of the user with this address and end their sessions; how many factors there were.

    For a person who has lost them all: they sign in by password next, and staff then have to set up a new factor.
    Raises NobodyThere.
    """
    address = email.strip().lower()
    with atomic():
        user = User.objects.select_for_update().filter(email=address).first()
        if user is None:
            raise NobodyThere(email=address)
        count = held.of(user.id).count
        for table in (AuthenticatorApp, Passkey, RecoveryCode):
            table.objects.filter(user_id=user.id).delete()
        _changed(user, "factors_reset", Notice.FACTORS_RESET, "", by, now)
    return count


def _lock(user: User) -> None:
    """One change of a person's factors at a time, so that two removals cannot leave staff with none."""
    User.objects.select_for_update().get(id=user.id)


def _first_codes(user: User, before: held.Held) -> list[str]:
    return [] if before.count else _keep_new_codes(user)


def _keep_new_codes(user: User) -> list[str]:
    new, salt = codes.new_recovery_codes(), codes.new_salt()
    RecoveryCode.objects.bulk_create(
        RecoveryCode(user_id=user.id, salt=salt, digest=codes.recovery_digest(code, salt)) for code in new
    )
    return new


def _leave_one(user: User, before: held.Held) -> None:
    """Before one factor goes: refuse if it is the last that staff must have; the codes go with the last one."""
    if before.count > 1:
        return
    if held.is_due(user):
        raise LastFactor
    RecoveryCode.objects.filter(user_id=user.id).delete()


def _changed(user: User, act: str, event: Notice, thing: str, by: Who, now: datetime) -> None:
    """The session in which it was done is kept by the door, which starts its clock anew."""
    User.objects.filter(id=user.id).update(sessions_valid_from=now)
    log.record(
        by,
        act,
        account_id=user.account_id,
        object_kind="user",
        object_id=user.id,
        at=now,
        after={"name": thing} if thing else {},
    )
    tell(user, event, now, {"thing": thing} if thing else {})
