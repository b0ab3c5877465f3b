"""Checks a factor, at sign-in or when a fresh proof is asked for: takes what is single use, and writes the act down.

Taking a code and writing down what it was for are one transaction. A try is counted before it is looked at, outside it.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum
from math import ceil
from typing import Final

from django.db.models import Q

from raseed.accounts import attempts
from raseed.accounts.factors import codes, sealing
from raseed.accounts.factors.errors import (
    PasskeyRefused,
    TooManyCodes,
    WrongCode,
    WrongPassword,
    WrongRecoveryCode,
)
from raseed.accounts.factors.models import AuthenticatorApp, Passkey, RecoveryCode
from raseed.accounts.factors.passkeys import Assertion
from raseed.accounts.models import User
from raseed.accounts.notices import Notice, tell
from raseed.audit import log
from raseed.audit.log import Who
from raseed.db.transactions import atomic

_log = logging.getLogger(__name__)

SELF_ROLE: Final = "self"


class Act(StrEnum):
    """What a proof is for; the audit log's word."""

    SIGN_IN = "signed_in"
    CONFIRM = "identity_confirmed"


def by_app(user: User, typed: str, act: Act, ip: str | None, now: datetime) -> None:
    """Take a code of the user's authenticator app, once. Raises WrongCode, or TooManyCodes without looking."""
    _counted(user, lambda: _take_app_code(user, typed, now), WrongCode, act, "authenticator_app", ip, now)


def by_recovery_code(user: User, typed: str, act: Act, ip: str | None, now: datetime) -> None:
    """Take a recovery code, once, and tell the user by mail. Raises WrongRecoveryCode, or TooManyCodes without looking."""
    _counted(
        user, lambda: _take_recovery_code(user, typed, now), WrongRecoveryCode, act, "recovery_code", ip, now
    )


def by_password(user: User, typed: str, ip: str | None, now: datetime) -> None:
    """Confirm who is signed in by the password. Raises WrongPassword, or TooManyCodes without looking."""
    _counted(user, lambda: user.check_password(typed), WrongPassword, Act.CONFIRM, "password", ip, now)


def by_passkey(user: User, assertion: Assertion, act: Act, ip: str | None, now: datetime) -> None:
    """Note what a proved passkey has counted. Raises PasskeyRefused if it is not the user's, or its count went back."""
    passkey, count = assertion.passkey, assertion.signature_count
    if passkey.user_id != user.id or not user.is_active:
        raise PasskeyRefused("not this person's")
    never_counts = Q(signature_count=0) if count == 0 else Q(pk__in=[])
    with atomic():
        kept = Passkey.objects.filter(Q(signature_count__lt=count) | never_counts, id=passkey.id)
        if not kept.update(signature_count=count, last_used_at=now):
            _log.warning("passkey_count_went_back user=%s passkey=%s", user.id, passkey.id)
            raise PasskeyRefused("its count went back")
        _record(user, act, "passkey", ip, now)


def _counted(
    user: User,
    fits: Callable[[], bool],
    wrong: type[WrongCode | WrongRecoveryCode | WrongPassword],
    act: Act,
    by: str,
    ip: str | None,
    now: datetime,
) -> None:
    subject = str(user.id)
    limits = (attempts.PROOF, attempts.PROOF_DAY)
    wait = max((wait for limit in limits if (wait := attempts.take(limit, subject, now))), default=None)
    if wait:
        _log.warning("proof_limited user=%s by=%s ip=%s", user.id, by, ip)
        raise TooManyCodes(minutes=_minutes(wait))
    with atomic():
        is_right = fits()
        if is_right:
            _record(user, act, by, ip, now)
    if not is_right:
        _log.warning("proof_refused user=%s by=%s ip=%s", user.id, by, ip)
        raise wrong
    for limit in limits:
        attempts.forget(limit, subject)


def _take_app_code(user: User, typed: str, now: datetime) -> bool:
    app = AuthenticatorApp.objects.filter(user_id=user.id).first()
    if app is None:
        return False
    try:
        secret = sealing.unseal(app.sealed_secret)
    except sealing.Unsealable:
        _log.exception("factor_key_missing user=%s: FACTOR_KEYS no longer holds the key", user.id)
        return False
    step = codes.step_of(secret, typed, now)
    if step is None:
        return False
    # The one statement that makes a code single use, whoever else sends it at this moment.
    unused = AuthenticatorApp.objects.filter(user_id=user.id, last_step__lt=step)
    return unused.update(last_step=step) == 1


def _take_recovery_code(user: User, typed: str, now: datetime) -> bool:
    unused = RecoveryCode.objects.filter(user_id=user.id, used_at__isnull=True)
    one = unused.first()
    if one is None:
        return False
    digest = codes.recovery_digest(typed, bytes(one.salt))
    if not unused.filter(digest=digest).update(used_at=now):
        return False
    tell(user, Notice.CODE_USED, now)
    return True


def _record(user: User, act: Act, by: str, ip: str | None, now: datetime) -> None:
    log.record(
        Who(user.id, SELF_ROLE, ip),
        act,
        account_id=user.account_id,
        object_kind="user",
        object_id=user.id,
        at=now,
        after={"by": by},
    )


def _minutes(wait: timedelta) -> int:
    return max(1, ceil(wait.total_seconds() / 60))
