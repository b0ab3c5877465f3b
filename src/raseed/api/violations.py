"""Where browsers report what the content security policy stopped: one line in the log, and nothing is kept.

A report is a stranger's word. Of it only what names the fault is logged, each word cut to a known shape: the directive,
the origin of what was stopped, the route of the page and the line. Never an address in full, for it may hold a
one-time link, nor the sample of the script, nor who reported.
"""

import json
import logging
import re
from typing import Any, Final
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, resolve
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from raseed.accounts import attempts
from raseed.accounts.access import public
from raseed.accounts.origin import client_ip

logger = logging.getLogger(__name__)

BODY_BYTES_MAX: Final = 8 * 1024
# Another site's page can make a browser post a form here, but not with this type.
CONTENT_TYPE: Final = "application/csp-report"
_WORD: Final = re.compile(r"[a-z][a-z0-9-]{0,39}")
_ORIGIN: Final = re.compile(r"[a-z][a-z0-9+.-]{0,19}://[a-z0-9.:\[\]-]{1,100}")


@public
@csrf_exempt
@require_POST
def csp_report(request: HttpRequest) -> HttpResponse:
    """204: logged. 400: not a report. 413: too long. 415: another type. 429: enough said from there, or by all."""
    if request.content_type != CONTENT_TYPE:
        return HttpResponse(status=415)
    length = request.headers.get("Content-Length", "")
    if not length.isdecimal() or int(length) > BODY_BYTES_MAX:
        return HttpResponse(status=413)
    try:
        report = _read(request.body)
    except ValueError:
        return HttpResponse(status=400)
    now = timezone.now()
    # Who is over the limit of one place does not use up what all may say together.
    if attempts.take(attempts.CSP_REPORT_PLACE, client_ip(request) or "", now) or attempts.take(
        attempts.CSP_REPORT, "", now
    ):
        return HttpResponse(status=429)
    logger.warning(
        "csp_violation directive=%s blocked=%s route=%s line=%d",
        _word(report.get("effective-directive") or report.get("violated-directive")),
        _origin(report.get("blocked-uri")),
        _route(report.get("document-uri")),
        _number(report.get("line-number")),
    )
    return HttpResponse(status=204)


def _read(body: bytes) -> dict[str, Any]:
    """The report itself. Raises ValueError for anything that is none."""
    try:
        said = json.loads(body)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    match said:
        case {"csp-report": dict(report)}:
            return report
        case _:
            raise ValueError("not a report")


def _word(said: object) -> str:
    found = _WORD.match(said) if isinstance(said, str) else None
    return found[0] if found else "?"


def _origin(said: object) -> str:
    """A keyword such as `inline`, or scheme and host of an address; never its path."""
    if not isinstance(said, str):
        return "?"
    found = _ORIGIN.match(said.lower())
    return found[0] if found else _word(said)


def _route(said: object) -> str:
    try:
        return resolve(urlsplit(str(said)).path).view_name
    except (ValueError, Resolver404):
        return "?"


def _number(said: object) -> int:
    return said if isinstance(said, int) and 0 <= said < 1_000_000 else 0
