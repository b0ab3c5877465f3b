"""The long soak: first the saboteurs, then thousands of payments on a database of its own that crashes under them.

PAYMENTS and SEED come from the environment (`make soak PAYMENTS=5000 SEED=1`). Figures go to var/soak.json, logs stay in
var/soak. The exit code is 0 only for a run without a fault in which every saboteur was caught.
"""

import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.db import connections

from conftest import CLUSTER_ENV, TEMPLATE, RealDatabase, _point_django_at
from raseed.config.environment import PROJECT_DIR
from raseed.db.embedded import OWNER_ROLE, EmbeddedPostgres
from raseed.gateways import registry
from raseed.processes import Child
from sabotage.range import open_range
from sabotage.saboteurs import SABOTEURS
from soak.crashing_postgres import CRASH, READY, recoveries
from soak.run import CHARGE_MIX, HERE, Plan, Soak, wait
from soak.verdict import Verdict

VAR = PROJECT_DIR / "var"
CUT_EVERY_S, DEPLOY_EVERY_S, CRASH_EVERY_S = 7, 45, 30


def plan() -> Plan:
    """What was asked for."""
    return Plan(
        payments=int(os.environ.get("PAYMENTS") or 5000),
        seed=int(os.environ.get("SEED") or 1),
        kill_one_in=80,
        cut_every_s=CUT_EVERY_S,
        deploy_every_s=DEPLOY_EVERY_S,
        crash_every_s=CRASH_EVERY_S,
    )


def tell(line: str) -> None:
    """A line of progress."""
    print(line, flush=True)


@contextmanager
def own_cluster(root: Path, log: Path) -> Iterator[Child]:
    """A durable PostgreSQL in `root`, run by a process that can crash it, with a migrated template."""
    os.environ[CLUSTER_ENV] = str(root)
    child = Child(
        "postgres", [sys.executable, str(HERE / "crashing_postgres.py"), str(root)], os.environ, log
    )
    try:
        wait(lambda: READY in log.read_text(), "PostgreSQL")
        cluster = EmbeddedPostgres(root)
        cluster.clone("raseed", TEMPLATE)
        at = {
            "DATABASE_URL": cluster.url(database=TEMPLATE),
            "DATABASE_OWNER_URL": cluster.url(OWNER_ROLE, TEMPLATE),
        }
        subprocess.run(
            [sys.executable, "-m", "raseed.cli", "migrate", "--quiet"],
            env=os.environ | {"RASEED_ENV": "test"} | at,
            check=True,
        )
        yield child
    finally:
        connections.close_all()
        child.stop()


@contextmanager
def database(root: Path, name: str) -> Iterator[RealDatabase]:
    """A copy of the template, with Django pointed at it."""
    cluster = EmbeddedPostgres(root)
    cluster.clone(TEMPLATE, name)
    _point_django_at(name)
    try:
        yield RealDatabase(name, cluster.url(database=name), cluster.url(OWNER_ROLE, name))
    finally:
        connections.close_all()
        cluster.drop(name)


def catch_saboteurs(root: Path, directory: Path) -> list[str]:
    """The names of those that got away; each is let loose on a database of its own, after a run without it."""
    away = []
    with open_range(directory) as where:
        for number, saboteur in enumerate(SABOTEURS):
            with database(root, f"calm_{number}") as calm:
                false_alarm = saboteur.drill(where.on(calm))
            with database(root, f"sabotaged_{number}") as struck, saboteur.at_work(struck):
                found = saboteur.drill(where.on(struck))
            caught = bool(found) and not false_alarm
            tell(f"saboteur {saboteur.name}: {'; '.join(false_alarm or found) or 'NOT CAUGHT'}")
            if not caught:
                away.append(saboteur.name)
    return away


def soak(root: Path, directory: Path, postgres: Child) -> tuple[Verdict, list[str]]:
    """The run itself: figures and faults."""
    with database(root, "soak") as real:
        run = Soak(plan(), real, directory, crash=lambda: os.kill(postgres.pid, CRASH), tell=tell)
        settings.PUBLIC_URL = run.portal
        run.bank.start()
        settings.SANDBOX_URL = run.bank.url
        settings.GATEWAY_TIMEOUT_S = 5
        try:
            verdict = run.run()
            reconciled, verified = run.command("reconcile"), run.command("verify", "--at-rest")
        finally:
            run.bank.stop()
            run.bank.client.close()
            registry.gateway("sandbox").close()
    verdict.weather["recoveries"] = recoveries(root)
    faults = verdict.faults() + [f"{one} was not met" for one in verdict.unmet(CHARGE_MIX)]
    if run.strikes["crashes"] and not verdict.weather["recoveries"]:
        faults.append("no crash of the database was recovered from")
    faults += [
        f"raseed {name}: {done.stdout}{done.stderr}"
        for name, done in (("reconcile", reconciled), ("verify", verified))
        if done.returncode != 0
    ]
    return verdict, faults


def main() -> int:
    """All of it; the exit code."""
    began = time.monotonic()
    # The saboteurs make this process log what it should; the processes of the soak log to var/soak.
    logging.disable(logging.CRITICAL)
    directory = VAR / "soak"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    home = Path(tempfile.mkdtemp(prefix="raseed-soak-"))
    home.chmod(0o755)
    try:
        with own_cluster(home / "pg", directory / "postgres.log") as postgres:
            tell(f"{len(SABOTEURS)} saboteurs")
            away = catch_saboteurs(home / "pg", directory)
            tell(f"{plan().payments} payments, seed {plan().seed}")
            verdict, faults = soak(home / "pg", directory, postgres)
    finally:
        shutil.rmtree(EmbeddedPostgres(home / "pg").root, ignore_errors=True)
        shutil.rmtree(home, ignore_errors=True)
    verdict.saboteurs, verdict.saboteurs_caught = len(SABOTEURS), len(SABOTEURS) - len(away)
    verdict.seconds = round(time.monotonic() - began, 1)
    (VAR / "soak.json").write_text(json.dumps(verdict.as_json(), indent=1) + "\n")
    faults += [f"saboteur {name} was not caught" for name in away]
    tell(json.dumps(verdict.as_json(), indent=1))
    tell("\n".join(faults) if faults else "no fault")
    return 1 if faults else 0
