"""A PostgreSQL cluster of a test's own: durable, migrated, and able to crash without taking others along."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.db import connections

from conftest import TEMPLATE, RealDatabase
from raseed.config.environment import database_settings
from raseed.db.embedded import OWNER_ROLE, EmbeddedPostgres
from raseed.processes import Child
from soak.crashing_postgres import CRASH, READY, recoveries
from soak.run import HERE, wait


@dataclass(frozen=True)
class OwnCluster:
    """`root` holds its files, `child` is the process that runs it."""

    root: Path
    child: Child

    def crash(self) -> None:
        """Take it down without a checkpoint; it comes back by itself."""
        os.kill(self.child.pid, CRASH)

    def crash_and_recover(self) -> None:
        """Take it down and wait until it has recovered."""
        before = recoveries(self.root)
        self.crash()
        wait(lambda: recoveries(self.root) > before and self._answers(), "PostgreSQL, after its crash")

    @contextmanager
    def database(self, name: str) -> Iterator[RealDatabase]:
        """A migrated database, with Django pointed at it meanwhile."""
        cluster = EmbeddedPostgres(self.root)
        cluster.clone(TEMPLATE, name)
        made = RealDatabase(name, cluster.url(database=name), cluster.url(OWNER_ROLE, name))
        kept = {alias: dict(connections.settings[alias]) for alias in ("default", "owner")}
        try:
            for alias, url in (("default", made.url), ("owner", made.owner_url)):
                connections[alias].close()
                connections.settings[alias].update(database_settings(url))
            yield made
        finally:
            for alias, before in kept.items():
                connections[alias].close()
                connections.settings[alias].update(before)
            cluster.drop(name)

    def _answers(self) -> bool:
        return EmbeddedPostgres(self.root)._answers()


@contextmanager
def own_cluster(root: Path, log: Path) -> Iterator[OwnCluster]:
    """A cluster in `root`, run by a process that can crash it."""
    child = Child(
        "postgres", [sys.executable, str(HERE / "crashing_postgres.py"), str(root)], os.environ, log
    )
    try:
        wait(lambda: READY in log.read_text(), "PostgreSQL")
        cluster = EmbeddedPostgres(root)
        cluster.clone("raseed", TEMPLATE)
        environment = os.environ | {
            "RASEED_ENV": "test",
            "DATABASE_URL": cluster.url(database=TEMPLATE),
            "DATABASE_OWNER_URL": cluster.url(OWNER_ROLE, TEMPLATE),
        }
        subprocess.run(
            [sys.executable, "-m", "raseed.cli", "migrate", "--quiet"], env=environment, check=True
        )
        yield OwnCluster(root, child)
    finally:
        child.stop()
