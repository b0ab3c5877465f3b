"""The long soak: first the saboteurs, then thousands of payments on a database of its own that crashes under them.

PAYMENTS and SEED come from the environment (`make soak PAYMENTS=5000 SEED=1`). Figures go to var/soak.json, logs stay in
var/soak. The exit code is 0 only for a run without a fault in which every saboteur was caught.
"""

import json
import logging
import os
import shutil
import tempfile
import time
from pathlib import Path

from django.conf import settings

from raseed.config.environment import PROJECT_DIR
from raseed.db.embedded import EmbeddedPostgres
from raseed.gateways import registry
from sabotage.range import open_range
from sabotage.saboteurs import SABOTEURS
from soak.cluster import OwnCluster, own_cluster
from soak.crashing_postgres import recoveries
from soak.mix import MET
from soak.run import Plan, Soak
from soak.verdict import Verdict

VAR = PROJECT_DIR / "var"
CUSTOMERS, RECHARGING = 32, 16
CUT_EVERY_S, DEPLOY_EVERY_S, CRASH_EVERY_S = 7, 90, 60


def plan() -> Plan:
    """What was asked for; fewer payments are killed more often, so that every point is met."""
    payments = int(os.environ.get("PAYMENTS") or 5000)
    return Plan(
        payments=payments,
        seed=int(os.environ.get("SEED") or 1),
        customers=CUSTOMERS,
        kill_one_in=min(80, max(8, payments // 12)),
        cut_every_s=CUT_EVERY_S,
        deploy_every_s=DEPLOY_EVERY_S,
        crash_every_s=CRASH_EVERY_S,
        outlived=3,
        recharging=RECHARGING,
        patience_s=2,
    )


def tell(line: str) -> None:
    """A line of progress."""
    print(line, flush=True)


def catch_saboteurs(cluster: OwnCluster, directory: Path) -> list[str]:
    """The names of those that got away; each is let loose on a database of its own, after a run without it."""
    away = []
    with open_range(directory / "range") as where:
        for number, saboteur in enumerate(SABOTEURS):
            with cluster.database(f"calm_{number}") as calm:
                false_alarm = saboteur.drill(where.on(calm))
            with cluster.database(f"sabotaged_{number}") as struck, saboteur.at_work(struck):
                found = saboteur.drill(where.on(struck))
            caught = bool(found) and not false_alarm
            seen = "; ".join(found) if caught else f"NOT CAUGHT; with its guard in place: {false_alarm}"
            tell(f"saboteur {saboteur.name}: {seen}")
            if not caught:
                away.append(saboteur.name)
    return away


def soak(cluster: OwnCluster, directory: Path) -> tuple[Verdict, list[str]]:
    """The run itself: figures and faults."""
    with cluster.database("soak") as real:
        run = Soak(plan(), real, directory, crash=cluster.crash, tell=tell)
        settings.PUBLIC_URL = run.portal
        run.bank.start()
        settings.SANDBOX_URL = run.bank.url
        settings.GATEWAY_TIMEOUT_S = 5
        try:
            verdict = run.run()
            second_opinion = run.second_opinion()
        finally:
            run.bank.stop()
            run.bank.client.close()
            registry.close_all()
    verdict.weather["recoveries"] = recoveries(cluster.root)
    faults = verdict.faults() + [f"{one} was not met" for one in verdict.unmet(MET)]
    if not run.strikes["keys outlived"]:
        faults.append("no charge outlived its key")
    if run.strikes["crashes"] and not verdict.weather["recoveries"]:
        faults.append("no crash of the database was recovered from")
    return verdict, faults + second_opinion


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
        with own_cluster(home / "pg", directory / "postgres.log") as cluster:
            tell(f"{len(SABOTEURS)} saboteurs")
            away = catch_saboteurs(cluster, directory)
            tell(f"{plan().payments} payments, seed {plan().seed}")
            verdict, faults = soak(cluster, directory)
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
