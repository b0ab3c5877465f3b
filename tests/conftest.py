"""A real PostgreSQL for every test: one embedded cluster a run, one migrated template, copies of it.

`db` (pytest-django's) runs a test inside a transaction that is rolled back, as the application's role.
`real_db` gives a test a database of its own, with real commits, for races, processes and broken data.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from django.db import connections
from django.utils import translation

from raseed.config.environment import database_settings
from raseed.db import guard
from raseed.db.embedded import OWNER_ROLE, EmbeddedPostgres

CLUSTER_ENV = "RASEED_TEST_CLUSTER"
TEMPLATE = "raseed_template"
# Folders that share one set of processes, or one world: see their conftest.
ONE_RIG = frozenset({"browser", "doors"})

_cluster: EmbeddedPostgres | None = None


def _attached() -> EmbeddedPostgres:
    """The run's cluster; in a worker of xdist, the one that the controller started."""
    return _cluster or EmbeddedPostgres(Path(os.environ[CLUSTER_ENV]), durable=False)


def pytest_configure(config: pytest.Config) -> None:
    global _cluster  # noqa: PLW0603 - the run's one server, started before workers are spawned
    if hasattr(config, "workerinput") or config.option.collectonly or config.option.help:
        return
    root = Path(tempfile.mkdtemp(prefix="raseed-test-"))
    root.chmod(0o755)
    _cluster = EmbeddedPostgres(root / "pg", durable=False)
    _cluster.start()
    os.environ[CLUSTER_ENV] = str(root / "pg")
    _cluster.clone("raseed", TEMPLATE)
    done = subprocess.run(
        [sys.executable, "-m", "raseed.cli", "migrate", "--quiet"],
        env=os.environ
        | {
            "RASEED_ENV": "test",
            "DATABASE_URL": _cluster.url(database=TEMPLATE),
            "DATABASE_OWNER_URL": _cluster.url(OWNER_ROLE, TEMPLATE),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        pytest_unconfigure(config)
        pytest.exit(f"migrations failed:\n{done.stdout}{done.stderr}", returncode=3)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep in one worker what shares a fixture, so that a bank, a browser, a world is made once and not once a worker.

    Before the plugin that spreads the tests reads the groups.
    """
    for item in items:
        if not isinstance(item, pytest.Function) or item.get_closest_marker("xdist_group"):
            continue
        folder = item.path.parent.name
        if folder in ONE_RIG:
            item.add_marker(pytest.mark.xdist_group(folder))
        elif any(made[-1].scope == "module" for made in item._fixtureinfo.name2fixturedefs.values()):
            item.add_marker(pytest.mark.xdist_group(item.path.relative_to(Path(__file__).parent).as_posix()))


def pytest_unconfigure(config: pytest.Config) -> None:
    global _cluster  # noqa: PLW0603
    if _cluster is not None:
        _cluster.stop()
        shutil.rmtree(_cluster.root.parent, ignore_errors=True)
        _cluster = None


def _point_django_at(database: str) -> None:
    cluster = _attached()
    for alias, url in (
        ("default", cluster.url(database=database)),
        ("owner", cluster.url(OWNER_ROLE, database)),
    ):
        connections[alias].close()
        connections.settings[alias].update(database_settings(url))


@pytest.fixture(scope="session")
def django_db_setup() -> Iterator[None]:
    """Give this worker its copy of the template; pytest-django's own set-up cannot, as the role may not."""
    database = f"raseed_{uuid4().hex[:12]}"
    _attached().clone(TEMPLATE, database)
    _point_django_at(database)
    guard.watch(connections["default"])
    yield
    for connection in connections.all(initialized_only=True):
        connection.close()
    _attached().drop(database)


@dataclass(frozen=True)
class RealDatabase:
    """A database of one test's own: `url` as the application's role, `owner_url` as the owner."""

    name: str
    url: str
    owner_url: str

    def owner(self) -> psycopg.Connection[tuple[object, ...]]:
        """A connection as the owner, each statement committed at once: for breaking data on purpose."""
        return psycopg.connect(self.owner_url, autocommit=True)

    def environment(self) -> dict[str, str]:
        """What a process of the product needs to work on this database."""
        return os.environ | {
            "RASEED_ENV": "test",
            "DATABASE_URL": self.url,
            "DATABASE_OWNER_URL": self.owner_url,
        }


@pytest.fixture(autouse=True)
def _english() -> Iterator[None]:
    """A page of one test leaves its reader's language behind in the thread; the next test reads English."""
    translation.activate("en")
    yield
    translation.deactivate()


@pytest.fixture
def real_db(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[RealDatabase]:
    """A fresh database with real commits, seen by threads and other processes, dropped at the end."""
    yield from _copy_of_the_template(django_db_blocker)


@pytest.fixture(scope="module")
def shared_real_db(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[RealDatabase]:
    """As `real_db`, one for all tests of a module, none of which may use `db` or `real_db`: each cleans up for itself."""
    yield from _copy_of_the_template(django_db_blocker)


def _copy_of_the_template(django_db_blocker: pytest.FixtureRequest) -> Iterator[RealDatabase]:
    cluster = _attached()
    name = f"raseed_{uuid4().hex[:12]}"
    before = str(connections["default"].settings_dict["NAME"])
    cluster.clone(TEMPLATE, name)
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        _point_django_at(name)
        try:
            yield RealDatabase(name, cluster.url(database=name), cluster.url(OWNER_ROLE, name))
        finally:
            _point_django_at(before)
            cluster.drop(name)
