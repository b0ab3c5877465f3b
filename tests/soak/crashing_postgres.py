"""A PostgreSQL of the soak's own, with fsync on, that crashes when it is told to and comes back.

    python crashing_postgres.py ROOT

SIGUSR1 takes the server down, by turns with SIGKILL for the postmaster (a power cut to the server) and with an
immediate shutdown; it is started again at once and recovers from its log. SIGTERM stops it properly.
"""

import signal
import sys
import time
from pathlib import Path
from types import FrameType

from raseed.db.embedded import EmbeddedPostgres, EmbeddedServerError

CRASH = signal.SIGUSR1
RESTART_S_MAX = 60.0
RECOVERED = "database system was not properly shut down; automatic recovery in progress"
READY = "ready"


def crash(cluster: EmbeddedPostgres, how: signal.Signals) -> None:
    """Take the server down without a checkpoint, and start it again."""
    assert cluster._process is not None
    cluster._process.send_signal(how)
    cluster._process.wait()
    cluster._process = None
    deadline = time.monotonic() + RESTART_S_MAX
    while True:
        try:
            cluster.start()
        except EmbeddedServerError:
            # The backends of a killed postmaster hold its shared memory until they notice.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def recoveries(root: Path) -> int:
    """How often the server in `root` has recovered from a crash, by its own log."""
    return (EmbeddedPostgres(root).root / "postgresql.log").read_text(errors="replace").count(RECOVERED)


def main(root: Path) -> None:
    """Until SIGTERM."""
    told = {"crash": 0, "stop": 0}

    def note(number: int, _frame: FrameType | None) -> None:
        told["crash" if number == CRASH else "stop"] += 1

    signal.signal(CRASH, note)
    signal.signal(signal.SIGTERM, note)
    done = 0
    with EmbeddedPostgres(root) as cluster:
        print(READY, flush=True)
        while not told["stop"]:
            if told["crash"] > done:
                done += 1
                crash(cluster, signal.SIGKILL if done % 2 else signal.SIGQUIT)
            time.sleep(0.05)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
