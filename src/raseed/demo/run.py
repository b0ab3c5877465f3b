"""Start everything, seed once, show one Pay Now through the real pages, serve until Ctrl-C, stop everything.

It stops only what it started. Data lives in var/demo and is kept between runs.
"""

import os
import secrets
import shutil
import signal
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import httpx
from rich.console import Console

from raseed.config.environment import PROJECT_DIR
from raseed.db.embedded import OWNER_ROLE, EmbeddedPostgres
from raseed.demo.logins import LOGINS
from raseed.processes import Child

DIRECTORY = Path(os.environ.get("DEMO_DIR", PROJECT_DIR / "var" / "demo")).resolve()
READY_SECONDS_MAX = 60.0


class DemoFailed(Exception):
    """The demo cannot go on; the text says why and where to look."""


@dataclass(frozen=True)
class Ports:
    """Where the demo listens on 127.0.0.1; all but the portal's follow from it."""

    portal: int

    @property
    def bank(self) -> int:
        return self.portal + 1

    @property
    def mail(self) -> int:
        return self.portal + 2


def forget() -> None:
    """Delete the demo's data, wherever it lies."""
    cluster = EmbeddedPostgres(DIRECTORY / "postgres")
    if (cluster.root / "pgdata" / "postmaster.pid").exists():
        raise DemoFailed("the demo is running (or was killed a moment ago); stop it first")
    shutil.rmtree(cluster.root, ignore_errors=True)
    shutil.rmtree(DIRECTORY, ignore_errors=True)


def _secret(name: str) -> str:
    """A secret of this demo, made once and kept beside its data."""
    file = DIRECTORY / name
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(36))
    return file.read_text()


def password() -> str:
    """The password of all demo logins: DEMO_PASSWORD if it is set, else the one made at the first run."""
    file = DIRECTORY / "password"
    wanted = os.environ.get("DEMO_PASSWORD")
    if wanted or not file.exists():
        file.touch(mode=0o600)
        file.write_text(wanted or f"raseed-demo-{secrets.token_hex(3)}")
    return file.read_text()


def _environment(cluster: EmbeddedPostgres, ports: Ports) -> dict[str, str]:
    return {
        "RASEED_ENV": "demo",
        "DATABASE_URL": cluster.url(),
        "DATABASE_OWNER_URL": cluster.url(OWNER_ROLE),
        "SECRET_KEY": _secret("secret_key"),
        "FACTOR_KEYS": _secret("factor_key"),
        "PUBLIC_URL": f"http://localhost:{ports.portal}",
        "ALLOWED_HOSTS": "localhost,127.0.0.1",
        "SMTP_URL": f"smtp://127.0.0.1:{ports.mail}",
        "GATEWAY": "sandbox",
        "SANDBOX_URL": f"http://127.0.0.1:{ports.bank}",
        "SANDBOX_SECRET_KEY": _secret("bank_secret_key"),
        "SANDBOX_WEBHOOK_SECRET": _secret("bank_webhook_secret"),
        "MAILBOX_DIR": str(DIRECTORY / "mailbox"),
    }


class Demo:
    """The processes of one run, in the order of their start."""

    def __init__(self, console: Console, ports: Ports) -> None:
        self._console = console
        self._ports = ports
        self._children: list[Child] = []
        self._cluster = EmbeddedPostgres(DIRECTORY / "postgres")
        self._ended = threading.Event()

    def run(self) -> None:
        """Everything, until Ctrl-C or SIGTERM. Raises DemoFailed."""
        for name in ("log", "mailbox", "papers"):
            (DIRECTORY / name).mkdir(parents=True, exist_ok=True)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)
        try:
            self._start_and_serve()
        except KeyboardInterrupt:
            self._console.print("stopping")
        finally:
            self._stop()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if self._ended.is_set():
            return
        self._ended.set()
        raise KeyboardInterrupt

    def _start_and_serve(self) -> None:
        with self._console.status("starting PostgreSQL"):
            self._cluster.start()
        environment = os.environ | _environment(self._cluster, self._ports)
        os.environ.update(environment)
        with self._console.status("migrating"):
            self._finish("migrate", "--quiet")
        self._start("sandbox", "--port", str(self._ports.bank), "--data-dir", str(DIRECTORY / "bank"),
                    "--webhook-url", f"http://127.0.0.1:{self._ports.portal}/webhooks/sandbox")  # fmt: skip
        self._start_module(
            "raseed.mailbox", "--port", str(self._ports.mail), "--directory", str(DIRECTORY / "mailbox")
        )
        self._wait_for(f"http://127.0.0.1:{self._ports.bank}/healthz")
        with self._console.status("seeding an operator, two accounts and three months of their life"):
            self._finish("demo-seed")
        self._start("serve", "--port", str(self._ports.portal))
        self._start("worker")
        self._wait_for(f"http://127.0.0.1:{self._ports.portal}/readyz")
        self._finish("demo-pay", show=True)
        self._say_where()
        while not self._ended.wait(1.0):
            self._check()

    def _start(self, *command: str) -> None:
        self._start_module("raseed.cli", *command)

    def _start_module(self, module: str, *arguments: str) -> None:
        name = arguments[0] if module == "raseed.cli" else module.rsplit(".", 1)[1]
        command = [sys.executable, "-m", module, *arguments]
        self._children.append(Child(name, command, os.environ, DIRECTORY / "log" / f"{name}.log"))

    def _finish(self, *command: str, show: bool = False) -> None:
        """Run a command of ours to its end; with `show` its words are the demo's own."""
        log = DIRECTORY / "log" / f"{command[0]}.log"
        log.unlink(missing_ok=True)
        child = Child(command[0], [sys.executable, "-m", "raseed.cli", *command], os.environ, log)
        self._children.append(child)
        while (code := child.exit_code()) is None:
            time.sleep(0.05)
        self._children.remove(child)
        if show or code:
            self._console.print(child.tail(6000), highlight=False, markup=False)
        if code:
            raise DemoFailed(f"raseed {' '.join(command)} ended with {code}; see {log}")

    def _wait_for(self, url: str) -> None:
        deadline = time.monotonic() + READY_SECONDS_MAX
        while time.monotonic() < deadline:
            self._check()
            try:
                if httpx.get(url, timeout=2, trust_env=False).status_code == 200:
                    return
            except httpx.HTTPError:
                time.sleep(0.1)
        raise DemoFailed(f"{url} does not answer; see {DIRECTORY / 'log'}")

    def _check(self) -> None:
        for child in self._children:
            code = child.exit_code()
            if code is not None:
                raise DemoFailed(
                    f"{child.name} ended by itself with {code}:\n{child.tail()}\nsee {child.log}"
                )

    def _stop(self) -> None:
        # In the order of their dependence: first who takes requests, last who holds the data.
        for child in reversed(self._children):
            child.stop()
        self._cluster.stop()

    def _say_where(self) -> None:
        say = self._console.print
        say(f"\nPortal    http://localhost:{self._ports.portal}/settings/billing/balance")
        say(f"Mailbox   http://localhost:{self._ports.portal}/demo/mailbox")
        say(f"Back office http://localhost:{self._ports.portal}/backoffice/")
        say(
            f"Bank      http://127.0.0.1:{self._ports.bank}  (cards: 4242 4242 4242 4242, 4000 0027 6000 3184 …)"
        )
        say(f"\nPassword of every login: {password()}")
        for email, who in LOGINS.items():
            say(f"  {email:24} {who}", highlight=False)
        say("\nServing until Ctrl-C. `make demo-reset` forgets the data.")


def papers_dir() -> Path:
    """Where the demo's one Pay Now puts the voucher's file."""
    return DIRECTORY / "papers"
