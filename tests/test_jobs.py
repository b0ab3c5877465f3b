"""Jobs are queued by name: every name that is queued anywhere is a job that the worker knows."""

import os
import re
import sys
import threading
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from croniter import croniter
from django.utils.module_loading import import_string
from procrastinate.contrib.django import app

from conftest import RealDatabase
from people import NOON
from raseed.db.queue import defer
from raseed.db.transactions import atomic
from raseed.worker import PAPERS, STANDS_BACK, standing_back

SOURCE = Path(__file__).parent.parent / "src" / "raseed"
QUEUED = re.compile(r'defer\(\s*"([a-z_]+\.[a-z_]+)"')
NAMED = re.compile(r'^[A-Z_]+_JOB\b.*= "([a-z_]+\.[a-z_]+)"', re.MULTILINE)


def test_every_queued_name_is_a_job() -> None:
    import_string("raseed.jobs.follow_payment")
    texts = [file.read_text() for file in SOURCE.rglob("*.py")]
    names = {name for text in texts for pattern in (QUEUED, NAMED) for name in pattern.findall(text)}
    assert len(names) >= 9, "the pattern finds what rooms queue"
    assert names <= set(app.tasks)


def test_papers_and_mails_of_accounts_have_a_crew_of_their_own() -> None:
    import_string("raseed.jobs.follow_payment")
    papers = {name for name, task in app.tasks.items() if task.queue == PAPERS}
    assert papers == {"documents.render", "notifications.mail_receipt", "notifications.send_mail"}
    assert {task.queue for task in app.tasks.values()} - {PAPERS} <= {"default", "builtin"}


def test_what_stands_back_runs_at_a_low_priority_and_nothing_else_does() -> None:
    if sys.platform == "linux":
        assert (
            standing_back(lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id())) >= STANDS_BACK
        )
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == os.nice(0)


def test_sweeps_run_every_few_seconds() -> None:
    import_string("raseed.jobs.follow_payment")
    pauses_s = {}
    for (name, _id), periodic in app.periodic_registry.periodic_tasks.items():
        due = croniter(periodic.cron, 1_800_000_000.0)
        pauses_s[name] = due.get_next(float) - due.get_prev(float)
    assert {
        name: pause for name, pause in pauses_s.items() if name != "builtin:procrastinate.remove_old_jobs"
    } == {
        "payments.apply_webhooks": 1,
        "payments.wake_webhooks": 30,
        "payments.ask_silent": 1,
        "payments.walk_list": 15,
        "payments.sweep_recharges": 30,
        "balance.suspend_due": 20,
        "balance.sweep_alerts": 60,
        "balance.sweep_forecasts": 3_600,
        "notifications.deliver_webhooks": 2,
        "payments.ask_silent_setups": 30,
        "payments.watch_cards": 10,
        "payments.forget_overdue": 3_600,
        "payments.tell_of_expiry": 86_400,
        "documents.issue_missing": 30,
        "notifications.queue_overdue": 30,
        "jobs.revive": 20,
        "accounts.forget_old": 86_400,
        "books.check_changed": 600,
        "books.check_all": 86_400,
    }


def test_a_job_queued_inside_a_job_goes_with_the_transaction(real_db: RealDatabase) -> None:
    """In the worker, where the queue's library has connections of its own."""
    with app.replace_connector(app.connector.get_worker_connector()):  # type: ignore[attr-defined]
        with suppress(ZeroDivisionError), atomic():
            defer("documents.render", account_id=uuid4(), document_id=uuid4())
            raise ZeroDivisionError
        with atomic():
            defer("payments.follow", run_at=NOON, account_id=uuid4(), payment_id=uuid4())
    with real_db.owner() as owner:
        queued = owner.execute(
            "SELECT task_name, queue_name, priority, scheduled_at FROM procrastinate_jobs"
        ).fetchall()
    assert queued == [("payments.follow", "default", 5, NOON)]
