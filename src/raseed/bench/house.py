"""A database of a bench's own, durable as an operator's is, and the settings of everything that a bench may start.

It lives in a directory that is deleted at the end. It starts and stops its own processes and no others.
"""

import os
import shutil
import socket
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import django
import httpx
from django.db import connections

from raseed.config.environment import PROJECT_DIR
from raseed.db.embedded import OWNER_ROLE, SUPERUSER, EmbeddedPostgres
from raseed.processes import Child

READY_SECONDS_MAX: Final = 60.0
SECRET_KEY: Final = "sandbox-secret-key-for-demo-and-tests-only"  # noqa: S105 - of a bank that does not exist
WEBHOOK_SECRET: Final = "sandbox-webhook-secret-for-demo-and-tests-only"  # noqa: S105
POOL_MAX: Final = 24


class House:
    """The database is up, migrated, and Django's settings are loaded inside `with`. One a process."""

    def __init__(self) -> None:
        var = PROJECT_DIR / "var"
        var.mkdir(exist_ok=True)
        self.directory = Path(tempfile.mkdtemp(prefix="bench-", dir=var))
        self.cluster = EmbeddedPostgres(self.directory / "postgres", durable=True)
        self.children: list[Child] = []

    def __enter__(self) -> Self:
        try:
            # Collected beside this link, so that a portal that serves meanwhile keeps its own.
            (self.directory / "static").symlink_to(PROJECT_DIR / "build" / "static")
            self.cluster.start()
            os.environ.update(self._environment())
            self.finish("migrate", "--quiet")
            django.setup()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    @property
    def owner_url(self) -> str:
        """The database as the owner of its tables."""
        return self.cluster.url(OWNER_ROLE)

    @property
    def superuser_url(self) -> str:
        """The database as the superuser of its server."""
        return self.cluster.url(SUPERUSER)

    def finish(self, *command: str) -> None:
        """Run a command of ours to its end. Raises RuntimeError with its output if it fails."""
        child = self._child(command[0], [sys.executable, "-m", "raseed.cli", *command])
        while (code := child.exit_code()) is None:
            time.sleep(0.05)
        if code:
            raise RuntimeError(f"raseed {' '.join(command)} ended with {code}:\n{child.tail()}")

    def start(self, name: str, module: str, *arguments: str) -> Child:
        """Start a process that runs until the house is left; one of that name that runs already is left as it is."""
        for running in self.children:
            if running.name == name:
                return running
        child = self._child(name, [sys.executable, "-m", module, *arguments])
        self.children.append(child)
        return child

    def wait_for(self, url: str) -> None:
        """Until `url` answers with 200. Raises RuntimeError if it does not in time, or a process has ended."""
        deadline = time.monotonic() + READY_SECONDS_MAX
        while time.monotonic() < deadline:
            for child in self.children:
                if child.exit_code() is not None:
                    raise RuntimeError(f"{child.name} ended by itself:\n{child.tail()}")
            try:
                if httpx.get(url, timeout=2, trust_env=False).status_code == httpx.codes.OK:
                    return
            except httpx.HTTPError:
                time.sleep(0.1)
        raise RuntimeError(f"{url} does not answer within {READY_SECONDS_MAX:.0f} s")

    def _child(self, name: str, command: list[str]) -> Child:
        return Child(name, command, os.environ, self.directory / f"{name}.log")

    def _environment(self) -> dict[str, str]:
        portal, bank, mail = (free_port() for _ in range(3))
        return {
            "DJANGO_SETTINGS_MODULE": "raseed.config.settings",
            "RASEED_ENV": "demo",
            "DATABASE_URL": self.cluster.url(),
            "DATABASE_OWNER_URL": self.owner_url,
            "DATABASE_POOL_MAX": str(POOL_MAX),
            "PUBLIC_URL": f"http://127.0.0.1:{portal}",
            "ALLOWED_HOSTS": "127.0.0.1",
            "SMTP_URL": f"smtp://127.0.0.1:{mail}",
            "GATEWAY": "sandbox",
            # What is measured is our own speed, not how gently we treat a gateway.
            "GATEWAY_REQUESTS_PER_S": "10000",
            "GATEWAY_WAITS_MAX": "64",
            "SANDBOX_URL": f"http://127.0.0.1:{bank}",
            "SANDBOX_SECRET_KEY": SECRET_KEY,
            "SANDBOX_WEBHOOK_SECRET": WEBHOOK_SECRET,
            "STATIC_DIR": str(self.directory / "static"),
        }

    def stop_children(self) -> None:
        """Stop what was started here, the last first."""
        while self.children:
            self.children.pop().stop()

    def _stop(self) -> None:
        self.stop_children()
        connections.close_all()
        for alias in connections:
            getattr(connections[alias], "close_pool", lambda: None)()
        self.cluster.stop()
        shutil.rmtree(self.cluster.root, ignore_errors=True)
        shutil.rmtree(self.directory, ignore_errors=True)


def free_port() -> int:
    """A port of 127.0.0.1 on which nobody listens now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
