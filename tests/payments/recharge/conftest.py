"""One bank and one database for all tests of recharge; every test has an account of its own."""

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from bank import RunningBank
from conftest import RealDatabase
from people import make_operator
from raseed.gateways import registry
from recharging import Recharged, recharged


@pytest.fixture(scope="module")
def one_bank(shared_real_db: RealDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBank]:
    make_operator()
    with RunningBank(tmp_path_factory.mktemp("bank"), webhook_attempts_max=1) as running:
        yield running
        registry.close_all()


@pytest.fixture
def falcon(one_bank: RunningBank, settings: Settings) -> Recharged:
    """An account with nothing yet."""
    settings.SANDBOX_URL = one_bank.url
    settings.GATEWAY_TIMEOUT_S, settings.GATEWAY_REQUESTS_PER_S = 10, 10_000
    return recharged(one_bank)
