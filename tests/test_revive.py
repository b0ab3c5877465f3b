"""What a killed worker left behind is queued again, and a sweep that has a successor never stands in its way."""

import asyncio
from datetime import UTC, datetime, timedelta

from conftest import RealDatabase
from raseed import jobs

LONG_AGO = datetime.now(UTC) - timedelta(hours=1)


def add(database: RealDatabase, task: str, status: str, queueing_lock: str | None = None) -> None:
    """A job; one that is `doing` belongs to a worker that has not been heard of for an hour."""
    with database.owner() as owner:
        worker = owner.execute(
            "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (%s) RETURNING id", [LONG_AGO]
        ).fetchone()
        assert worker is not None
        owner.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, status, queueing_lock, lock, args, worker_id)"
            " VALUES ('default', %s, %s::procrastinate_job_status, %s, %s, '{}', %s)",
            [task, status, queueing_lock, queueing_lock, worker[0] if status == "doing" else None],
        )


def listed(database: RealDatabase) -> list[tuple[object, ...]]:
    with database.owner() as owner:
        return owner.execute("SELECT task_name, status::text FROM procrastinate_jobs ORDER BY id").fetchall()


def test_a_sweep_with_a_successor_is_ended_and_the_rest_is_queued_again(real_db: RealDatabase) -> None:
    add(real_db, "payments.walk_list", "doing", "payments.walk_list")
    add(real_db, "payments.walk_list", "todo", "payments.walk_list")
    add(real_db, "documents.issue_missing", "doing", "documents.issue_missing")
    add(real_db, "payments.follow", "doing")
    asyncio.run(jobs.revive(0))
    assert listed(real_db) == [
        ("payments.walk_list", "todo"),
        ("documents.issue_missing", "todo"),
        ("payments.follow", "todo"),
    ]
