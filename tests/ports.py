"""A port that is ours alone, although the portal listens with SO_REUSEPORT, which lets another process share it.

A socket that is bound and never listens takes no connection. While it is open the system gives its port to nobody who
asks for any, and refuses it to whoever asks for it without SO_REUSEPORT; the portal, which has that, gets it. Who else
asks for this very number with SO_REUSEPORT is found by looking at who listens.
"""

import os
import re
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_LISTENS = "0A"  # Linux's TCP_LISTEN, as /proc/net/tcp writes it


class HeldPort:
    """A free port of 127.0.0.1, held until `close`."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        # Not SO_REUSEADDR: with it the port would still be given to others.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]

    def close(self) -> None:
        """Give it back."""
        self._socket.close()


def strangers_on(port: int, leader: int) -> list[int]:
    """The processes that listen on a port of 127.0.0.1 or of all addresses, and are not of the session that `leader` leads."""
    sockets = set(_listening(port))
    holders = {pid for pid, inode in _open_sockets() if inode in sockets}
    return sorted(pid for pid in holders if _session(pid) != leader)


def _listening(port: int) -> Iterator[str]:
    """The inodes of the listening sockets."""
    for table in ("tcp", "tcp6"):
        with suppress(FileNotFoundError):
            for line in (Path("/proc/net") / table).read_text().splitlines()[1:]:
                words = line.split()
                if int(words[1].rpartition(":")[2], 16) == port and words[3] == _LISTENS:
                    yield words[9]


def _open_sockets() -> Iterator[tuple[int, str]]:
    """Process and inode of every socket that this user may see. A process may end while we look."""
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with suppress(OSError):
                for descriptor in (process / "fd").iterdir():
                    with suppress(OSError):
                        found = re.fullmatch(r"socket:\[(\d+)\]", str(descriptor.readlink()))
                        if found:
                            yield int(process.name), found[1]


def _session(pid: int) -> int:
    with suppress(ProcessLookupError):
        return os.getsid(pid)
    return 0
