"""Child processes that do not outlive us: started in a group of their own, stopped in turn, ended with us.

For the demo and the tests. It never signals a process that it did not start.
"""

import ctypes
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

STOP_SECONDS_MAX = 25.0
_PR_SET_PDEATHSIG = 1  # prctl(2)


def die_with_parent(how: signal.Signals = signal.SIGTERM) -> None:
    """Between fork and exec: ask Linux to send this child a signal should its parent be killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, how)


class Child:
    """A running process with its output in `log`."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.name = name
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                list(command),
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # Ctrl-C reaches the supervisor alone, which stops its children in order.
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - no threads are started before the children
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Ask it to end and wait; SIGKILL if it does not within 25 seconds."""
        if self._process.poll() is None:
            self._process.send_signal(how)
            try:
                self._process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def tail(self, characters: int = 2000) -> str:
        """The end of its output, for an error message."""
        return self.log.read_text(errors="replace")[-characters:]
