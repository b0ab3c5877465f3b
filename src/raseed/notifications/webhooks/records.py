"""The log of deliveries: what became of each, and replay. A replay sends the same body under the same webhook-id again."""

from datetime import datetime, timedelta
from typing import Final

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from raseed.audit import log
from raseed.audit.log import Who
from raseed.db.transactions import atomic
from raseed.errors import RaseedError
from raseed.events.models import WebhookDelivery

KEPT_FOR: Final = timedelta(days=30)


class UnknownDelivery(RaseedError):
    """There is no such delivery (any more)."""

    code = "webhook_delivery_unknown"
    status = 404
    message = _("There is no such delivery. The log keeps 30 days.")


class EndpointOff(RaseedError):
    """The endpoint takes nothing now."""

    code = "webhook_endpoint_off"
    status = 409
    message = _("The endpoint is switched off or removed. Switch it on first; nothing was sent.")


def deliveries(before: int | None) -> QuerySet[WebhookDelivery]:
    """The log, newest first, older than `before`."""
    rows = WebhookDelivery.objects.order_by("-id")
    return rows if before is None else rows.filter(id__lt=before)


def replay(delivery_id: int, by: Who, now: datetime) -> WebhookDelivery:
    """Have it sent again, at once, with all its tries. Raises UnknownDelivery, EndpointOff."""
    with atomic():
        rows = WebhookDelivery.objects.select_for_update(of=("self",)).select_related("endpoint")
        found = rows.filter(id=delivery_id).first()
        if found is None:
            raise UnknownDelivery
        if not found.endpoint.is_enabled:
            raise EndpointOff
        state = found.state
        found.next_try_at, found.tries, found.delivered_at, found.gave_up_at = now, 0, None, None
        found.save(update_fields=["next_try_at", "tries", "delivered_at", "gave_up_at"])
        log.record(
            by,
            "webhook_replayed",
            account_id=found.account_id,
            object_kind="webhook_delivery",
            object_id=found.event_id,
            at=now,
            before={"state": state},
        )
    return found


def forget_old(now: datetime) -> int:
    """Remove what was delivered or given up and is older than 30 days; how many. For a daily job."""
    over = WebhookDelivery.objects.filter(created_at__lte=now - KEPT_FOR, next_try_at__isnull=True)
    return over.delete()[0]
