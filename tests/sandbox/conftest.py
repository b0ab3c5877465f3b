"""One bank process a module, its weather cleared before each test."""

from collections.abc import Iterator

import pytest

from bank import Postbox, RunningBank


@pytest.fixture(scope="module")
def postbox() -> Iterator[Postbox]:
    with Postbox() as box:
        yield box


@pytest.fixture(scope="module")
def shared_bank(tmp_path_factory: pytest.TempPathFactory, postbox: Postbox) -> Iterator[RunningBank]:
    with RunningBank(
        tmp_path_factory.mktemp("bank"),
        postbox.url,
        hang_s=0.6,
        late_s=0.5,
        refund_s=0.1,
        dispute_s=0.1,
        list_lag_s=0.5,
        busy_s=7,
        key_horizon_short_s=0.3,
        webhook_late_s=0.4,
        webhook_backoff_s=0.05,
    ) as running:
        yield running


@pytest.fixture
def bank(shared_bank: RunningBank) -> RunningBank:
    shared_bank.behaviour(clear=True)
    return shared_bank
