"""Start a `raseed` command again whenever it ends by itself, as a service manager does, until SIGTERM ends both.

    python keep_alive.py serve --port 8000
    python keep_alive.py office                 # no command of the product: soak/office.py

Each life is a process of its own, forked from this one, which has imported the product and collected its static
files once: a killed process is back in a moment and a soak is bound by the product, not by imports. SIGUSR1 ends
the running life with SIGTERM, as a deploy does, and the next one begins. With SOAK_HURRY=1 what a killed process
left behind is taken up sooner than the product would; with SOAK_KEY_HORIZON_S idempotency keys are
taken to be forgotten after so many seconds.
"""

import os
import signal
import sys
import time
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from types import FrameType

import django
from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core import management
from django.urls import get_resolver

from raseed import cli
from raseed.processes import die_with_parent

PAUSE_S = 0.05
DEPLOY = signal.SIGUSR1
OFFICE = "office"
_HEARD = (signal.SIGTERM, DEPLOY)


class Lives:
    """One command, life after life."""

    def __init__(self, words: list[str]) -> None:
        self._words = words
        self._stopping = False
        self._pid = 0

    def run(self) -> int:
        """The exit code of the last life."""
        for number in _HEARD:
            signal.signal(number, self._told)
        code = 0
        while not self._stopping:
            # A signal that comes before the new life is known by its id would be lost.
            signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)
            self._pid = os.fork()
            if self._pid == 0:
                self._live()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEARD)
            code = self._wait()
            print(f"keep_alive: {self._words[0]} ended with {code}", flush=True)
            time.sleep(PAUSE_S)
        return code

    def _live(self) -> None:
        for number in _HEARD:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEARD)
        die_with_parent()
        try:
            if self._words == [OFFICE]:
                import_module("soak.office").main()
            cli.app(self._words)
        except SystemExit as end:
            sys.stdout.flush()
            os._exit(end.code if isinstance(end.code, int) else 1)
        os._exit(0)

    def _wait(self) -> int:
        _pid, status = os.waitpid(self._pid, 0)
        self._pid = 0
        return os.waitstatus_to_exitcode(status)

    def _told(self, number: int, _frame: FrameType | None) -> None:
        self._stopping = self._stopping or number == signal.SIGTERM
        if self._pid:
            os.kill(self._pid, signal.SIGTERM)


def prepare() -> None:
    """Import what every life needs, and do once what `raseed serve` would do in each: collect the static files."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "raseed.config.settings"
    django.setup()
    import_module("raseed.config.wsgi")
    import_module("raseed.jobs")
    if sys.argv[1] == OFFICE:
        import_module("soak.office")
    get_resolver().url_patterns  # noqa: B018 - reading it imports every view
    if sys.argv[1] == "serve" and not collected():
        management.call_command("collectstatic", interactive=False, verbosity=0)
    if os.environ.get("SOAK_HURRY") == "1":
        hurry()
    if horizon_s := os.environ.get("SOAK_KEY_HORIZON_S"):
        shorten_horizon(float(horizon_s))
    # There is nothing new to collect for the next life, and looking for it takes seconds.
    management.call_command = lambda *_words, **_flags: None


def collected() -> bool:
    """Whether nothing has changed since the static files were collected last."""
    manifest = Path(settings.STATIC_ROOT) / "staticfiles.json"
    if not manifest.exists():
        return False
    files = [
        Path(storage.path(name))
        for finder in get_finders()
        for name, storage in finder.list(ignore_patterns=None)
    ]
    return all(file.stat().st_mtime < manifest.stat().st_mtime for file in files)


def hurry() -> None:
    """A suite has no minutes to wait for leases; jobs then run twice more often, which they must bear anyway."""
    jobs, issue, send = (
        import_module(f"raseed.{name}") for name in ("jobs", "documents.issue", "notifications.send")
    )
    inbox = import_module("raseed.payments.inbox")
    jobs.STALLED_AFTER = timedelta(seconds=12)
    send.LEASE = timedelta(seconds=12)
    inbox.TAKEN_FOR = timedelta(seconds=4)
    guards = import_module("raseed.payments.recharge.guards")
    guards.PENDING_AGAIN_AFTER = guards.DOWN_AGAIN_AFTER = timedelta(seconds=5)
    # A short list has pages too, and what comes late into it is looked for more often than once a minute.
    walk = import_module("raseed.payments.walk")
    walk.PAGE_LIMIT, walk.OVERLAP_EVERY_S = 60, 10
    issue.SWEEP_AFTER = send.SWEEP_AFTER = timedelta(seconds=5)


def shorten_horizon(seconds: float) -> None:
    """Take the bank's memory for keys to be so short, and give to a person at once what stays open beyond it."""
    reconcile = import_module("raseed.payments.reconcile")
    reconcile.KEY_HORIZON = reconcile.UNRESOLVED_AFTER = timedelta(seconds=seconds)


if __name__ == "__main__":
    prepare()
    sys.exit(Lives(sys.argv[1:]).run())
