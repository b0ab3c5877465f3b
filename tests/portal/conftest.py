"""A company with its Admin signed in, and the bank as a process, for the pages that pay."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

from bank import RunningBank
from people import Company, make_company, make_operator

HTMX = {"HX-Request": "true"}


@pytest.fixture
def company(db: None) -> Company:
    make_operator()
    return make_company()


@pytest.fixture
def admin(company: Company) -> Client:
    return signed_in(company)


@pytest.fixture
def paying(real_db: object) -> Company:
    """A company in a database of real commits: paying may not run inside a test's transaction."""
    make_operator()
    return make_company()


@pytest.fixture
def payer(paying: Company) -> Client:
    return signed_in(paying)


@pytest.fixture
def bank(tmp_path: Path, settings: Settings) -> Iterator[RunningBank]:
    """A bank that sends no webhooks; the gateway gives it 0.8 s to answer."""
    with RunningBank(tmp_path / "bank", webhook_attempts_max=1) as running:
        settings.SANDBOX_URL = running.url
        settings.GATEWAY_TIMEOUT_S = 0.8
        yield running


def signed_in(company: Company) -> Client:
    client = Client()
    client.force_login(company.admin)
    return client
