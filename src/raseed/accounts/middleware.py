"""What happens around every page: sessions end in time, pages come in the reader's language, nothing is kept.

Order (settings): PrivatePages around everything that answers, the rest after Django's authentication. Nothing here decides who may do what; that is `access`.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from django.conf import settings
from django.contrib.auth import logout
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest, HttpResponse
from django.utils import timezone, translation

from raseed.accounts.models import User

Answer = Callable[[HttpRequest], HttpResponse]

_NOT_NEEDED: Final = "camera=(), display-capture=(), geolocation=(), microphone=(), midi=(), usb=()"

SIGNED_IN_KEY: Final = "signed_in_at"
SEEN_KEY: Final = "seen_at"
# The session row is written at most this often; a session may idle out this much early, never late.
SEEN_STEP: Final = timedelta(seconds=30)


def begin_session(session: SessionBase, now: datetime) -> None:
    """Start the clocks of a session that somebody has just signed in to."""
    session[SIGNED_IN_KEY] = session[SEEN_KEY] = now.isoformat()


class SessionLimits:
    """Ends a session that idled or lasted too long, or that began before the user's sessions were ended.

    Limits in seconds from settings, tighter for staff (OWASP ASVS 5.0, 7.3.1 and 7.3.2). A disabled user has no session at
    the next request, whatever its age.
    """

    def __init__(self, get_response: Answer) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = request.user
        if isinstance(user, User):
            now = timezone.now()
            session = request.session
            if SIGNED_IN_KEY not in session:
                begin_session(session, now)
            if _is_over(session, user, now):
                logout(request)
            elif now - _moment(session, SEEN_KEY) >= SEEN_STEP:
                session[SEEN_KEY] = now.isoformat()
        return self._get_response(request)


def _is_over(session: SessionBase, user: User, now: datetime) -> bool:
    kind = "staff" if user.staff_role else "user"
    signed_in_at = _moment(session, SIGNED_IN_KEY)
    idle = timedelta(seconds=settings.SESSION_IDLE_S[kind])
    lasting = timedelta(seconds=settings.SESSION_ABSOLUTE_S[kind])
    return (
        not user.is_active
        or signed_in_at < user.sessions_valid_from
        or now - _moment(session, SEEN_KEY) >= idle
        or now - signed_in_at >= lasting
    )


def _moment(session: SessionBase, key: str) -> datetime:
    return datetime.fromisoformat(str(session[key])).astimezone(UTC)


class ReaderLanguage:
    """Shows pages in the language that the user has chosen, unless this browser was told another."""

    def __init__(self, get_response: Answer) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = request.user
        known = dict(settings.LANGUAGES)
        chosen = request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME)
        if isinstance(user, User) and chosen not in known and user.language in known:
            translation.activate(user.language)
            request.LANGUAGE_CODE = user.language
        return self._get_response(request)


class PrivatePages:
    """Keeps every answer out of every cache, and from other sites. Static files are served before this and are not private."""

    def __init__(self, get_response: Answer) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self._get_response(request)
        response.headers["Cache-Control"] = "no-store"
        response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        response.headers["Permissions-Policy"] = _NOT_NEEDED
        return response
