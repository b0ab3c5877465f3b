"""Every POST of the API carries an Idempotency-Key: sent again, it is answered with the first answer and does nothing.

The answer is written in the transaction of what the command did, so that a kill leaves both or neither. Who is still at
work holds a lock of that transaction: the same key meanwhile is told to wait. A command that was refused did nothing, is
not kept, and may be sent again under the same key.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec, cast
from uuid import UUID

from django.db import connection
from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from ninja import Schema

from raseed.accounts import sealed
from raseed.api.bearer import KeyRequest
from raseed.api.models import StoredAnswer
from raseed.db.transactions import atomic, begun_again
from raseed.errors import RaseedError
from raseed.failpoints import failpoint

# The owner of what the operator's keys command.
OPERATOR: Final = UUID(int=0)
KEPT_FOR: Final = timedelta(days=7)
REPLAYED: Final = "Idempotent-Replayed"
_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")
_PURPOSE: Final = b"raseed.api.answers"

# How OpenAPI shows the header; every POST names it.
HEADER: Final[dict[str, Any]] = {
    "parameters": [
        {
            "in": "header",
            "name": "Idempotency-Key",
            "required": True,
            "schema": {"type": "string", "maxLength": 255, "minLength": 1},
            "description": "Made by you, one for each command. The same key and body: the first answer again.",
        }
    ]
}


class KeyMissing(RaseedError):
    """A POST without an Idempotency-Key, or with one that is none."""

    code = "idempotency_key_missing"
    status = 400
    message = _(
        "Send an Idempotency-Key of 1 to 255 visible ASCII characters with every POST. Nothing was done."
    )


class KeyReused(RaseedError):
    """The key belongs to another command."""

    code = "idempotency_key_reused"
    status = 422
    message = _("This Idempotency-Key was used for another command. Nothing was done.")


class StillRunning(RaseedError):
    """The same command is at work this very moment."""

    code = "idempotency_key_in_use"
    status = 409
    message = _("The command under this Idempotency-Key is still at work. Send it again in a moment.")
    wait = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command is answered: status and body."""

    status: int
    body: Schema


Given = ParamSpec("Given")
Command = Callable[Concatenate[KeyRequest, Given], Answer]


def command(view: Command[Given]) -> Callable[Concatenate[KeyRequest, Given], HttpResponse]:
    """Make an endpoint that changes something act once for each Idempotency-Key. It runs in a transaction.

    It must do all that it does in the database: a call to the outside would be forgotten with a rollback.
    """

    @wraps(view)
    def once(request: KeyRequest, *args: Given.args, **kwargs: Given.kwargs) -> HttpResponse:
        key = request.headers.get("Idempotency-Key", "")
        if not _KEY.fullmatch(key):
            raise KeyMissing
        owner = request.auth.account_id or OPERATOR
        body = f"{request.method} {request.path_info}\n".encode() + request.body
        fingerprint = hashlib.sha256(body).digest()
        return _once(owner, key, fingerprint, lambda: view(request, *args, **kwargs), timezone.now())

    made = cast("Callable[Concatenate[KeyRequest, Given], HttpResponse]", once)
    cast("Any", made).is_command = True
    return made


def forget_old(now: datetime) -> int:
    """Remove answers older than seven days; how many. For a daily job."""
    return StoredAnswer.objects.filter(created_at__lte=now - KEPT_FOR).delete()[0]


@begun_again
def _once(
    owner: UUID, key: str, fingerprint: bytes, act: Callable[[], Answer], now: datetime
) -> HttpResponse:
    with atomic():
        if not _is_alone(owner, key):
            raise StillRunning
        kept = StoredAnswer.objects.filter(owner_id=owner, key=key).first()
        if kept is not None:
            if bytes(kept.fingerprint) != fingerprint:
                raise KeyReused
            return _answer(kept.status, sealed.unseal(_PURPOSE, kept.sealed_body), {REPLAYED: "true"})
        done = act()
        content = done.body.model_dump_json().encode()
        StoredAnswer.objects.create(
            owner_id=owner,
            key=key,
            fingerprint=fingerprint,
            status=done.status,
            sealed_body=sealed.seal(_PURPOSE, content, now),
            created_at=now,
        )
    failpoint("KP30", key)
    return _answer(done.status, content, {})


def _is_alone(owner: UUID, key: str) -> bool:
    """Take the command's lock until the transaction ends; False if somebody has it. It is let go with the commit."""
    digest = hashlib.sha256(f"raseed.api.commands {owner} {key}".encode()).digest()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_try_advisory_xact_lock(%s)", [int.from_bytes(digest[:8], "big", signed=True)]
        )
        return bool(cursor.fetchone()[0])


def _answer(status: int, content: bytes, headers: dict[str, str]) -> HttpResponse:
    return HttpResponse(content, status=status, content_type="application/json", headers=headers)
