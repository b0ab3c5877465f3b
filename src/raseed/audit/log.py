"""Writing the audit log: one row for one act, in the transaction of the act, so that neither exists without the other.

The caller says who, what and why; nothing here decides who may do what, and nothing reads the log.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import transaction

from raseed.audit.models import AuditEntry, OperatorAuditEntry

Facts = Mapping[str, str | int | bool | list[str] | None]
_NOTHING: Final[Facts] = {}


class NoTransaction(RuntimeError):
    """An act was to be written down outside the transaction of the act: a mistake in the code."""


@dataclass(frozen=True, slots=True)
class Who:
    """Who acts: a user in a role from an address, or no user (`user_id` None) with a role that says what acts."""

    user_id: UUID | None
    role: str
    ip: str | None = None


COMMAND_LINE: Final = Who(None, "command_line")


def record(
    actor: Who,
    action: str,
    *,
    account_id: UUID | None,
    object_kind: str,
    object_id: object,
    at: datetime,
    before: Facts = _NOTHING,
    after: Facts = _NOTHING,
    reason: str = "",
) -> None:
    """Write down that `actor` did `action` to an object, at `at` (UTC); `account_id` None: the operator's house.

    `before` and `after` hold the changed fields only, never a secret. Raises NoTransaction outside a transaction.
    """
    if not transaction.get_connection().in_atomic_block:
        raise NoTransaction(f"{action} on {object_kind} must be recorded in the transaction that does it")
    facts = {
        "at": at,
        "actor_id": actor.user_id,
        "actor_role": actor.role,
        "ip": actor.ip,
        "action": action,
        "object_kind": object_kind,
        "object_id": str(object_id),
        "before": dict(before),
        "after": dict(after),
        "reason": reason,
    }
    if account_id is None:
        OperatorAuditEntry.objects.create(**facts)
    else:
        AuditEntry.objects.create(account_id=account_id, **facts)
