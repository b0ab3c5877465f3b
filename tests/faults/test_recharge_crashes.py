"""An automatic recharge that dies: before its intent, after it, and with the card charged and nothing credited yet.

The job comes again, as the worker revives it: one charge, one credit, one row in the history.
"""

from collections.abc import Iterator

import pytest
from django.utils import timezone

from bank import RunningBank
from conftest import RealDatabase
from faults.actors import Actors
from people import make_operator
from raseed.db.invariants import run as invariants
from raseed.payments.models import ListCursor
from recharging import Recharged, recharged
from sabotage.range import AT_REST

pytestmark = pytest.mark.xdist_group("crashes")


@pytest.fixture(scope="module")
def actors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Actors]:
    with Actors(tmp_path_factory.mktemp("markers")) as started:
        yield started


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBank]:
    with RunningBank(tmp_path_factory.mktemp("bank"), webhook_attempts_max=1, hang_s=2) as running:
        yield running


@pytest.mark.parametrize(
    ("point", "states", "charged"),
    [
        ("KP15", [], []),
        ("KP02", ["submitted"], []),
        ("KP16", ["submitted"], [47_500]),
        ("KP05", ["submitted"], [47_500]),
    ],
)
def test_killed_at(
    real_db: RealDatabase,
    actors: Actors,
    bank: RunningBank,
    point: str,
    states: list[str],
    charged: list[int],
) -> None:
    make_operator()
    falcon: Recharged = recharged(bank)
    falcon.card()
    # What the bank did for others before is not looked at.
    ListCursor.objects.create(gateway="sandbox", cursor=bank.book()[-1]["cursor"], walked_at=timezone.now())
    falcon.has("40")
    falcon.on()
    falcon.use("15")
    account = str(falcon.account.id)

    def act(name: str, at: str = "none", **given: object) -> object:
        return actors.start(real_db.url, bank.url, name, at, **given).ended()

    assert act("recharge", at=point, account_id=account) is None
    assert list(falcon.recharges().values_list("state", flat=True)) == states
    assert (falcon.charges(), falcon.available()) == (charged, "25.0")
    # The job again, and the worker's rounds.
    act("recharge", account_id=account)
    payment = falcon.recharges().get()
    assert act("follow", account_id=account, payment_id=str(payment.id), seconds=5) == "succeeded"
    act("issue_voucher", account_id=account, payment_id=str(payment.id))
    act("walk_list")
    assert (falcon.charges(), falcon.available()) == ([47_500], "500.0")
    assert falcon.reasons().count("charge") == 1
    assert [str(one) for one in invariants(timezone.now() + AT_REST)] == []
