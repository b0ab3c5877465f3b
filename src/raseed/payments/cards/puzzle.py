"""A small sum that a browser has to do before a new card is tried, when there is reason: it slows lists of cards down.

The seed is made from the form's key and the hour, so nothing is kept. A form's key is good for one payment or setup, and so
is its solution. The page's own script finds it in about a second (portal/static/portal/puzzle.js speaks the same rule).
"""

import hashlib
import re
from datetime import datetime, timedelta
from uuid import UUID

from django.utils.crypto import salted_hmac

_WINDOW = timedelta(hours=1)


def seed(client_key: UUID, now: datetime) -> str:
    """What the browser's sum begins with, for a form drawn now."""
    return _seed(client_key, _window(now))


def is_solved(client_key: UUID, solution: str, bits: int, now: datetime) -> bool:
    """Whether SHA-256 of `seed:number` begins with `bits` zero bits, for a form of this hour or the one before.

    `solution` is the number as the form brought it; "" where nothing was solved.
    """
    if not re.fullmatch(r"[0-9]{1,12}", solution, re.ASCII):
        return False
    return any(
        is_answer(_seed(client_key, window), int(solution), bits)
        for window in (_window(now), _window(now - _WINDOW))
    )


def is_answer(seed_text: str, number: int, bits: int) -> bool:
    """The rule of the sum."""
    digest = hashlib.sha256(f"{seed_text}:{number}".encode()).digest()
    return int.from_bytes(digest, "big") >> (256 - bits) == 0


def _window(at: datetime) -> int:
    return int(at.timestamp() // _WINDOW.total_seconds())


def _seed(client_key: UUID, window: int) -> str:
    return salted_hmac("raseed.cards.puzzle", f"{client_key}:{window}", algorithm="sha256").hexdigest()[:24]
