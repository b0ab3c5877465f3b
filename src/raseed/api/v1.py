"""The API of version 1, under /api/v1/: its endpoints, its errors, and the one wrapper around each of its views.

Here alone it is said that these views need no CSRF token: no cookie opens them (`WithoutCookies` takes them away), a key
in a header does, which no other site's page can send. A route has the word `ByKey.API_KEY` in `accounts.access.ROUTES`.
"""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any, Final, cast

from django.db import DatabaseError, InterfaceError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.urls import URLPattern, path
from django.views.decorators.csrf import csrf_exempt
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

from raseed.accounts.access import ByKey, public
from raseed.accounts.api_keys import holds_key
from raseed.api import accounts, webhook_endpoints
from raseed.api.problems import (
    BodyTooLong,
    CannotNow,
    FieldError,
    Invalid,
    KeyInUrl,
    MethodNotTaken,
    NotAuthorized,
    NothingThere,
    OurFault,
    Unreadable,
    problem,
)
from raseed.db.away import is_away
from raseed.errors import RaseedError

logger = logging.getLogger(__name__)

ADDRESSES: Final = "/api/v1/"
BODY_BYTES_MAX: Final = 64 * 1024
# Names under which people put keys behind the question mark.
KEY_NAMES: Final = frozenset({"api_key", "apikey", "key", "access_token", "token", "authorization"})
View = Callable[..., HttpResponseBase]

service = NinjaAPI(
    title="Raseed API",
    version="1",
    description="Accounts, balances and payments, and the webhooks that tell of them. Amounts are decimal strings.",
    urls_namespace="api:v1",
    docs_url=None,
)
service.add_router("/accounts", accounts.router)
service.add_router("/webhook-endpoints", webhook_endpoints.endpoint_router)
service.add_router("/webhook-deliveries", webhook_endpoints.delivery_router)


class WithoutCookies:
    """Takes the cookies off a request to the API, so that a session can neither open it nor be kept alive by it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith(ADDRESSES):
            request.META.pop("HTTP_COOKIE", None)
        return self._get_response(request)


def _refuse(_request: HttpRequest, error: Any) -> HttpResponse:
    """The problem for what an endpoint, or Ninja before it, has raised."""
    match error:
        case RaseedError():
            return problem(error)
        case AuthenticationError():
            return problem(NotAuthorized())
        case ValidationError():
            return problem(Invalid(), [_field_error(one) for one in error.errors])
        case Http404():
            return problem(NothingThere())
        case _:
            # The one error of Ninja's own that is left: a body that it cannot read.
            return problem(Unreadable(str(error)))


def _field_error(error: dict[str, Any]) -> FieldError:
    """A field by its name as it was sent: without `body` or `query`, and without the endpoint's own parameter."""
    place = [str(part) for part in error["loc"][1:]]
    is_wrapped = len(place) > 1 and error["loc"][0] == "body"
    return FieldError(".".join(place[1:] if is_wrapped else place), error["type"], error["msg"])


for kind in (RaseedError, AuthenticationError, ValidationError, Http404, HttpError):
    service.add_exception_handler(kind, _refuse)


def _door(view: View) -> View:
    """Around every view: no key in the address, no endless body, and a problem for whatever goes wrong."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if _names_a_key(request):
            return problem(KeyInUrl())
        length = request.headers.get("Content-Length") or "0"
        if not length.isdecimal() or int(length) > BODY_BYTES_MAX:
            return problem(BodyTooLong())
        try:
            answer = view(request, *args, **kwargs)
        except (DatabaseError, InterfaceError) as error:
            logger.exception("the API cannot answer %s", request.path_info)
            return problem(CannotNow() if is_away(error) else OurFault())
        except Exception:
            logger.exception("the API cannot answer %s", request.path_info)
            return problem(OurFault())
        if answer.status_code == MethodNotTaken.status:
            refusal = problem(MethodNotTaken())
            refusal.headers["Allow"] = answer.headers["Allow"]
            return refusal
        return answer

    return csrf_exempt(guarded)


def _names_a_key(request: HttpRequest) -> bool:
    query = request.META.get("QUERY_STRING", "")
    return holds_key(query) or any(name.lower() in KEY_NAMES for name in request.GET)


@public
def nothing(_request: HttpRequest, rest: str = "") -> HttpResponse:  # noqa: ARG001 - the address
    """404: no such address in this API."""
    return problem(NothingThere())


def _routes() -> list[URLPattern]:
    """Ninja's own routes, each within the door, and an answer of the API's kind for every other address under it."""
    found = []
    for pattern in cast("list[URLPattern]", service.urls[0]):
        if pattern.name == "api-root":
            # Where OpenAPI says the API begins. It answers like any address at which nothing is.
            found.append(path("", _door(nothing), name="api-root"))
            continue
        view = _door(pattern.callback)
        cast("Any", view).access = ByKey.API_KEY
        if pattern.name == "openapi-json":
            view = public(view)
        found.append(URLPattern(pattern.pattern, view, name=pattern.name))
    found.append(path("<path:rest>", _door(nothing), name="nothing"))
    return found


urlpatterns = _routes()
