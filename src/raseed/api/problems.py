"""Errors of the API as problem details (RFC 9457): a stable code for programs, a sentence for people, the fields at fault.

A problem never says more than its caller may know: who has no key, or one of another account, learns nothing.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import timedelta
from http import HTTPStatus
from math import ceil
from typing import Final

from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _

from raseed.errors import RaseedError

CONTENT_TYPE: Final = "application/problem+json"


class NotAuthorized(RaseedError):
    """No key, or none that opens anything now: which of it is not said."""

    code = "unauthorized"
    status = 401
    message = _("Send a valid API key as Authorization: Bearer. Nothing was done.")


class KeyInUrl(RaseedError):
    """A key stands in the address, where logs and proxies keep it."""

    code = "key_in_url"
    status = 400
    message = _(
        "Never send a key in the address: logs keep it. Revoke this key, and send another one as Authorization: Bearer."
    )


class ReadOnlyKey(RaseedError):
    """The key may read, and this would change something."""

    code = "read_only_key"
    status = 403
    message = _("This key may only read. Nothing was changed.")


class OperatorKeyNeeded(RaseedError):
    """An account's key at a door of the operator's."""

    code = "operator_key_needed"
    status = 403
    message = _("This needs a key of the operator. The key that was sent is one account's.")


class TooManyRequests(RaseedError):
    """The key has asked as often as it may for now. `wait` is until it may again."""

    code = "too_many_requests"
    status = 429
    message = _("Too many requests with this key. Wait as long as Retry-After says, then go on.")

    def __init__(self, wait: timedelta) -> None:
        super().__init__()
        self.wait = wait


class NothingThere(RaseedError):
    """There is no such thing, or not within the key's scope: the two look the same."""

    code = "not_found"
    status = 404
    message = _("There is nothing at this address for this key.")


class MethodNotTaken(RaseedError):
    """The address is right and the method is not."""

    code = "method_not_allowed"
    status = 405
    message = _("This address does not take this method; Allow names those that it takes.")


class BodyTooLong(RaseedError):
    """More than any request of this API needs."""

    code = "body_too_long"
    status = 413
    message = _("The body is too long. Nothing was done.")


class Unreadable(RaseedError):
    """The body is no JSON."""

    code = "body_unreadable"
    status = 400
    message = _("The body is not JSON that can be read. Nothing was done.")


class Invalid(RaseedError):
    """Some fields are wrong; the problem names each."""

    code = "invalid"
    status = 422
    message = _("Some fields are missing or wrong; errors names each. Nothing was done.")


class OurFault(RaseedError):
    """Something broke on our side."""

    code = "internal_error"
    status = 500
    message = _("Something went wrong on our side. Nothing was done. Send the same request again.")


class CannotNow(RaseedError):
    """The database cannot serve this now."""

    code = "unavailable"
    status = 503
    message = _("This cannot be served just now. Send the same request again in a moment.")


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field: its name, a code for programs, a sentence."""

    field: str
    code: str
    message: str


def problem(error: RaseedError, fields: Iterable[FieldError] = ()) -> HttpResponse:
    """The answer that tells of `error`."""
    found = [asdict(one) for one in fields]
    if error.field and not found:
        found = [asdict(FieldError(error.field, error.code, str(error.message)))]
    document = {
        "type": "about:blank",
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "code": error.code,
        "detail": str(error.message),
        **({"errors": found} if found else {}),
    }
    answer = HttpResponse(json.dumps(document), status=error.status, content_type=CONTENT_TYPE)
    return _with_headers(answer, error)


def _with_headers(answer: HttpResponse, error: RaseedError) -> HttpResponse:
    if isinstance(error, NotAuthorized):
        answer.headers["WWW-Authenticate"] = "Bearer"
    wait = getattr(error, "wait", None)
    if isinstance(wait, timedelta):
        answer.headers["Retry-After"] = str(max(1, ceil(wait.total_seconds())))
    return answer
