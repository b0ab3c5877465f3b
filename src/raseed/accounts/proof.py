"""When a session last proved who is at it, and whether that is recent enough for an act that needs it fresh.

A proof is a whole sign-in, or the page that asks again. The session alone carries it: a new session has none. Nothing
here looks at passwords or codes; `access` asks, and names the actions that need it.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

from django.contrib.sessions.backends.base import SessionBase

PROVED_KEY: Final = "proved_at"
# OWASP ASVS 5.0, 7.5.1 and 7.5.3, with the bound that we set ourselves.
FRESH_FOR: Final = timedelta(minutes=5)


def prove(session: SessionBase, now: datetime) -> None:
    """Note that the person at this session has just proved who they are."""
    session[PROVED_KEY] = now.isoformat()


def is_fresh(session: SessionBase, now: datetime) -> bool:
    """Whether the last proof of this session is at most five minutes old."""
    proved_at = session.get(PROVED_KEY)
    if not isinstance(proved_at, str):
        return False
    return now - datetime.fromisoformat(proved_at).astimezone(UTC) <= FRESH_FOR
