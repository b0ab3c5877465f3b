"""The page for a fault on our side: 503 where the database cannot serve now, 500 where we made a mistake.

Both are drawn from plain files in both languages: with no database there is no session, no person and no frame. It
must never ask the database for anything.
"""

import sys
from http import HTTPStatus

from django.contrib.sessions.exceptions import SessionInterrupted
from django.http import HttpRequest, HttpResponse
from django.template.loader import get_template
from django.views import defaults

from raseed.db.away import is_away

RETRY_AFTER_S = 5


def server_error(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 - Django's handler500
    """Answer for the exception that is being handled."""
    error = sys.exc_info()[1]
    if error is not None and is_away(error):
        return _come_again()
    return HttpResponse(get_template("500.html").render(), status=HTTPStatus.INTERNAL_SERVER_ERROR)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer for a request that cannot be read, which is the sender's fault unless the database went away.

    Django takes any error at saving a session for one that somebody has ended meanwhile.
    """
    if isinstance(exception, SessionInterrupted) and is_away(exception):
        return _come_again()
    return defaults.bad_request(request, exception)


def _come_again() -> HttpResponse:
    return HttpResponse(
        get_template("503.html").render(),
        status=HTTPStatus.SERVICE_UNAVAILABLE,
        headers={"Retry-After": str(RETRY_AFTER_S)},
    )
