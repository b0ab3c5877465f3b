"""An automatic recharge that dies: before its intent, after it, and with the card charged and nothing credited yet.

The job comes again, as the worker revives it: one charge, one credit, one row in the history. A card that declines for ever
is tried three times in seven days, each time by processes that are killed: what comes after starts from the database alone.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from django.test import Client
from django.utils import timezone

from bank import RunningBank
from conftest import RealDatabase
from faults.actors import Actors
from people import NOON, make_operator
from raseed.db.invariants import run as invariants
from raseed.notifications.models import Mail, MailKind
from raseed.payments.models import ListCursor
from raseed.payments.recharge.reasons import Reason
from raseed.payments.recharge.series import TRIES_MAX
from recharging import DAY, Recharged, recharged
from sabotage.range import AT_REST

pytestmark = pytest.mark.xdist_group("crashes")

FAILS_WHEN_SAVED = "4000000000000341"
# On the days of the three tries.
KILLED_AT = {0: "KP15", 1: "KP02", 2: "KP16"}


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


def asked(falcon: Recharged) -> int:
    """How often the bank was asked for a charge that it declined, by its own list."""
    refused = [one["reference"] for one in falcon.bank.dump()["payments"] if one["state"] == "failed"]
    return len([one for one in falcon.recharges() if str(one.id) in refused])


def test_three_tries_in_seven_days_whenever_the_process_is_killed(
    real_db: RealDatabase, actors: Actors, bank: RunningBank
) -> None:
    make_operator()
    falcon = recharged(bank)
    falcon.card(FAILS_WHEN_SAVED)
    falcon.has("40")
    falcon.on()
    falcon.use("15")

    def rounds(now: datetime, at: str = "none") -> None:
        """What a worker does at that time, to the point; one that passes no point is killed when all is done."""
        given = {"account_id": str(falcon.account.id), "now": now.isoformat()}
        assert actors.start(real_db.url, bank.url, "recharge_rounds_and_die", at, **given).ended() is None

    tries, mails, left = [], [], []
    for day in range(7):
        # Each day some minutes later than the try of the day before.
        now = NOON + day * (DAY + timedelta(minutes=10))
        rounds(now, KILLED_AT.get(day, "none"))
        left.append((list(falcon.recharges().values_list("state", flat=True)), asked(falcon)))
        # Revived: the job again, and the sweeps. Half a day later there is nothing to do.
        rounds(now + timedelta(minutes=1))
        if day < TRIES_MAX:
            rounds(now + timedelta(hours=12))
        tries.append(asked(falcon))
        mails.append(Mail.objects.filter(account_id=falcon.account.id, kind=MailKind.RECHARGE).count())

    # It died before the intent, before the bank was asked, and with the bank's answer.
    assert left[:3] == [([], 0), (["failed", "submitted"], 1), (["failed", "failed", "submitted"], 3)]
    assert tries == mails == [1, 2, 3, 3, 3, 3, 3]
    made = list(falcon.recharges())
    assert [one.state for one in made] == ["failed"] * TRIES_MAX
    assert all(later.created_at - one.created_at >= DAY for one, later in pairwise(made))
    assert (falcon.charges(), falcon.available()) == ([], "25.0")
    assert falcon.reasons().count(Reason.CHARGE) == TRIES_MAX
    assert falcon.reasons().count(Reason.GAVE_UP) == 1
    admin = Client()
    admin.force_login(falcon.company.admin)
    assert "Automatic recharge is paused" in admin.get("/settings/billing/balance").content.decode()
    assert [str(one) for one in invariants(NOON) if str(one).startswith("I22")] == []
