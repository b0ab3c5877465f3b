"""The whole product on this machine for a measurement: database, bank, mail server, portal and worker as processes.

Everything lies in a directory of its own that is gone at the end. It stops what it started and nothing else.
"""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import httpx

from raseed.config.environment import PROJECT_DIR
from raseed.db.embedded import OWNER_ROLE, SUPERUSER, EmbeddedPostgres
from raseed.processes import Child

READY_S_MAX: Final = 90.0


class SiteFailed(RuntimeError):
    """Something did not start; the text is its last words."""


class Site:
    """`portal` and `bank` are addresses; `database_url` sees everything. Two web processes of six threads, one worker."""

    def __init__(self) -> None:
        """Starts nothing before it is entered."""
        self._directory = Path(tempfile.mkdtemp(prefix="raseed-bench-"))
        self._directory.chmod(0o755)
        self._cluster = EmbeddedPostgres(self._directory / "pg")
        self._children: list[Child] = []
        portal, bank, self._mail_port = (_free_port() for _ in range(3))
        self.portal, self.bank = f"http://127.0.0.1:{portal}", f"http://127.0.0.1:{bank}"
        self.secret_key, self.webhook_secret = secrets.token_urlsafe(36), secrets.token_urlsafe(36)

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    @property
    def database_url(self) -> str:
        """The database as its superuser: for looking on."""
        return self._cluster.url(SUPERUSER)

    def serve(self) -> None:
        """Start portal and worker and wait until they answer."""
        self._child("portal", "raseed.cli", "serve", "--port", self.portal.rsplit(":", 1)[1])
        self._child("worker", "raseed.cli", "worker")
        self._wait_for(f"{self.portal}/readyz")

    def finish(self, *module: str) -> str:
        """Run `python -m …` here to its end and give what it prints; exit codes are the caller's to read in it."""
        done = subprocess.run(
            [sys.executable, "-m", *module],
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if "Traceback" in done.stderr:
            raise SiteFailed(f"{' '.join(module)}:\n{done.stderr[-2000:]}")
        return done.stdout

    def _start(self) -> None:
        (self._directory / "static").symlink_to(PROJECT_DIR / "build" / "static")
        self._cluster.start()
        self.finish("raseed.cli", "migrate", "--quiet")
        data = str(self._directory / "bank")
        # Its own webhooks lead nowhere: what is delivered is the measurement's to say.
        self._child("bank", "raseed.sandbox", "--port", self.bank.rsplit(":", 1)[1], "--data-dir", data,
                    "--webhook-url", "http://127.0.0.1:9/nowhere", "--webhook-attempts-max", "1")  # fmt: skip
        mailbox = str(self._directory / "mailbox")
        self._child("mail", "raseed.mailbox", "--port", str(self._mail_port), "--directory", mailbox)
        self._wait_for(f"{self.bank}/healthz")

    def _child(self, name: str, *module: str) -> None:
        log = self._directory / f"{name}.log"
        self._children.append(Child(name, [sys.executable, "-m", *module], self._environment(), log))

    def _wait_for(self, url: str) -> None:
        deadline = time.monotonic() + READY_S_MAX
        while time.monotonic() < deadline:
            for child in self._children:
                if child.exit_code() is not None:
                    raise SiteFailed(f"{child.name} ended:\n{child.tail()}")
            try:
                if httpx.get(url, timeout=2, trust_env=False).status_code == httpx.codes.OK:
                    return
            except httpx.HTTPError:
                time.sleep(0.1)
        raise SiteFailed(f"{url} does not answer:\n" + "\n".join(child.tail() for child in self._children))

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
        return kept | {
            "RASEED_ENV": "demo",
            "DATABASE_URL": self._cluster.url(),
            "DATABASE_OWNER_URL": self._cluster.url(OWNER_ROLE),
            "PUBLIC_URL": self.portal,
            "ALLOWED_HOSTS": "127.0.0.1",
            "SMTP_URL": f"smtp://127.0.0.1:{self._mail_port}",
            "GATEWAY": "sandbox",
            # What is measured is our own speed, not how gently we treat a gateway.
            "GATEWAY_REQUESTS_PER_S": "10000",
            "GATEWAY_WAITS_MAX": "64",
            "SANDBOX_URL": self.bank,
            "SANDBOX_SECRET_KEY": self.secret_key,
            "SANDBOX_WEBHOOK_SECRET": self.webhook_secret,
            "STATIC_DIR": str(self._directory / "static"),
            "COLUMNS": "300",
        }

    def _stop(self) -> None:
        for child in reversed(self._children):
            child.stop()
        self._cluster.stop()
        shutil.rmtree(self._cluster.root, ignore_errors=True)
        shutil.rmtree(self._directory, ignore_errors=True)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
