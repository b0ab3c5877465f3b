"""Seals the secrets of authenticator apps: they must be readable to check a code, so they cannot be hashed.

The keys come from FACTOR_KEYS, apart from the database and from SECRET_KEY. The first seals, all of them open: a new key is
put in front, the old one stays until nothing is sealed with it. Never log what is opened here.
"""

from base64 import urlsafe_b64encode
from datetime import datetime, timedelta

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

_PURPOSE = b"raseed.accounts.factors"


class Unsealable(ValueError):
    """Sealed with a key that is no longer there, for another purpose, too long ago, or changed since."""


def seal(secret: bytes, now: datetime) -> str:
    """The secret, unreadable and unchangeable without the key."""
    return _box().encrypt_at_time(secret, int(now.timestamp())).decode()


def unseal(sealed: str) -> bytes:
    """The secret again. Raises Unsealable."""
    try:
        return _box().decrypt(sealed.encode())
    except InvalidToken as error:
        raise Unsealable from error


def unseal_young(sealed: str, age_max: timedelta, now: datetime) -> bytes:
    """The secret again, if it was sealed at most `age_max` before `now`. Raises Unsealable."""
    try:
        return _box().decrypt_at_time(sealed.encode(), int(age_max.total_seconds()), int(now.timestamp()))
    except InvalidToken as error:
        raise Unsealable from error


def _box() -> MultiFernet:
    return MultiFernet([Fernet(_key(text)) for text in settings.FACTOR_KEYS])


def _key(text: str) -> bytes:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE).derive(text.encode())
    return urlsafe_b64encode(derived)
