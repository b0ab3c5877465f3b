"""Seals what must be readable again and must not lie open in the database: secrets of apps, of webhooks, answers with one.

The keys come from FACTOR_KEYS, apart from the database and from SECRET_KEY; each purpose has keys of its own derived from
them, so that what was sealed for one opens for no other. The first key seals, all of them open: a new one is put in front,
the old one stays until nothing is sealed with it. Never log what is opened here.
"""

from base64 import urlsafe_b64encode
from datetime import datetime, timedelta

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


class Unsealable(ValueError):
    """Sealed with a key that is no longer there, for another purpose, too long ago, or changed since."""


def seal(purpose: bytes, secret: bytes, now: datetime) -> str:
    """The secret, unreadable and unchangeable without the key."""
    return _box(purpose).encrypt_at_time(secret, int(now.timestamp())).decode()


def unseal(purpose: bytes, text: str) -> bytes:
    """The secret again. Raises Unsealable."""
    try:
        return _box(purpose).decrypt(text.encode())
    except InvalidToken as error:
        raise Unsealable from error


def unseal_young(purpose: bytes, text: str, age_max: timedelta, now: datetime) -> bytes:
    """The secret again, if it was sealed at most `age_max` before `now`. Raises Unsealable."""
    try:
        return _box(purpose).decrypt_at_time(
            text.encode(), int(age_max.total_seconds()), int(now.timestamp())
        )
    except InvalidToken as error:
        raise Unsealable from error


def _box(purpose: bytes) -> MultiFernet:
    return MultiFernet([Fernet(_key(purpose, text)) for text in settings.FACTOR_KEYS])


def _key(purpose: bytes, text: str) -> bytes:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(text.encode())
    return urlsafe_b64encode(derived)
