"""Seals the secrets of authenticator apps: they must be readable to check a code, so they cannot be hashed.

Never log what is opened here.
"""

from datetime import datetime, timedelta
from typing import Final

from raseed.accounts import sealed
from raseed.accounts.sealed import Unsealable

__all__ = ["Unsealable", "seal", "unseal", "unseal_young"]

_PURPOSE: Final = b"raseed.accounts.factors"


def seal(secret: bytes, now: datetime) -> str:
    """The secret, unreadable and unchangeable without the key."""
    return sealed.seal(_PURPOSE, secret, now)


def unseal(text: str) -> bytes:
    """The secret again. Raises Unsealable."""
    return sealed.unseal(_PURPOSE, text)


def unseal_young(text: str, age_max: timedelta, now: datetime) -> bytes:
    """The secret again, if it was sealed at most `age_max` before `now`. Raises Unsealable."""
    return sealed.unseal_young(_PURPOSE, text, age_max, now)
