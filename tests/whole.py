"""Everything as it runs at an operator's: bank, mail server, portal and worker as processes on one database.

    with Whole(database, tmp_path) as whole: ...   # whole.portal, whole.bank, whole.mails()

Its logs are looked through at the end for what no log may hold (`logs.py`). With `proxied=True` the product reaches the bank over `whole.line`, which can be delayed, cut and taken down.
`**settings` are further variables of the product's environment, lower case.

It stops its own processes and no others, and nobody else can take its port meanwhile.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import httpx
import psycopg

from bank import SECRET_KEY, WEBHOOK_SECRET, RunningBank
from conftest import RealDatabase
from line import Line
from logs import leaks_of
from people import PASSWORD
from ports import HeldPort, strangers_on
from raseed.config.environment import PROJECT_DIR
from raseed.processes import Child

READY_S_MAX = 90.0
GATEWAY_TIMEOUT_S = "2"


class Whole:
    """`portal` is its address for people; the bank's pages stand at another origin, `bank.url`."""

    def __init__(
        self, database: RealDatabase, directory: Path, *, proxied: bool = False, **settings: object
    ) -> None:
        self.database, self.directory = database, directory
        self.mailbox = directory / "mailbox"
        self._held, self._mail_port = HeldPort(), free_port()
        # Cookies know hosts and not ports: the portal is localhost, the bank 127.0.0.1.
        self.portal = f"http://localhost:{self._held.port}"
        self.bank = RunningBank(
            directory / "bank", webhook_url=f"http://127.0.0.1:{self._held.port}/webhooks/sandbox", hang_s=6
        )
        self.line = Line(lambda: self.bank.port)
        self._proxied, self._settings = proxied, settings
        self._children: list[Child] = []
        self.worker: Child | None = None

    def __enter__(self) -> Self:
        try:
            return self._start()
        except BaseException:
            self._stop()
            raise

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._stop()
        if kind is None:
            assert leaks_of(self.directory, self.secrets()) == []

    @contextmanager
    def worker_held(self) -> Iterator[None]:
        """No job runs meanwhile. Keep it short: after 15 seconds a worker is taken for dead."""
        assert self.worker is not None
        os.kill(self.worker.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.worker.pid, signal.SIGCONT)

    def secrets(self) -> list[str]:
        """What of this run must stand in no log: keys of the API, passwords, and the ids of sessions that are there now."""
        with psycopg.connect(self.database.owner_url) as owner:
            sessions = [str(row[0]) for row in owner.execute("SELECT session_key FROM django_session")]
        passwords = [urlsplit(url).password or "" for url in (self.database.url, self.database.owner_url)]
        return [SECRET_KEY, WEBHOOK_SECRET, PASSWORD, *passwords, *sessions]

    def mails(self, address: str) -> list[EmailMessage]:
        """What has arrived for an address, oldest first."""
        files = sorted(self.mailbox.glob("*.eml"), key=lambda file: file.stat().st_mtime_ns)
        mails = [message_from_bytes(file.read_bytes(), policy=policy.default) for file in files]
        return [mail for mail in mails if address in str(mail["To"])]

    def _start(self) -> Self:
        self.mailbox.mkdir(parents=True)
        # Static files are collected beside this directory, so that two portals do not write over each other's.
        (self.directory / "static").symlink_to(PROJECT_DIR / "build" / "static")
        self.bank.start()
        self.line.start()
        mail = ["raseed.mailbox", "--port", str(self._mail_port), "--directory", str(self.mailbox)]
        self._child("mail", mail)
        portal = self._child(
            "portal", ["raseed.cli", "serve", "--port", str(self._held.port), "--workers", "1"]
        )
        self.worker = self._child("worker", ["raseed.cli", "worker"])
        wait(self._is_ready, f"the portal; its log: {self.directory / 'portal.log'}", READY_S_MAX)
        strangers = strangers_on(self._held.port, portal.pid)
        assert not strangers, f"processes that are not ours share the portal's port: {strangers}"
        return self

    def _child(self, name: str, module: list[str]) -> Child:
        command = [sys.executable, "-m", *module]
        child = Child(name, command, self.environment(), self.directory / f"{name}.log")
        self._children.append(child)
        return child

    def environment(self) -> dict[str, str]:
        """What a process of the product needs to work here."""
        kept = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
        return kept | {
            "RASEED_ENV": "demo",
            "DATABASE_URL": self.database.url,
            "DATABASE_OWNER_URL": self.database.owner_url,
            "PUBLIC_URL": self.portal,
            "ALLOWED_HOSTS": "localhost,127.0.0.1",
            "SMTP_URL": f"smtp://127.0.0.1:{self._mail_port}",
            "SANDBOX_URL": self.line.url if self._proxied else self.bank.url,
            "SANDBOX_PUBLIC_URL": self.bank.url,
            "SANDBOX_SECRET_KEY": SECRET_KEY,
            "SANDBOX_WEBHOOK_SECRET": WEBHOOK_SECRET,
            "GATEWAY_TIMEOUT_S": GATEWAY_TIMEOUT_S,
            "MAILBOX_DIR": str(self.mailbox),
            "STATIC_DIR": str(self.directory / "static"),
            **{name.upper(): str(value) for name, value in self._settings.items()},
        }

    def _is_ready(self) -> bool:
        ended = [child for child in self._children if child.exit_code() is not None]
        assert not ended, "\n".join(f"{child.name} ended:\n{child.tail()}" for child in ended)
        try:
            return httpx.get(f"{self.portal}/readyz", timeout=2, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    def _stop(self) -> None:
        while self._children:
            self._children.pop().stop()
        self.line.close()
        self.bank.stop()
        self.bank.client.close()
        self._held.close()


def free_port() -> int:
    """A port of 127.0.0.1 on which nobody listens now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def wait(reached: Callable[[], object], what: str, seconds_max: float = 30) -> None:
    """Until other processes have brought it about; AssertionError if they do not."""
    deadline = time.monotonic() + seconds_max
    while not reached():
        assert time.monotonic() < deadline, f"not there after {seconds_max} s: {what}"
        time.sleep(0.05)
