"""Moyasar's webhooks: is a letter Moyasar's, and what is it about?

There is no signature: the letter bears the secret that was given to Moyasar for it. It says who wrote the letter to whoever
keeps the secret, but not when, and not that nothing was changed on the way. So its age is not judged (Moyasar
sends a letter again as it was, and nobody signed its time) and it is only ever a hint at what to fetch.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from raseed.gateways.moyasar.answers import our_id, reference, text
from raseed.gateways.port import ForgedWebhook, Subject, UnreadableWebhook, WebhookEvent


def read_letter(raw: bytes, now: datetime, secrets: Sequence[bytes]) -> WebhookEvent:
    """Compare the secret, then read. Raises ForgedWebhook, UnreadableWebhook."""
    try:
        body = json.loads(raw)
        given = body["secret_token"].encode()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ForgedWebhook("no readable secret") from error
    # Every secret is compared, so that the time taken does not tell which of them is the right one.
    if not any([hmac.compare_digest(secret, given) for secret in secrets]):  # noqa: C419 - no early end
        raise ForgedWebhook("the secret is not the one that Moyasar was given")
    try:
        return _event(body, now)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnreadableWebhook(f"from Moyasar, but not an event that we know: {error!r}"[:300]) from error


def _event(body: Mapping[str, Any], now: datetime) -> WebhookEvent:
    payment = body["data"]
    kind = text(body["type"])
    is_refund = kind == "payment_refunded"
    return WebhookEvent(
        event_id=text(body["id"]),
        kind=kind,
        gateway_ref=reference(payment),
        payment_id=our_id(payment),
        signed_at=now,
        subject=Subject.REFUND if is_refund else Subject.PAYMENT,
        without_secret=json.dumps(dict(body) | {"secret_token": ""}).encode(),
        part_ref=f"{text(payment['id'])}:{int(payment['refunded'])}" if is_refund else "",
    )
