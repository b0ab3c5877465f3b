"""Gives every template its frame: who is signed in, where they are and where they may go. It decides nothing itself."""

from django.conf import settings
from django.http import HttpRequest

from raseed.accounts.access import ROUTES, Actor, Public, actor_of
from raseed.portal import navigation
from raseed.portal.pages import Frame

THEMES = ("light", "dark", "auto")
THEME_COOKIE = "theme"


def theme_of(request: HttpRequest) -> str:
    """The theme that this browser chose; the device's own until it has."""
    chosen = request.COOKIES.get(THEME_COOKIE, "")
    return chosen if chosen in THEMES else "auto"


def frame(request: HttpRequest) -> dict[str, Frame]:
    """Django's context processor: `frame` for every template."""
    actor = _actor(request)
    here = request.resolver_match.view_name if request.resolver_match else ""
    if actor is None:
        menu = navigation.links(navigation.SIDE, here, _open_to_all)
        return {"frame": Frame(theme=theme_of(request), menu=menu, demo=_is_demo())}

    def may_open(route: str) -> bool:
        return actor.may_open(route) and _is_there(route)

    side = navigation.STAFF_SIDE if actor.user.staff_role else navigation.SIDE
    return {
        "frame": Frame(
            theme=theme_of(request),
            person=actor.user.name,
            email=actor.user.email,
            organization=actor.account.name if actor.account else "",
            menu=navigation.links(side, here, may_open),
            crumbs=navigation.crumbs(here, may_open),
            tabs=navigation.tabs(here, may_open),
            person_menu=navigation.links(navigation.PERSON, here, may_open),
            demo=_is_demo(),
        )
    }


def _actor(request: HttpRequest) -> Actor | None:
    """Who asks, as the guard of the view found out; pages without a guard look for themselves."""
    known = getattr(request, "actor", None)
    if isinstance(known, Actor):
        return known
    # An error page may be drawn before anybody was asked who they are.
    return actor_of(request) if hasattr(request, "user") else None


def _is_there(route: str) -> bool:
    """Whether the page exists here: the mailbox does in the demo only."""
    return route != "portal:mailbox" or _is_demo()


def _open_to_all(route: str) -> bool:
    return ROUTES.get(route) is Public.EVERYBODY and _is_there(route)


def _is_demo() -> bool:
    return settings.MAILBOX_DIR is not None
