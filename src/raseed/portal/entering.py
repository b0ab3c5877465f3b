"""What every way in ends with: the session belongs to the person, under a new id, and they go where they wanted.

Whoever calls `enter` has checked who it is.
"""

from datetime import datetime

from django.contrib.auth import login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from raseed.accounts import proof
from raseed.accounts.access import actor_of, is_local, landing
from raseed.accounts.factors import waiting
from raseed.accounts.middleware import begin_session
from raseed.accounts.models import User


def enter(request: HttpRequest, user: User, now: datetime) -> None:
    """Give the session to `user`, with a new id, its clocks started, and a fresh proof."""
    waiting.end(request.session)
    # Proved by our own rules; the backend only says how Django finds the user again.
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    begin_session(request.session, now)
    proof.prove(request.session, now)


def go_on(request: HttpRequest, after: str) -> HttpResponse:
    """To `after`, if it is a page of ours, else to where the person starts."""
    if is_local(request, after):
        return redirect(after)
    actor = actor_of(request)
    if actor is None:
        # The account is closed, or the role was taken away: there is no page to go to.
        raise PermissionDenied
    return redirect(landing(actor))
