"""One-time links: to choose a first password (72 hours), to set a new one (1 hour), to confirm a new address (1 hour).

A link about a password is signed over the user's present password and last sign-in, so that using it, or signing in,
ends it. One about an address is signed over both addresses, the password and the moment since which sessions hold, so
that using it, or any other change to the sign-in, ends it. Nothing is stored. Links are made when they are sent and must
never stand in a job, a log or the audit log.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from django.conf import settings
from django.urls import reverse
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.encoding import force_bytes, force_str
from django.utils.http import base36_to_int, int_to_base36, urlsafe_base64_decode, urlsafe_base64_encode

from raseed.accounts.models import User


class Purpose(StrEnum):
    """What a link is for. A token of one purpose is worth nothing for the other."""

    INVITATION = "invitation"
    RESET = "reset"
    EMAIL_CHANGE = "email_change"


LIFETIMES: Final = {
    Purpose.INVITATION: timedelta(hours=72),
    Purpose.RESET: timedelta(hours=1),
    Purpose.EMAIL_CHANGE: timedelta(hours=1),
}


@dataclass(frozen=True, slots=True)
class OneTimeLink:
    """An absolute address that works once, and until when (UTC)."""

    url: str
    purpose: Purpose
    until: datetime


def make(user: User, now: datetime) -> OneTimeLink:
    """The link for `user`, who has a password to reset or has still to choose the first. For the moment of sending."""
    purpose = _purpose(user)
    key = urlsafe_base64_encode(force_bytes(str(user.pk)))
    token = _token(user, purpose, _seconds(now))
    path = reverse("portal:password_set", kwargs={"uidb64": key, "token": token})
    return OneTimeLink(f"{settings.PUBLIC_URL}{path}", purpose, now + LIFETIMES[purpose])


def make_email_change(user: User, address: str, now: datetime) -> OneTimeLink:
    """The link by which `user`, signed in, makes `address` the one to sign in with. For the moment of sending."""
    made_s = _seconds(now)
    named = urlsafe_base64_encode(force_bytes(address))
    token = f"{int_to_base36(made_s)}.{named}.{_email_signature(user, address, made_s)}"
    path = reverse("portal:email_confirm", kwargs={"token": token})
    lifetime = LIFETIMES[Purpose.EMAIL_CHANGE]
    return OneTimeLink(f"{settings.PUBLIC_URL}{path}", Purpose.EMAIL_CHANGE, now + lifetime)


def new_email_of(user: User, token: str, now: datetime) -> str | None:
    """The address that the link lets `user` sign in with; None if it is forged, was used, is too old, or is not theirs."""
    stamp, _, rest = token.partition(".")
    named, _, signature = rest.partition(".")
    try:
        made_s, address = base36_to_int(stamp), force_str(urlsafe_base64_decode(named))
    except ValueError:
        return None
    fits = constant_time_compare(_email_signature(user, address, made_s), signature)
    return address if fits and _is_fresh(Purpose.EMAIL_CHANGE, made_s, now) else None


def user_id_of(key: str) -> UUID | None:
    """Whom a link names, by its first part; None if it names nobody. Proves nothing."""
    try:
        return UUID(force_str(urlsafe_base64_decode(key)))
    except ValueError:
        return None


def purpose_of(user: User, token: str, now: datetime) -> Purpose | None:
    """What the link lets `user` do; None if it is forged, was used, is too old, or the user is disabled."""
    if not user.is_active:
        return None
    stamp, _, _ = token.partition("-")
    try:
        made_s = base36_to_int(stamp)
    except ValueError:
        return None
    purpose = _purpose(user)
    fits = constant_time_compare(_token(user, purpose, made_s), token)
    return purpose if fits and _is_fresh(purpose, made_s, now) else None


def _purpose(user: User) -> Purpose:
    return Purpose.RESET if user.has_usable_password() else Purpose.INVITATION


def _token(user: User, purpose: Purpose, made_s: int) -> str:
    state = (str(user.pk), user.email, user.password, str(user.last_login), str(made_s))
    return f"{int_to_base36(made_s)}-{_signature(purpose, state)}"


def _email_signature(user: User, address: str, made_s: int) -> str:
    since = user.sessions_valid_from.isoformat()
    return _signature(
        Purpose.EMAIL_CHANGE, (str(user.pk), user.email, address, user.password, since, str(made_s))
    )


def _signature(purpose: Purpose, state: tuple[str, ...]) -> str:
    # The lengths keep two neighbours from running into one another.
    value = "".join(f"{len(part)}:{part}" for part in state)
    return salted_hmac(f"raseed.accounts.links.{purpose}", value, algorithm="sha256").hexdigest()


def _is_fresh(purpose: Purpose, made_s: int, now: datetime) -> bool:
    return 0 <= _seconds(now) - made_s <= LIFETIMES[purpose].total_seconds()


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
