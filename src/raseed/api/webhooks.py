"""Where gateways deliver their webhooks: verify, keep, answer. Nothing is applied here.

However many come, they take a few places of a process and leave the rest to people: who finds none free is told to come
again, before anything else is done. A gateway delivers again what was not answered with 200.
"""

import logging
import random
import threading
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from raseed.accounts.access import public
from raseed.gateways.port import ForgedWebhook
from raseed.payments import inbox

logger = logging.getLogger(__name__)

BODY_BYTES_MAX: Final = 64 * 1024
ADDRESSES: Final = "/webhooks/"
# Spread, so that those who were put off together do not come back together; long, so that a flood is not made of them.
RETRY_AFTER_S: Final = (5, 30)


class Gate:
    """Lets in at most WEBHOOKS_AT_ONCE webhooks at a time in this process, without waiting; the next one gets a 503.

    Every answer ends its connection: the server has places for so many, and an idle one would keep its place from people.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response
        self._places = threading.BoundedSemaphore(settings.WEBHOOKS_AT_ONCE)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith(ADDRESSES):
            return self._get_response(request)
        answer = self._answer(request)
        answer.headers["Connection"] = "close"
        return answer

    def _answer(self, request: HttpRequest) -> HttpResponse:
        if not self._places.acquire(blocking=False):
            return _come_again()
        try:
            return self._get_response(request)
        finally:
            self._places.release()


@public
@csrf_exempt
@require_POST
def webhook(request: HttpRequest, gateway_name: str) -> HttpResponse:
    """200: kept (or kept before). 400: forged, out of time or unreadable. 404: no such gateway. 503: come again."""
    if gateway_name != settings.GATEWAY:
        return HttpResponse(status=HTTPStatus.NOT_FOUND)
    length = request.headers.get("Content-Length") or "0"
    if not length.isdecimal() or int(length) > BODY_BYTES_MAX:
        return HttpResponse(status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    try:
        inbox.receive(gateway_name, request.body, request.headers, timezone.now())
    except ForgedWebhook:
        return HttpResponse(status=HTTPStatus.BAD_REQUEST)
    except (OperationalError, InterfaceError) as error:
        logger.error("a webhook of %s was not kept, the database does not take it: %s", gateway_name, error)  # noqa: TRY400 - one line, not a page
        return _come_again()
    return HttpResponse(status=HTTPStatus.OK)


def _come_again() -> HttpResponse:
    wait_s = random.randint(*RETRY_AFTER_S)  # noqa: S311 - spread, not a secret
    return HttpResponse(status=HTTPStatus.SERVICE_UNAVAILABLE, headers={"Retry-After": str(wait_s)})
