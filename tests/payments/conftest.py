"""The bank as a process of its own, and Django pointed at it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from bank import RunningBank
from people import Company, make_company, make_operator
from raseed.gateways import registry


@pytest.fixture
def bank(tmp_path: Path, settings: Settings) -> Iterator[RunningBank]:
    """A bank that sends its webhooks nowhere; the gateway gives it 0.8 s to answer."""
    with RunningBank(tmp_path / "bank", webhook_attempts_max=1) as running:
        settings.SANDBOX_URL = running.url
        settings.GATEWAY_TIMEOUT_S = 0.8
        yield running
        registry.close_all()


@pytest.fixture
def company(real_db: object) -> Company:
    """An account in USD with an Admin, in a database of its own."""
    make_operator()
    return make_company()
