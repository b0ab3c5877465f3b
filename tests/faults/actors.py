"""One act of the product at a time, each in a process of its own that may be killed at a named point.

    with Actors(directory) as actors:
        act = actors.start(database.url, bank.url, "pay", at="KP02", email=…, form={…})
        act.ended() -> None if it was killed, else what the act returned

The processes are forked from one that has imported the product once, with every kill point armed for the first time
that it is passed; an act names the one that it dies at (acting.py).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

TESTS = Path(__file__).parents[1]
# Django is set up before acting.py imports the product.
PROGRAM = "import django; django.setup(); from faults import acting; acting.serve()"


class Act:
    """A running act."""

    def __init__(self, actors: Actors, number: int) -> None:
        self._actors, self._number = actors, number

    def ended(self) -> Any:
        """Wait for its end: what it returned; None if it was killed. Anything else that ended it is an error."""
        answer = self._actors._ask({"end": self._number})
        if answer["signal"] == signal.SIGKILL:
            return None
        assert answer["signal"] == 0, f"ended by signal {answer['signal']}"
        assert "raised" not in answer["told"], answer["told"]["raised"]
        return answer["told"]["returned"]


class Actors:
    """The parent of the acts, for as many databases and banks as like."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def __enter__(self) -> Self:
        environment = os.environ | {
            "RASEED_ENV": "test",
            "FAILPOINTS": "1",
            "FAILPOINTS_DIR": str(self._directory),
            "FAILPOINTS_AT": "none",
            "PYTHONPATH": str(TESTS),
            "DJANGO_SETTINGS_MODULE": "settings",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=30)

    def start(self, database: str, bank: str, act: str, at: str = "none", **given: object) -> Act:
        """Begin; the process dies at the point `at` if it passes there."""
        order = {"database": database, "bank": bank, "act": act, "at": at, "given": given}
        return Act(self, self._ask(order)["number"])

    def _ask(self, order: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())
