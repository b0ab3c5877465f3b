"""Jobs are queued by name: every name that is queued anywhere is a job that the worker knows."""

import re
from pathlib import Path

from croniter import croniter
from django.utils.module_loading import import_string
from procrastinate.contrib.django import app

SOURCE = Path(__file__).parent.parent / "src" / "raseed"
QUEUED = re.compile(r'defer\(\s*"([a-z_]+\.[a-z_]+)"')
# Automatic recharge answers to it; nothing is lost while it is not there.
AWAITED = {"payments.card_changed"}
NAMED = re.compile(r'^[A-Z_]+_JOB\b.*= "([a-z_]+\.[a-z_]+)"', re.MULTILINE)


def test_every_queued_name_is_a_job() -> None:
    import_string("raseed.jobs.follow_payment")
    texts = [file.read_text() for file in SOURCE.rglob("*.py")]
    names = {name for text in texts for pattern in (QUEUED, NAMED) for name in pattern.findall(text)}
    assert len(names) >= 9, "the pattern finds what rooms queue"
    assert names - AWAITED <= set(app.tasks)


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
        "payments.ask_silent": 10,
        "payments.walk_list": 15,
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
