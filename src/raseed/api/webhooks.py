"""Where gateways deliver their webhooks: verify, keep, answer. Nothing is applied here."""

import logging

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from raseed.accounts.access import public
from raseed.gateways.port import ForgedWebhook
from raseed.payments import inbox

logger = logging.getLogger(__name__)

BODY_BYTES_MAX = 64 * 1024


@public
@csrf_exempt
@require_POST
def webhook(request: HttpRequest, gateway_name: str) -> HttpResponse:
    """200: kept (or kept before). 400: forged, stale or unreadable; nothing was kept. 404: no such gateway."""
    if gateway_name != settings.GATEWAY:
        return HttpResponse(status=404)
    if int(request.headers.get("Content-Length") or 0) > BODY_BYTES_MAX:
        return HttpResponse(status=413)
    try:
        inbox.receive(gateway_name, request.body, request.headers, timezone.now())
    except ForgedWebhook as error:
        logger.warning("webhook of %s refused: %s", gateway_name, error)
        return HttpResponse(status=400)
    return HttpResponse(status=200)
