"""A hundred payments on real processes under kill -9, cut lines and a bad bank: none lost, none doubled, nothing unresolved.

`make soak` makes more of them, crashes the database too, and writes var/soak.json.
"""

import json
from pathlib import Path

import pytest
from django.db import connections
from pytest_django import Settings

from bank import SECRET_KEY, WEBHOOK_SECRET
from conftest import RealDatabase
from logs import leaks_of
from people import PASSWORD
from raseed.gateways import registry
from soak.mix import MET
from soak.run import Plan, Soak

PLAN = Plan(payments=65, seed=1, customers=8, kill_one_in=12, recharging=3, hurry=True)


@pytest.mark.timeout(900)
def test_soak(real_db: RealDatabase, tmp_path: Path, settings: Settings) -> None:
    soak = Soak(PLAN, real_db, tmp_path, tell=print)
    settings.PUBLIC_URL = soak.portal
    soak.bank.start()
    settings.SANDBOX_URL = soak.bank.url
    try:
        verdict = soak.run()
        second_opinion = soak.second_opinion()
    finally:
        soak.bank.stop()
        soak.bank.client.close()
        registry.close_all()
        connections.close_all()
    print(json.dumps(verdict.as_json()))  # the run's figures, for whoever runs it with -s
    assert verdict.faults() == []
    assert verdict.unmet(MET) == []
    assert second_opinion == []
    assert verdict.payments >= PLAN.payments
    assert leaks_of(tmp_path, [PASSWORD, SECRET_KEY, WEBHOOK_SECRET]) == []
