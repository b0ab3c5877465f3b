"""The demo as a person runs it: it pays, verifies, serves, keeps its data, and leaves nothing running."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

READY = "Serving until Ctrl-C"


@pytest.fixture
def directory() -> Iterator[Path]:
    """A short path that the database's own user may walk to."""
    path = Path(f"/tmp/raseed-demo-{os.getpid()}")
    path.mkdir(mode=0o755)
    yield path
    subprocess.run(["rm", "-rf", str(path)], check=True)


def free_port() -> int:
    """A port with two free ones above it, for the bank and the mailbox."""
    while True:
        with socket.socket() as one, socket.socket() as two, socket.socket() as three:
            one.bind(("127.0.0.1", 0))
            port = int(one.getsockname()[1])
            try:
                two.bind(("127.0.0.1", port + 1))
                three.bind(("127.0.0.1", port + 2))
            except OSError:
                continue
            return port


class RunningDemo:
    """`raseed demo` as a process; `said` is all that it printed until it served."""

    def __init__(self, directory: Path, port: int) -> None:
        environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
        environment |= {"DEMO_DIR": str(directory), "DEMO_PASSWORD": "a password for the test"}
        environment.pop("RASEED_ENV", None)
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-m", "raseed.cli", "demo", "--port", str(port)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said = ""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line
            if READY in line:
                return
        raise AssertionError(f"the demo ended with {self.process.wait()}:\n{self.said}")

    def interrupt(self) -> int:
        """Ctrl-C; the exit code."""
        self.process.send_signal(signal.SIGINT)
        assert self.process.stdout is not None
        self.process.stdout.read()
        self.process.stdout.close()
        return self.process.wait(60)

    def figure(self, name: str) -> str:
        """What the demo printed beside `name`."""
        found = re.search(rf"{name} +(\S+)", self.said)
        assert found, self.said
        return found.group(1)


def commands_naming(text: str) -> list[str]:
    """The command lines of all processes whose environment or arguments name `text`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
            if text.encode() in command or text.encode() in (process / "environ").read_bytes():
                found.append(command.decode(errors="replace"))
        except OSError:
            continue
    return found


@pytest.mark.xdist_group("whole")
def test_the_demo_pays_keeps_its_data_and_stops_what_it_started(directory: Path) -> None:
    port = free_port()
    first = RunningDemo(directory, port)
    try:
        assert "verify: clean" in first.said
        assert first.figure("receipt voucher").startswith("RV-")
        before, after = first.figure("balance before"), first.figure("balance after")
        assert float(after.replace(",", "")) - float(before.replace(",", "")) == pytest.approx(100)
        assert next(directory.glob("papers/*.pdf")).read_bytes().startswith(b"%PDF")
        assert httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False).status_code == 200
    finally:
        assert first.interrupt() == 0
    assert commands_naming(str(directory)) == []

    second = RunningDemo(directory, port)
    try:
        assert second.figure("balance before") == after, "a second run keeps the data"
        assert second.figure("receipt voucher") > first.figure("receipt voucher")
    finally:
        assert second.interrupt() == 0
    assert commands_naming(str(directory)) == []
