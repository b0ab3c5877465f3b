"""The moment between password and second factor: who is expected, kept in a session that is nobody's yet.

It is worth ten minutes, and nothing once the password has changed. Such a session opens no page.
"""

from datetime import datetime, timedelta
from typing import Final

from django.contrib.sessions.backends.base import SessionBase
from django.utils.crypto import constant_time_compare

from raseed.accounts.models import User

_KEY: Final = "second_factor"
WAITS_FOR: Final = timedelta(minutes=10)


def begin(session: SessionBase, user: User, after: str, now: datetime) -> None:
    """Expect the second factor of `user`, whose password was right; `after` is where to go then. A new session id."""
    session.flush()
    session[_KEY] = {
        "user_id": str(user.id),
        "password": user.get_session_auth_hash(),
        "at": now.isoformat(),
        "after": after,
    }


def expected(session: SessionBase, now: datetime) -> tuple[User, str] | None:
    """Who is expected and where to go after it; None if nobody is, or no more."""
    kept = session.get(_KEY)
    if kept is None or now - datetime.fromisoformat(kept["at"]) > WAITS_FOR:
        return None
    user = User.objects.filter(id=kept["user_id"], is_active=True).first()
    if user is None or not constant_time_compare(user.get_session_auth_hash(), kept["password"]):
        return None
    return user, kept["after"]


def end(session: SessionBase) -> None:
    """Expect nobody any more."""
    session.pop(_KEY, None)
