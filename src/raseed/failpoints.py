"""Named points at which a test may kill this very process, to prove that nothing is lost there.

Without FAILPOINTS=1 in the environment `failpoint` is an empty function; production settings refuse to start
with it. With it, a point fires SIGKILL once for each (point, key), chosen by a hash of the seed, the point and
the key, and remembers that it fired in FAILPOINTS_DIR, which outlives the process. FAILPOINTS_AT names the
points that are armed, all if it is empty; `KP14=2` kills one in two there and not one in FAILPOINTS_ONE_IN.
"""

import hashlib
import os
import signal
from pathlib import Path

ENABLED = os.environ.get("FAILPOINTS") == "1"


def chosen(seed: str, point: str, key: object, one_in: int) -> bool:
    """Whether (point, key) is among the one in `one_in` that die under this seed. Pure, so tests can foretell."""
    digest = hashlib.sha256(f"{seed}:{point}:{key}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % one_in == 0


if ENABLED:
    _SEED = os.environ.get("FAILPOINTS_SEED", "0")
    _ONE_IN = int(os.environ.get("FAILPOINTS_ONE_IN", "1"))
    _POINTS = {
        point: int(one_in or _ONE_IN)
        for point, _, one_in in (
            part.partition("=") for part in filter(None, os.environ.get("FAILPOINTS_AT", "").split(","))
        )
    }
    _DIRECTORY = Path(os.environ["FAILPOINTS_DIR"])

    def failpoint(name: str, key: object) -> None:
        """Kill this process with SIGKILL if (name, key) is chosen and has not fired before."""
        one_in = _POINTS.get(name) if _POINTS else _ONE_IN
        if one_in is None or not chosen(_SEED, name, key, one_in):
            return
        try:
            os.close(os.open(_DIRECTORY / f"{name}.{key}", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)

else:

    def failpoint(name: str, key: object) -> None:
        """Do nothing: the points are armed only with FAILPOINTS=1."""
