"""Keys of the API: make, revoke, and find out who calls. A key is shown once; what is kept of it opens nothing.

A key has 256 random bits, so that a plain SHA-256 of it cannot be guessed from and no salt or slow hash is needed. Each
request asks the database, so that a revoked key is dead at the next one. Nothing here may log a key.

A key is reckoned from the form's own random token, which is kept nowhere, and SECRET_KEY: the same form sent twice names the
same key, which the unique digest lets be made once, and both answers show it. A browser shows the second one only.
"""

import base64
import hashlib
import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from django.db import IntegrityError
from django.db.models import Q, QuerySet
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

from raseed.accounts.models import Account, ApiKey, KeyAccess, Membership, Role, StaffRole, User
from raseed.accounts.notices import Notice, tell
from raseed.audit import log
from raseed.audit.log import Who
from raseed.db.transactions import atomic
from raseed.errors import RaseedError

PREFIX: Final = "rsd_"
SECRET_BYTES: Final = 32
KEYS_MAX: Final = 50
# A second press comes within seconds; later the page of a key shows it to nobody.
SHOWN_AGAIN_FOR: Final = timedelta(minutes=1)
USED_STEP: Final = timedelta(minutes=1)
_KEY: Final = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}")


class TooManyKeys(RaseedError):
    """The owner has as many working keys as one may have."""

    code = "api_keys_too_many"
    status = 409
    message = _("There are %(limit)s keys already. Revoke one that is not used any more first.")


class FormSpent(RaseedError):
    """The form has made its key before, and this is not its second press."""

    code = "api_key_form_spent"
    status = 409
    message = _("This form has made its key already. Open the form anew to make another one.")


class KeyState(StrEnum):
    """Whether a key opens anything."""

    WORKING = "working"
    EXPIRED = "expired"
    REVOKED = "revoked"


def new_token() -> str:
    """What a form carries so that it makes one key however often it is sent: 256 random bits."""
    return secrets.token_urlsafe(SECRET_BYTES)


@dataclass(frozen=True, slots=True)
class NewKey:
    """What was asked for: `lifetime` None is a key that does not expire. `token` was made when the form was drawn."""

    name: str
    access: KeyAccess
    lifetime: timedelta | None
    token: str = field(default_factory=new_token, repr=False)


@dataclass(frozen=True, slots=True)
class Made:
    """A key just made, with its `secret`: shown now and known to nobody afterwards."""

    key: ApiKey
    secret: str


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls the API. `account_id` None: the operator, for all accounts."""

    key_id: UUID
    account_id: UUID | None
    may_write: bool

    def may_see(self, account_id: UUID) -> bool:
        """Whether the account is within the key's scope."""
        return self.account_id is None or self.account_id == account_id


def make(account_id: UUID | None, asked: NewKey, by: Who, now: datetime) -> Made:
    """Make a key for one account, or (None) for the whole operator; audited, and told by mail.

    The same form sent again by the same person within SHOWN_AGAIN_FOR gives the same key. Raises TooManyKeys and
    FormSpent; then nothing changed.
    """
    if by.user_id is None:
        raise ValueError("a key is made by a person")
    secret = _secret(account_id, asked, by.user_id)
    earlier = _earlier(secret, asked, now)
    if earlier is not None:
        return Made(earlier, secret)
    key = ApiKey(
        account_id=account_id,
        name=asked.name,
        access=asked.access.value,
        hint=f"{PREFIX}…{secret[-4:]}",
        digest=_digest(secret),
        created_by=by.user_id,
        created_at=now,
        expires_at=now + asked.lifetime if asked.lifetime else None,
    )
    try:
        with atomic():
            # Without its own: a second press that comes between must not be told that there is no room for it.
            if working(account_id, now).exclude(digest=key.digest).count() >= KEYS_MAX:
                raise TooManyKeys(limit=KEYS_MAX)
            key.save(force_insert=True)
            _record(key, "api_key_made", by, now)
            _tell(key, Notice.API_KEY_MADE, now)
    except IntegrityError:
        earlier = _earlier(secret, asked, now)
        if earlier is None:
            raise
        return Made(earlier, secret)
    return Made(key, secret)


def _secret(account_id: UUID | None, asked: NewKey, user_id: UUID) -> str:
    """The key of a form: nobody else's form, and no other account's, gives the same one."""
    mixed = salted_hmac(
        "raseed.accounts.api_keys", f"{account_id}:{user_id}:{asked.token}", algorithm="sha256"
    )
    return PREFIX + base64.urlsafe_b64encode(mixed.digest()).rstrip(b"=").decode()


def _earlier(secret: str, asked: NewKey, now: datetime) -> ApiKey | None:
    """The key that this form has made, to be shown again. Raises FormSpent if it is too late, or for something else."""
    key = ApiKey.objects.filter(digest=_digest(secret)).first()
    if key is None:
        return None
    is_same = (key.name, key.access) == (asked.name, asked.access.value)
    if not is_same or now - key.created_at > SHOWN_AGAIN_FOR or state_of(key, now) is not KeyState.WORKING:
        raise FormSpent(f"key {key.id}")
    return key


def revoke(key: ApiKey, by: Who, now: datetime) -> bool:
    """End a key at once; False if it was revoked before."""
    with atomic():
        if not ApiKey.objects.filter(id=key.id, revoked_at__isnull=True).update(revoked_at=now):
            return False
        _record(key, "api_key_revoked", by, now)
        _tell(key, Notice.API_KEY_REVOKED, now)
    return True


def keys_of(account_id: UUID | None) -> list[ApiKey]:
    """All keys of an account, or (None) of the operator, newest first, dead ones too."""
    return list(ApiKey.objects.filter(_owned(account_id)).order_by("-created_at", "-id")[: 4 * KEYS_MAX])


def state_of(key: ApiKey, now: datetime) -> KeyState:
    """Whether it opens anything at `now`."""
    if key.revoked_at is not None:
        return KeyState.REVOKED
    return KeyState.EXPIRED if key.expires_at is not None and key.expires_at <= now else KeyState.WORKING


def working(account_id: UUID | None, now: datetime) -> QuerySet[ApiKey]:
    """The keys that open something at `now`."""
    alive = Q(expires_at__isnull=True) | Q(expires_at__gt=now)
    return ApiKey.objects.filter(_owned(account_id), alive, revoked_at__isnull=True)


def caller_of(secret: str, now: datetime) -> Caller | None:
    """Who calls with this key; None if it is none, expired, revoked, or of a closed account. Notes the use, once a minute."""
    if not _KEY.fullmatch(secret):
        return None
    key = ApiKey.objects.filter(digest=_digest(secret)).first()
    if key is None or state_of(key, now) is not KeyState.WORKING:
        return None
    if key.account_id is not None and not _is_open(key.account_id):
        return None
    if key.last_used_at is None or key.last_used_at <= now - USED_STEP:
        ApiKey.objects.filter(
            Q(last_used_at__isnull=True) | Q(last_used_at__lte=now - USED_STEP), id=key.id
        ).update(last_used_at=now)
    return Caller(key.id, key.account_id, may_write=key.access == KeyAccess.FULL)


def holds_key(text: str) -> bool:
    """Whether a key stands in the text, which is then no secret any more."""
    return _KEY.search(text) is not None


def _is_open(account_id: UUID) -> bool:
    return Account.objects.filter(id=account_id, closed_at__isnull=True).exists()


def _owned(account_id: UUID | None) -> Q:
    return Q(account_id__isnull=True) if account_id is None else Q(account_id=account_id)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _record(key: ApiKey, action: str, by: Who, now: datetime) -> None:
    log.record(
        by,
        action,
        account_id=key.account_id,
        object_kind="api_key",
        object_id=key.id,
        at=now,
        after={"name": key.name, "access": key.access, "hint": key.hint},
    )


def _tell(key: ApiKey, notice: Notice, now: datetime) -> None:
    """The account's Admins hear of it; of the operator's own keys, those of finance."""
    if key.account_id is None:
        people = User.objects.filter(staff_role=StaffRole.FINANCE, is_active=True)
    else:
        admins = Membership.objects.filter(account_id=key.account_id, role=Role.ADMIN, is_active=True)
        people = User.objects.filter(id__in=list(admins.values_list("user_id", flat=True)), is_active=True)
    for person in people.order_by("id"):
        tell(person, notice, now, {"thing": key.name})
