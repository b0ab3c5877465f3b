"""A thousand deductions across the threshold are one charge; beside it the same with one guard less."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from django.db import connections
from pytest_django import Settings

from bank import RunningBank
from conftest import RealDatabase
from people import NOON, make_operator, open_one
from raseed.accounts.models import Account
from raseed.balance.deduct import deduct
from raseed.balance.models import Line
from raseed.gateways import registry
from raseed.payments.models import Payment
from raseed.payments.paynow import PaymentInProgress
from raseed.payments.recharge import consider
from raseed.payments.recharge.models import RechargeSeries
from raseed.payments.recharge.reasons import Cause, Reason
from recharging import Recharged, recharged, usage, usd

THREADS = 16
DEDUCTIONS = 1_000


@pytest.fixture
def falcon(real_db: RealDatabase, one_more_bank: RunningBank, settings: Settings) -> Recharged:
    make_operator()
    settings.SANDBOX_URL = one_more_bank.url
    settings.GATEWAY_TIMEOUT_S, settings.GATEWAY_REQUESTS_PER_S = 30, 10_000
    return recharged(one_more_bank)


@pytest.fixture
def one_more_bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBank]:
    with RunningBank(tmp_path_factory.mktemp("bank"), webhook_attempts_max=1) as running:
        yield running
        registry.close_all()


def all_at_once(act: Callable[[int], object], times: int) -> list[object]:
    """`act(number)` in sixteen threads; what each returned or raised."""
    begin = threading.Barrier(THREADS)

    def run(thread: int) -> list[object]:
        done: list[object] = []
        try:
            begin.wait(30)
            for number in range(thread, times, THREADS):
                try:
                    done.append(act(number))
                except Exception as error:
                    done.append(error)
        finally:
            connections.close_all()
        return done

    with ThreadPoolExecutor(THREADS) as pool:
        return [one for part in pool.map(run, range(THREADS)) for one in part]


def test_a_thousand_deductions_across_the_threshold_are_one_charge(falcon: Recharged) -> None:
    falcon.card()
    falcon.has("1000")
    falcon.on()

    def spend(_number: int) -> None:
        deduct(usage(falcon.account.id, usd("0.98"), NOON), NOON)

    assert all_at_once(spend, DEDUCTIONS) == [None] * DEDUCTIONS
    assert falcon.available() == "20.0"
    assert len(falcon.queued()) == 1
    # Whatever is queued, and once more by everybody at the same time.
    considered = all_at_once(
        lambda _number: consider.consider(falcon.account.id, Cause.CROSSED, NOON), 2 * THREADS
    )
    assert [one for one in considered if isinstance(one, Exception)] == []
    assert falcon.charges() == [48_000]
    assert falcon.available() == "500.0"


def test_without_the_armed_line_each_deduction_below_it_asks(falcon: Recharged) -> None:
    falcon.card()
    falcon.has("40")
    falcon.on()

    def spend(_number: int) -> None:
        Line.objects.filter(account_id=falcon.account.id).update(crossed_at=None)
        falcon.use("15")

    for number in range(3):
        spend(number)
    assert len(falcon.queued()) == 3


def claimed_together(falcon: Recharged, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Everybody decides before anybody writes: the account's lock and that of the tries are taken away."""
    falcon.card()
    falcon.has("40")
    falcon.on()
    falcon.use("15")
    decided = threading.Barrier(THREADS)

    def decide(_name: str, _key: object) -> None:
        if _name == "KP15":
            decided.wait(30)

    monkeypatch.setattr(consider, "_turn", lambda account_id: Account.objects.get(id=account_id))
    RechargeSeries.objects.get(account_id=falcon.account.id)
    monkeypatch.setattr(
        consider.series, "locked", lambda account_id: RechargeSeries.objects.get(account_id=account_id)
    )
    monkeypatch.setattr(consider, "failpoint", decide)
    all_at_once(lambda _number: consider.consider(falcon.account.id, Cause.CROSSED, NOON), THREADS)
    return falcon.charges()


def without_its_own_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key that names the try and the card is a guard too: each claim gets one of its own here."""
    monkeypatch.setattr(consider, "uuid5", lambda *_given: uuid4())


def test_without_the_locks_the_index_still_lets_one_through(
    falcon: Recharged, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_its_own_key(monkeypatch)
    assert claimed_together(falcon, monkeypatch) == [47_500]
    assert falcon.recharges().count() == 1
    assert Reason.IN_FLIGHT in falcon.reasons()


def test_without_the_index_it_charges_more_than_once(
    real_db: RealDatabase, falcon: Recharged, monkeypatch: pytest.MonkeyPatch
) -> None:
    with real_db.owner() as owner:
        owner.execute("DROP INDEX payments_one_open_recharge")
    without_its_own_key(monkeypatch)
    assert claimed_together(falcon, monkeypatch) == [47_500] * THREADS


def test_pay_now_and_recharge_at_the_same_moment_take_turns(falcon: Recharged) -> None:
    """Whichever comes first counts: the other one is told, or leaves room for it. Neither has the other's key."""
    falcon.card()
    for _race in range(10):
        hawk = recharged(falcon.bank, "Hawk Trading")
        hawk.card()
        hawk.has("25")
        hawk.on()
        start = threading.Barrier(2)

        def run(act: Callable[[], object], start: threading.Barrier = start) -> object:
            try:
                start.wait(30)
                return act()
            except PaymentInProgress as refused:
                return refused
            finally:
                connections.close_all()

        with ThreadPoolExecutor(2) as pool:
            paying = pool.submit(run, lambda hawk=hawk: open_one(hawk.company, "100"))
            charging = pool.submit(run, hawk.consider)
            manual, charge = paying.result(), charging.result()
        if isinstance(manual, PaymentInProgress):
            # The recharge was there first, and under way.
            assert hawk.charges() == [47_500]
        elif charge is None:
            # The payment was there first: it counts as balance.
            assert (hawk.charges(), hawk.last().reason) == ([], Reason.PENDING)
        else:
            # The recharge was there first, and over.
            assert hawk.charges() == [47_500]
        keys = list(Payment.objects.filter(account_id=hawk.account.id).values_list("client_key", flat=True))
        assert len(keys) == len(set(keys))
