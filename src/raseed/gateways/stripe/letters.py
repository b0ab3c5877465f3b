"""Stripe's webhooks: is a letter Stripe's, and what is it about?

The signature is checked over the raw bytes against every secret that is in force, its age against the clock that is handed
in (the SDK would look at its own). A letter is only ever a hint at what to fetch.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from raseed.gateways.port import (
    ForgedWebhook,
    Subject,
    UnreadableWebhook,
    WebhookEvent,
    WebhookOutOfTime,
)
from raseed.gateways.stripe.answers import PAYMENT_ID, SETUP_ID, our_id, text

SIGNATURE_HEADER: Final = "stripe-signature"
_TIME: Final = re.compile(r"t=([0-9]{1,12})", re.ASCII)
_SIGNATURE: Final = re.compile(r"v1=([0-9a-f]{64})", re.ASCII)


def read_letter(
    raw: bytes, headers: Mapping[str, str], now: datetime, secrets: Sequence[bytes], tolerance_s: float
) -> WebhookEvent:
    """Verify, then read. Raises ForgedWebhook, WebhookOutOfTime, UnreadableWebhook."""
    signed_s = _signed_at(raw, headers, secrets)
    if abs(now.timestamp() - signed_s) > tolerance_s:
        skew_s = round(now.timestamp() - signed_s)
        raise WebhookOutOfTime(f"signed {skew_s} s ago by our clock", skew_s=skew_s)
    try:
        return _event(json.loads(raw), datetime.fromtimestamp(signed_s, UTC))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UnreadableWebhook(f"signed, but not an event that we know: {error!r}"[:300]) from error


def _signed_at(raw: bytes, headers: Mapping[str, str], secrets: Sequence[bytes]) -> int:
    given = next((value for name, value in headers.items() if name.lower() == SIGNATURE_HEADER), "")
    parts = given.split(",")
    times = [match[1] for part in parts if (match := _TIME.fullmatch(part))]
    # While Stripe rolls a secret it signs with both; other schemes than v1 are not for us.
    signatures = [match[1] for part in parts if (match := _SIGNATURE.fullmatch(part))]
    if len(times) != 1 or not signatures:
        raise ForgedWebhook("no readable signature")
    signed = times[0].encode() + b"." + raw
    rights = [hmac.new(secret, signed, hashlib.sha256).hexdigest() for secret in secrets]
    # Every pair is compared, so that the time taken does not tell which of them is the right one.
    if not any([hmac.compare_digest(right, one) for right in rights for one in signatures]):  # noqa: C419
        raise ForgedWebhook("the signature is not Stripe's")
    return int(times[0])


def _event(body: Mapping[str, Any], signed_at: datetime) -> WebhookEvent:
    thing = body["data"]["object"]
    subject, ref, ours = _about(thing)
    return WebhookEvent(
        event_id=text(body["id"]),
        kind=text(body["type"]),
        gateway_ref=ref,
        payment_id=our_id(thing.get("metadata"), ours),
        signed_at=signed_at,
        subject=subject,
        part_ref=text(thing["id"]) if subject in {Subject.REFUND, Subject.DISPUTE} else "",
    )


def _about(thing: Mapping[str, Any]) -> tuple[Subject, str, str]:
    """What a letter is about, which reference to fetch, and under which name our id stands in its metadata."""
    kind, charged = thing["object"], thing.get("payment_intent")
    if kind == "checkout.session":
        kind = f"{kind} {thing['mode']}"
    match kind:
        case "payment_intent" | "checkout.session payment":
            return Subject.PAYMENT, text(thing["id"]), PAYMENT_ID
        case "charge":
            return Subject.PAYMENT, text(charged or thing["id"]), PAYMENT_ID
        case "setup_intent" | "checkout.session setup":
            return Subject.SETUP, text(thing["id"]), SETUP_ID
        case "refund" | "dispute":
            return Subject(kind), text(charged or thing["charge"]), PAYMENT_ID
    raise ValueError(f"a letter about a {kind!r}: take it out of the endpoint's events")
