"""Queue a job by its name, in the transaction that makes it needed.

Rooms talk upward this way: a settled payment wants a voucher and a mail, and names the job without importing
who does it. A job may run twice; it must act once.
"""

import json
from datetime import datetime
from typing import Final
from uuid import UUID

from procrastinate.contrib.django import app

from raseed.db.statements import row_of

_DEFER: Final = (
    "SELECT procrastinate_defer_jobs_v1(ARRAY[ROW(%s::text, %s::text, %s::integer, %s::text, %s::text, %s::jsonb,"
    " %s::timestamptz)::procrastinate_job_to_defer_v1])"
)


def defer(name: str, *, run_at: datetime | None = None, lock: str | None = None, **arguments: object) -> None:
    """Queue job `name` with JSON arguments (UUIDs as text), not before `run_at` (UTC; None: at once).

    Jobs with the same `lock` never run at the same time. Rolls back with the surrounding transaction.
    """
    plain = {key: str(value) if isinstance(value, UUID) else value for key, value in arguments.items()}
    # The library knows the task's queue, priority and lock. It is not asked to write the row: in the worker it would do so
    # on a connection of its own, at once, for a transaction that may yet roll back.
    job = app.configure_task(name, allow_unknown=True, schedule_at=run_at, lock=lock).job
    row_of(
        _DEFER,
        [job.queue, name, job.priority, job.lock, job.queueing_lock, json.dumps(plain), job.scheduled_at],
    )
