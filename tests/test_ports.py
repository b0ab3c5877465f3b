"""A held port is given to nobody who asks for any, and who shares it on purpose is found."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from ports import HeldPort, strangers_on

SHARING = """
import socket, sys
mine = socket.socket()
mine.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
mine.bind(("127.0.0.1", int(sys.argv[1])))
mine.listen()
print("listens", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def held() -> Iterator[HeldPort]:
    one = HeldPort()
    yield one
    one.close()


def sharing(port: int) -> "subprocess.Popen[str]":
    """A process with a session of its own that listens on the port and would let others do so too."""
    words = [sys.executable, "-c", SHARING, str(port)]
    started = subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert started.stdout is not None
    assert started.stdout.readline() == "listens\n"
    return started


def test_a_held_port_is_nobody_elses_and_takes_no_connection(held: HeldPort) -> None:
    with pytest.raises(OSError, match="in use"):
        socket.create_server(("127.0.0.1", held.port))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", held.port), timeout=5)
    held.close()
    # The negative control: without the holder anybody may have it.
    socket.create_server(("127.0.0.1", held.port)).close()


def test_who_shares_the_port_on_purpose_is_found(held: HeldPort) -> None:
    ours = sharing(held.port)
    assert strangers_on(held.port, ours.pid) == []
    theirs = sharing(held.port)
    assert strangers_on(held.port, ours.pid) == [theirs.pid]
    for one in (ours, theirs):
        one.communicate("")
        assert one.returncode == 0
    assert strangers_on(held.port, os.getpid()) == []
