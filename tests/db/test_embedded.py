"""The embedded server: made once, kept, private, and back after a kill."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from raseed.db.embedded import EmbeddedPostgres, EmbeddedServerError


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    """A directory that the server's own user may walk to. The first test that starts a server makes the cluster there."""
    path = Path(f"/tmp/raseed-embedded-{os.getpid()}-{time.monotonic_ns()}")
    path.mkdir(mode=0o755)
    yield path
    subprocess.run(["rm", "-rf", str(path)], check=True)


def test_data_and_passwords_outlive_a_stop(root: Path) -> None:
    with EmbeddedPostgres(root / "pg", durable=False) as server:
        first = server.url()
        with psycopg.connect(server.url("raseed_owner"), autocommit=True) as owner:
            owner.execute("CREATE TABLE kept AS SELECT 7 AS number")
            owner.execute("GRANT SELECT ON kept TO raseed_app")
    with EmbeddedPostgres(root / "pg", durable=False) as server:
        assert server.url() == first
        with psycopg.connect(server.url()) as app:
            assert app.execute("SELECT number FROM kept").fetchone() == (7,)


def test_nobody_enters_without_a_password_and_no_port_is_open(root: Path) -> None:
    with EmbeddedPostgres(root / "pg", durable=False) as server:
        without = f"postgresql://raseed_app@/raseed?host={server.socket_dir}"
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(without, passfile="/dev/null")
        with psycopg.connect(server.url()) as app:
            assert app.execute("SHOW listen_addresses").fetchone() == ("",)
            assert app.execute(
                "SELECT rolsuper, rolbypassrls, rolcreatedb FROM pg_roles WHERE rolname = current_user"
            ).fetchone() == (False, False, False)


def test_the_application_may_not_make_tables(root: Path) -> None:
    with (
        EmbeddedPostgres(root / "pg", durable=False) as server,
        psycopg.connect(server.url()) as app,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        app.execute("CREATE TABLE mine (id int)")


def test_a_second_server_on_the_same_directory_is_refused(root: Path) -> None:
    with (
        EmbeddedPostgres(root / "pg", durable=False),
        pytest.raises(EmbeddedServerError, match="lock file"),
    ):
        EmbeddedPostgres(root / "pg", durable=False).start()


def test_a_killed_server_starts_again(root: Path) -> None:
    server = EmbeddedPostgres(root / "pg", durable=False)
    server.start()
    pid = int((server.root / "pgdata" / "postmaster.pid").read_text().splitlines()[0])
    os.kill(pid, signal.SIGKILL)
    assert server._process is not None
    server._process.wait()
    server._process = None
    with server, psycopg.connect(server.url()) as app:
        assert app.execute("SELECT 1").fetchone() == (1,)


def test_it_ends_with_the_process_that_started_it(root: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from raseed.db.embedded import EmbeddedPostgres;"
        f"server = EmbeddedPostgres(Path('{root / 'pg'}'), durable=False); server.start();"
        "print((server.root / 'pgdata' / 'postmaster.pid').read_text().splitlines()[0], flush=True); time.sleep(60)"
    )
    starter = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert starter.stdout is not None
    pid = int(starter.stdout.readline())
    starter.kill()
    starter.wait()
    starter.stdout.close()
    deadline = time.monotonic() + 20
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists()
