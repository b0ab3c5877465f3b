"""`raseed verify`: every invariant of every room, with progress, and what is broken named with its ids and amounts.

A full run looks at everything. An incremental one looks at the accounts of which anything was written since the last
clean run, or was under way then, and at all that waits; what it does not see is said with its result. Every run leaves a
row (BooksCheck): when, what was looked at, what was found. Nothing here repairs.
"""

import json
import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.utils import timezone
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from raseed.audit.models import BooksCheck
from raseed.db.guard import across_accounts
from raseed.db.invariants import Invariant, Scope, Violation, registered, run
from raseed.db.position import Position, changed_accounts, here, here_and_gone
from raseed.notifications.alarms import books_broken
from raseed.payments.asking import UNRESOLVED_AFTER
from raseed.payments.verify import in_motion

logger = logging.getLogger(__name__)

# Later than every age that a rule allows to work under way.
AT_REST: Final = UNRESOLVED_AFTER + timedelta(minutes=1)
# More changed accounts than this, and one pass over everything is as quick.
ACCOUNTS_MAX: Final = 5_000
LINES_KEPT: Final = 50
RUNS_KEPT_FOR: Final = timedelta(days=90)
UNSEEN: Final = (
    "An incremental run does not see what stood before the last clean run, nor rows deleted from tables that are not"
    " append-only. Run `raseed verify` in full every day."
)


@dataclass(frozen=True, slots=True)
class Checked:
    """What one run found. `accounts` is None where all were looked at; `since` is the clean run it started from."""

    at: datetime
    since: datetime | None
    accounts: int | None
    rules: int
    checks: int
    seconds: float
    violations: tuple[Violation, ...]

    def sentence(self) -> str:
        """The last line of a report."""
        verdict = f"{len(self.violations)} violations" if self.violations else "clean"
        scope = ""
        if self.since is not None:
            scope = (
                f"; incremental: {self.accounts} accounts, changed since {self.since:%Y-%m-%d %H:%M:%S} UTC"
            )
        return f"verify: {verdict} ({self.rules} rules, {self.checks} checks, {self.seconds:.1f} s{scope})"

    def facts(self) -> dict[str, object]:
        """As JSON."""
        return {
            "clean": not self.violations,
            "kind": "full" if self.since is None else "incremental",
            "at": self.at.isoformat(),
            "since": self.since.isoformat() if self.since else None,
            "accounts": self.accounts,
            "rules": self.rules,
            "checks": self.checks,
            "seconds": round(self.seconds, 3),
            "unseen": UNSEEN if self.since else None,
            "violations": [
                {"rule": found.rule, "ids": dict(found.ids), "detail": found.detail}
                for found in self.violations
            ],
        }


@dataclass(frozen=True, slots=True)
class _CleanRun:
    """The run that an incremental one starts from."""

    at: datetime
    position: Position


def check_all(now: datetime, done: Callable[[Invariant], None] | None = None) -> Checked:
    """Check everything, as of `now`, and keep the result."""
    return _check(now, None, done)


def check_changed(now: datetime, done: Callable[[Invariant], None] | None = None) -> Checked:
    """Check what was written since the last clean run, and keep the result.

    Everything, where there is no clean run on this server to start from or too much has changed.
    """
    last = BooksCheck.objects.filter(position__isnull=False).order_by("-at").first()
    if last is None or last.position is None:
        return _check(now, None, done)
    return _check(now, _CleanRun(last.at, Position.of(last.position)), done)


def report(console: Console, *, at_rest: bool, incremental: bool = False, as_json: bool = False) -> int:
    """Check, print the violations and a last line, and return how many there are.

    `at_rest` says that nothing is under way, so that no rule allows anything its time. `as_json` prints one object.
    """
    now = timezone.now() + (AT_REST if at_rest else timedelta())
    check = check_changed if incremental else check_all
    columns = (TextColumn("verify"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    progress_console = Console(stderr=True) if as_json else console
    with Progress(*columns, console=progress_console, transient=True) as progress:
        task = progress.add_task("", total=len(registered()))
        checked = check(now, lambda one: progress.update(task, advance=1, description=one.rule))
    if as_json:
        print(json.dumps(checked.facts(), ensure_ascii=False))
        return len(checked.violations)
    for violation in checked.violations:
        console.print(str(violation), style="red", highlight=False, markup=False)
    if checked.since is not None:
        console.print(UNSEEN, highlight=False)
    console.print(checked.sentence(), highlight=False)
    return len(checked.violations)


def alarm(checked: Checked) -> None:
    """Say in the log and to finance staff what a scheduled run found; the row that it left is shown in the back office."""
    for violation in checked.violations[:LINES_KEPT]:
        logger.error("books broken: %s", violation)
    logger.log(logging.ERROR if checked.violations else logging.INFO, "%s", checked.sentence())
    if checked.violations:
        books_broken(Counter(found.rule for found in checked.violations), checked.at)


def forget_old(now: datetime) -> None:
    """Remove runs that nobody asks about any more."""
    BooksCheck.objects.filter(at__lt=now - RUNS_KEPT_FOR).delete()


def _check(now: datetime, last: _CleanRun | None, done: Callable[[Invariant], None] | None) -> Checked:
    started, at = time.perf_counter(), timezone.now()
    # Filled inside the snapshot, which `run` opens.
    seen: list[tuple[Position, Scope, list[Violation]]] = []

    def scope() -> Scope:
        with across_accounts("a check of all books looks for what has changed"):
            position, gone = (here(), []) if last is None else here_and_gone(last.position)
            looked_at = _scope(now, last, position)
        seen.append((position, looked_at, gone))
        return looked_at

    found = list(run(now, scope=scope, done=done))
    ((position, looked_at, gone),) = seen
    checks = registered()
    checked = Checked(
        at=at,
        since=None if last is None or looked_at.is_whole else last.at,
        accounts=None if looked_at.accounts is None else len(looked_at.accounts),
        rules=len({one.rule for one in checks}),
        checks=len(checks),
        seconds=time.perf_counter() - started,
        violations=(*([] if looked_at.is_whole else gone), *found),
    )
    BooksCheck.objects.create(
        at=checked.at,
        accounts=checked.accounts,
        milliseconds=round(checked.seconds * 1000),
        violations=len(checked.violations),
        found=[str(violation) for violation in checked.violations[:LINES_KEPT]],
        position=None if checked.violations else position.facts(),
    )
    return checked


def _scope(now: datetime, last: _CleanRun | None, position: Position) -> Scope:
    if last is None or not last.position.reaches(position):
        return Scope(now)
    accounts = changed_accounts(last.position) | in_motion(last.at)
    if len(accounts) > ACCOUNTS_MAX:
        return Scope(now)
    return Scope(now, tuple(sorted(accounts)), last.position.xid)
