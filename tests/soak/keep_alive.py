"""Start a command again whenever it ends by itself, as a service manager does, until SIGTERM ends both.

python keep_alive.py COMMAND…
"""

import signal
import subprocess
import sys
import time
from types import FrameType

from raseed.processes import die_with_parent

PAUSE_S = 0.2


def main(command: list[str]) -> int:
    """The command's last exit code."""
    stopping = False
    child: subprocess.Popen[bytes] | None = None

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True
        if child is not None:
            child.terminate()

    signal.signal(signal.SIGTERM, stop)
    while not stopping:
        child = subprocess.Popen(command, preexec_fn=die_with_parent)  # noqa: PLW1509 - this process has one thread
        child.wait()
        print(f"keep_alive: {command[-1]} ended with {child.returncode}", flush=True)
        time.sleep(PAUSE_S)
    return child.wait() if child is not None else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
