"""Payments on real processes under kill -9 and a bad bank: none lost, none doubled, nothing unresolved.

300 payments by default; SOAK_PAYMENTS and SOAK_SEED ask for more and for others. Figures go to var/soak.json.
"""

import json
import os
from pathlib import Path

import pytest
from django.db import connections
from pytest_django import Settings

from conftest import RealDatabase
from raseed.config.environment import PROJECT_DIR
from raseed.gateways import registry
from soak.run import CHARGE_MIX, Plan, Soak

PLAN = Plan(int(os.environ.get("SOAK_PAYMENTS", "300")), int(os.environ.get("SOAK_SEED", "1")))


@pytest.mark.timeout(600 + 3 * PLAN.payments)
def test_soak(real_db: RealDatabase, tmp_path: Path, settings: Settings) -> None:
    soak = Soak(PLAN, real_db, tmp_path)
    settings.PUBLIC_URL = soak.portal
    soak.bank.start()
    settings.SANDBOX_URL = soak.bank.url
    try:
        verdict = soak.run()
        reconciled, verified = soak.command("reconcile"), soak.command("verify", "--at-rest")
    finally:
        soak.bank.stop()
        soak.bank.client.close()
        registry.gateway("sandbox").close()
        connections.close_all()
    figures = PROJECT_DIR / "var" / "soak.json"
    figures.parent.mkdir(exist_ok=True)
    figures.write_text(json.dumps(verdict.as_json(), indent=1) + "\n")
    print(json.dumps(verdict.as_json()))  # the run's figures, for whoever runs it with -s
    assert verdict.faults() == []
    assert verdict.unmet(CHARGE_MIX) == []
    assert verdict.payments >= PLAN.payments
    assert (reconciled.returncode, reconciled.stderr) == (0, ""), reconciled.stdout
    assert verified.returncode == 0, verified.stdout
