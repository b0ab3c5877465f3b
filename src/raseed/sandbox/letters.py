"""Writes the bank's letters (webhooks), and how each will travel. The courier delivers them and makes none.

Call inside the transaction that writes what the letter tells of.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from raseed.sandbox import weather
from raseed.sandbox.faults import Behaviour, Stage, percent_hit
from raseed.sandbox.rows import Letter
from raseed.sandbox.settings import SandboxSettings
from raseed.sandbox.store import Store

VERSION = 1
# Fates that the courier must know of; the others are done when the letter is written.
CARRIED = frozenset({Behaviour.TWICE, Behaviour.THRICE, Behaviour.FORGED, Behaviour.STALE})


def announce(
    store: Store, settings: SandboxSettings, kind: str, thing: Mapping[str, Any], now: float
) -> tuple[str, ...]:
    """Tell of `thing` as it now is; the event ids of the letters that were written, none where it is lost."""
    ordered = store.control("webhook_drop_percent")
    percent = settings.webhook_drop_percent if ordered is None else int(ordered)
    if percent_hit(settings.seed, f"{kind}:{thing['id']}", percent):
        return ()
    fate = weather.choose(store, settings, Stage.WEBHOOK, str(thing["reference"]))
    if fate is Behaviour.NO_LETTER:
        return ()
    late_s = settings.webhook_late_s if fate is Behaviour.LATE_LETTER else 0.0
    event_id = _write(store, kind, {"version": VERSION, "object": thing}, now, now + late_s)
    if fate in CARRIED:
        store.set_fate(event_id, fate)
    if fate is Behaviour.STRANGER:
        strange = {**thing, "id": f"pay_{secrets.token_urlsafe(16)}", "reference": str(uuid4())}
        return event_id, _write(store, kind, {"version": VERSION, "object": strange}, now, now)
    if fate is Behaviour.NEW_VERSION:
        return event_id, _write(store, kind, {"version": VERSION + 1, "data": [thing]}, now, now)
    return (event_id,)


def _write(store: Store, kind: str, body: Mapping[str, Any], now: float, send_at: float) -> str:
    event_id = f"evt_{secrets.token_urlsafe(16)}"
    head = {"id": event_id, "type": kind, "created": datetime.fromtimestamp(now, UTC).isoformat()}
    store.add_letter(Letter(event_id, json.dumps({**head, **body}, ensure_ascii=False), 0, send_at, None))
    return event_id
