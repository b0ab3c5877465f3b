"""A bank process for the module, and the adapter that speaks to it."""

from collections.abc import Iterator

import pytest

from bank import Postbox, RunningBank
from raseed.gateways.sandbox import SandboxGateway


@pytest.fixture(scope="module")
def postbox() -> Iterator[Postbox]:
    with Postbox() as box:
        yield box


@pytest.fixture(scope="module")
def shared_bank(tmp_path_factory: pytest.TempPathFactory, postbox: Postbox) -> Iterator[RunningBank]:
    with RunningBank(
        tmp_path_factory.mktemp("bank"), postbox.url, hang_s=3, late_s=0.5, refund_s=0
    ) as running:
        yield running


@pytest.fixture
def bank(shared_bank: RunningBank) -> RunningBank:
    shared_bank.behaviour(clear=True)
    return shared_bank


@pytest.fixture
def gateway(bank: RunningBank) -> Iterator[SandboxGateway]:
    adapter = SandboxGateway(
        url=bank.url, secret_key=bank.secret, webhook_secrets=[bank.webhook_secret], timeout_s=0.5
    )
    yield adapter
    adapter.close()
