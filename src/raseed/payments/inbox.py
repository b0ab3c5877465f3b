"""The webhook inbox: keep the letter before it is opened, answer, apply later, believe only what is fetched again."""

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db import connection

from raseed.db.queue import defer
from raseed.db.transactions import atomic
from raseed.failpoints import failpoint
from raseed.gateways.port import Busy, Unknown, WebhookEvent
from raseed.gateways.registry import gateway
from raseed.payments.models import InboxEvent
from raseed.payments.references import owner_of
from raseed.payments.settle import settle
from raseed.payments.states import Cause

logger = logging.getLogger(__name__)

TRIES_MAX = 10


def receive(gateway_name: str, raw: bytes, headers: Mapping[str, str], now: datetime) -> bool:
    """Verify and keep a webhook and queue its handling; False if it was here before. Raises ForgedWebhook."""
    event = gateway(gateway_name).parse_webhook(raw, headers, now)
    failpoint("KP09", event.event_id)
    with atomic():
        fresh = _keep(gateway_name, event, raw, now)
        if fresh:
            defer("payments.apply_webhook", gateway_name=gateway_name, event_id=event.event_id)
    failpoint("KP10", event.event_id)
    return fresh


def _keep(gateway_name: str, event: WebhookEvent, raw: bytes, now: datetime) -> bool:
    """Store the letter in one statement; False if it is a repeat."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO payments_inboxevent"
            " (gateway, event_id, kind, gateway_ref, payment_id, body, received_at, tries, fault)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, 0, '') ON CONFLICT DO NOTHING RETURNING id",
            [gateway_name, event.event_id, event.kind, event.gateway_ref, event.payment_id, raw, now],
        )
        return cursor.fetchone() is not None


def apply(gateway_name: str, event_id: str, now: datetime) -> None:
    """Look at the payment that a kept webhook names and settle it; acts once, however often it runs."""
    event = InboxEvent.objects.get(gateway=gateway_name, event_id=event_id)
    if event.applied_at is not None:
        return
    fault = _look(event, now)
    failpoint("KP12", event_id)
    row = InboxEvent.objects.filter(gateway=gateway_name, event_id=event_id, applied_at__isnull=True)
    if not fault:
        row.update(applied_at=now)
        return
    tries = event.tries + 1
    row.update(tries=tries, fault=fault)
    if tries >= TRIES_MAX:
        logger.error("webhook %s of %s is given to a person: %s", event_id, gateway_name, fault)
        return
    defer(
        "payments.apply_webhook",
        run_at=now + timedelta(seconds=2**tries),
        gateway_name=gateway_name,
        event_id=event_id,
    )


def _look(event: InboxEvent, now: datetime) -> str:
    """Fetch and settle; what went wrong, or nothing."""
    owner = owner_of(event.gateway, event.payment_id)
    if owner is None:
        return f"names no payment of ours: {event.payment_id}"
    outcome = gateway(event.gateway).fetch(event.gateway_ref)
    if isinstance(outcome, Unknown | Busy):
        return f"the gateway gave no answer: {outcome}"
    settle(owner.account_id, owner.payment_id, outcome, Cause.WEBHOOK, now)
    return ""
