"""Queue a job by its name, in the transaction that makes it needed.

Rooms talk upward this way: a settled payment wants a voucher and a mail, and names the job without importing
who does it. A job may run twice; it must act once.
"""

from datetime import datetime
from uuid import UUID

from procrastinate.contrib.django import app


def defer(name: str, *, run_at: datetime | None = None, lock: str | None = None, **arguments: object) -> None:
    """Queue job `name` with JSON arguments (UUIDs as text), not before `run_at` (UTC; None: at once).

    Jobs with the same `lock` never run at the same time. Rolls back with the surrounding transaction.
    """
    plain = {key: str(value) if isinstance(value, UUID) else value for key, value in arguments.items()}
    app.configure_task(name, allow_unknown=True, schedule_at=run_at, lock=lock).defer(**plain)  # type: ignore[arg-type]
