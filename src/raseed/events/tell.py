"""Tell the operator's service of a fact, in the transaction that makes it true: the one way to send a webhook.

    tell(account_id, EventKind.BALANCE_LOW, {"available": decimal_text(money), "currency": money.currency}, now)

Facts are what the receiver needs to know which thing it is about, as JSON: ids and moments as text, amounts as
`decimal_text` beside a currency; never a secret, a card number or a name. Whoever adds a kind adds it to `EventKind`, and
its data to `docs/integrators/outgoing-webhooks.md`. Nothing here sends: the worker does (`raseed.notifications.webhooks`),
at least once and in no promised order.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import connection, transaction

from raseed.db.queue import defer
from raseed.db.uuids import new_id
from raseed.events.models import EventKind

Fact = str | int | bool | None | list[str]

# Service waits for these: they do not wait for the next turn of the worker.
URGENT: Final = frozenset({EventKind.ACCOUNT_SUSPENDED, EventKind.ACCOUNT_RESTORED})
DELIVER_JOB: Final = "notifications.deliver_urgent"

# One statement, which writes nothing where nobody listens: there are a handful of endpoints, found by an index.
_PUT: Final = """
    INSERT INTO events_webhookdelivery
           (endpoint_id, account_id, event_id, kind, body, created_at, next_try_at, tries, fault)
    SELECT listening.id, %(account)s, %(event)s, %(kind)s, %(body)s, %(now)s, %(now)s, 0, ''
      FROM events_webhookendpoint AS listening
     WHERE listening.is_enabled AND listening.removed_at IS NULL AND %(kind)s = ANY (listening.kinds)
       AND (listening.account_id IS NULL OR listening.account_id = %(account)s)
"""


class NoTransaction(RuntimeError):
    """A fact was to be told outside the transaction that makes it true: a mistake in the code."""


def tell(account_id: UUID, kind: EventKind, facts: Mapping[str, Fact], now: datetime) -> int:
    """Have `kind` told of the account, to every endpoint that listens; how many do. Raises NoTransaction."""
    if not transaction.get_connection().in_atomic_block:
        raise NoTransaction(f"{kind} must be told in the transaction that makes it true")
    data = {"account_id": str(account_id), **facts}
    body = {"type": kind.value, "timestamp": now.isoformat(), "data": data}
    with connection.cursor() as cursor:
        cursor.execute(
            _PUT,
            {
                "account": account_id,
                "event": f"evt_{new_id().hex}",
                "kind": kind.value,
                "body": json.dumps(body, separators=(",", ":")),
                "now": now,
            },
        )
        listening = int(cursor.rowcount)
    if listening and kind in URGENT:
        defer(DELIVER_JOB)
    return listening
