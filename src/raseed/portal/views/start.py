"""Where people begin, and what a browser remembers: language and theme."""

from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from raseed.accounts.access import (
    Action,
    ActorRequest,
    actor_of,
    is_local,
    landing,
    public,
    requires,
)
from raseed.accounts.models import User
from raseed.portal.context import THEME_COOKIE, THEMES
from raseed.portal.people_reading import home_page
from raseed.portal.rendering import page

YEAR_S = 365 * 24 * 60 * 60


@public
@require_safe
def start(request: HttpRequest) -> HttpResponse:
    """Send everybody to where they begin."""
    actor = actor_of(request)
    return redirect(landing(actor) if actor else "portal:login")


@requires(Action.SEE_HOME)
@require_safe
def home(request: ActorRequest) -> HttpResponse:
    """Say whether the service runs; to Admins what the balance is, to others whom to ask; and where one can go."""
    return page(request, "portal/home.html", {"home": home_page(request.actor, timezone.now())})


@public
@require_POST
def set_language(request: HttpRequest) -> HttpResponse:
    """Remember the language, with the person if one is signed in, and go back to the page."""
    chosen = request.POST.get("language", "")
    response = _back(request)
    if chosen in dict(settings.LANGUAGES):
        remember_language(response, chosen)
        if isinstance(request.user, User):
            User.objects.filter(id=request.user.id).update(language=chosen)
    return response


@public
@require_POST
def set_theme(request: HttpRequest) -> HttpResponse:
    """Remember light, dark or the device's own in this browser, and go back to the page."""
    chosen = request.POST.get("theme", "")
    response = _back(request)
    if chosen in THEMES:
        _remember(response, THEME_COOKIE, chosen)
    return response


def remember_language(response: HttpResponse, language: str) -> None:
    """Let this browser show its pages in `language`, one of the known ones, from now on."""
    _remember(response, settings.LANGUAGE_COOKIE_NAME, language)


def _back(request: HttpRequest) -> HttpResponse:
    came = urlsplit(request.headers.get("Referer", ""))
    target = f"{came.path}?{came.query}" if came.query else came.path
    is_ours = came.netloc == request.get_host() and is_local(request, target)
    return HttpResponseRedirect(target if is_ours else "/")


def _remember(response: HttpResponse, name: str, value: str) -> None:
    response.set_cookie(
        name, value, max_age=YEAR_S, httponly=True, samesite="Lax", secure=settings.SESSION_COOKIE_SECURE
    )
