"""`raseed verify`: every invariant of every room, with progress, and what is broken named with its ids and amounts."""

from datetime import timedelta

from django.utils import timezone
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from raseed.db.invariants import registered, run
from raseed.payments.reconcile import UNRESOLVED_AFTER

# Later than every age that a rule allows to work under way.
AT_REST = UNRESOLVED_AFTER + timedelta(minutes=1)


def report(console: Console, *, at_rest: bool) -> int:
    """Check everything, print the violations and a last line, and return how many there are.

    `at_rest` says that nothing is under way, so that no rule allows anything its time.
    """
    now = timezone.now() + (AT_REST if at_rest else timedelta())
    checks = registered()
    columns = (TextColumn("verify"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=len(checks))
        found = list(run(now, done=lambda one: progress.update(task, advance=1, description=one.rule)))
    for violation in found:
        console.print(str(violation), style="red", highlight=False)
    rules = len({one.rule for one in checks})
    verdict = f"{len(found)} violations" if found else "clean"
    console.print(f"verify: {verdict} ({rules} rules, {len(checks)} checks)")
    return len(found)
