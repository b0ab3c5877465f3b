"""Deliver what the outbox holds: in turns of the worker, at least once, each time under the same webhook-id.

A batch is taken for a minute and not for good, so that who dies with one loses nothing. An endpoint that gives no answer
rests for a while, and what waits for it is given back untried, so that it holds up nobody else. What is not taken is tried
again for three days, then given up and shown; an endpoint that has taken nothing for five days is switched off.
"""

import logging
import random
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final
from uuid import UUID

from django.db import connection
from standardwebhooks import Webhook

from raseed.db.transactions import atomic, let_go
from raseed.events.models import WebhookDelivery, WebhookEndpoint
from raseed.failpoints import failpoint
from raseed.notifications.webhooks.endpoints import signing_secrets, stop_failing
from raseed.notifications.webhooks.post import Reply, post

logger = logging.getLogger(__name__)

# How long after each failed try the next one comes, give or take a tenth: fifteen tries within three days.
WAITS_S: Final = (
    5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 28_800, 43_200, 43_200, 43_200, 43_200, 28_800,
)  # fmt: skip
TRIES_MAX: Final = len(WAITS_S) + 1
JITTER: Final = 0.1
FAILING_MAX: Final = timedelta(days=5)
REST_MAX_S: Final = 300
# So many of one endpoint, so that one with much to be told leaves room for the others; and so many in all.
EACH: Final = 20
BATCH: Final = 200
AT_ONCE: Final = 8
# One POST takes at most eight seconds: a batch that is taken for longer was lost with its worker.
TAKEN_FOR: Final = timedelta(seconds=60)
# A turn begins no other batch after this, and no other POST to an endpoint of its batch.
TURN_S: Final = 1.8


@dataclass(frozen=True, slots=True)
class Letter:
    """A delivery that this turn has taken."""

    id: int
    endpoint_id: UUID
    event_id: str
    body: str
    tries: int


def deliver_due(now: datetime) -> int:
    """Try what is due until nothing is, or the turn is over; how many were tried. Call outside a transaction."""
    ends_at = time.monotonic() + TURN_S
    tried = 0
    while time.monotonic() < ends_at and (batch := _take(now)):
        endpoints = WebhookEndpoint.objects.in_bulk([letter.endpoint_id for letter in batch])
        groups = [
            (endpoints[endpoint_id], list(letters))
            for endpoint_id, letters in groupby(batch, key=lambda letter: letter.endpoint_id)
        ]
        let_go()
        with ThreadPoolExecutor(min(AT_ONCE, len(groups))) as pool:
            replies = list(pool.map(lambda group: _send(group[0], group[1], now, ends_at), groups))
        for (endpoint, letters), answered in zip(groups, replies, strict=True):
            _record(endpoint, letters, answered, now)
            tried += len(answered)
    return tried


def wait_after(tries: int) -> timedelta:
    """How long after the failed try number `tries` the next one comes: longer each time, never the same for all."""
    spread = random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - so that all do not come back at once
    return timedelta(seconds=WAITS_S[tries - 1] * spread)


def headers_of(endpoint: WebhookEndpoint, event_id: str, body: str, now: datetime) -> dict[str, str]:
    """The headers of Standard Webhooks, signed by every secret that holds now."""
    signatures = [
        Webhook(secret).sign(msg_id=event_id, timestamp=now, data=body)
        for secret in signing_secrets(endpoint, now)
    ]
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
        "Content-Type": "application/json",
        "User-Agent": "Raseed-Webhooks/1",
    }


def _take(now: datetime) -> list[Letter]:
    """Take the oldest that are due of each endpoint that does not rest, for TAKEN_FOR; what another worker is taking is passed over."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH due AS (
                SELECT oldest.id FROM events_webhookendpoint AS endpoint
                 CROSS JOIN LATERAL (
                       SELECT kept.id FROM events_webhookdelivery AS kept
                        WHERE kept.endpoint_id = endpoint.id AND kept.next_try_at <= %(now)s
                        ORDER BY kept.next_try_at, kept.id LIMIT %(each)s FOR UPDATE SKIP LOCKED) AS oldest
                 WHERE endpoint.is_enabled AND endpoint.removed_at IS NULL
                   AND (endpoint.rests_until IS NULL OR endpoint.rests_until <= %(now)s)
                 LIMIT %(batch)s)
            UPDATE events_webhookdelivery AS kept SET next_try_at = %(until)s FROM due WHERE kept.id = due.id
            RETURNING kept.id, kept.endpoint_id, kept.event_id, kept.body, kept.tries
            """,
            {"now": now, "until": now + TAKEN_FOR, "each": EACH, "batch": BATCH},
        )
        return sorted((Letter(*row) for row in cursor.fetchall()), key=lambda one: (one.endpoint_id, one.id))


def _send(endpoint: WebhookEndpoint, letters: list[Letter], now: datetime, ends_at: float) -> list[Reply]:
    """Send them one after the other until the turn is over or one gets no answer; the replies, in their order."""
    replies: list[Reply] = []
    for letter in letters:
        headers = headers_of(endpoint, letter.event_id, letter.body, now)
        replies.append(post(endpoint.url, letter.body.encode(), headers))
        failpoint("KP31", letter.event_id)
        if replies[-1].status is None or time.monotonic() > ends_at:
            break
    return replies


def _record(endpoint: WebhookEndpoint, letters: list[Letter], replies: list[Reply], now: datetime) -> None:
    """Write down what came of each, and give back what was not tried."""
    with atomic():
        kept = WebhookEndpoint.objects.select_for_update().get(id=endpoint.id)
        for letter, reply in zip(letters, replies, strict=False):
            _mark(letter, reply, now)
        _note_health(kept, replies, now)
        untried = [letter.id for letter in letters[len(replies) :]]
        WebhookDelivery.objects.filter(id__in=untried, next_try_at__isnull=False).update(next_try_at=now)
    if kept.failing_since is not None and kept.failing_since <= now - FAILING_MAX:
        stop_failing(kept, now)


def _mark(letter: Letter, reply: Reply, now: datetime) -> None:
    tries = letter.tries + 1
    facts: dict[str, object] = {
        "tries": tries,
        "tried_at": now,
        "last_status": reply.status,
        "fault": reply.fault,
    }
    if reply.is_taken:
        facts |= {"delivered_at": now, "next_try_at": None}
    elif tries >= TRIES_MAX:
        facts |= {"gave_up_at": now, "next_try_at": None}
        logger.error("webhook %s is given up after %d tries: %s", letter.event_id, tries, reply.fault)
    else:
        facts["next_try_at"] = now + wait_after(tries)
    # Not what was delivered by another worker, or removed, meanwhile.
    WebhookDelivery.objects.filter(id=letter.id, next_try_at__isnull=False).update(**facts)


def _note_health(endpoint: WebhookEndpoint, replies: list[Reply], now: datetime) -> None:
    """Since when it takes nothing, and how long it rests after silence. The caller has locked it."""
    if any(reply.is_taken for reply in replies):
        endpoint.failing_since, endpoint.failures, endpoint.rests_until = None, 0, None
    elif replies:
        endpoint.failing_since = endpoint.failing_since or now
        endpoint.failures += 1
    if replies and replies[-1].status is None:
        rest_s = min(2 ** min(endpoint.failures, 16), REST_MAX_S)
        endpoint.rests_until = now + timedelta(seconds=rest_s)
    endpoint.save(update_fields=["failing_since", "failures", "rests_until"])
