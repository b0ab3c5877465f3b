"""What happens when nothing is left: suspended at once, or after the operator's time of grace; back with the money."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.db import connection, connections

from conftest import RealDatabase
from people import NOON, Company, make_company, make_operator
from raseed.accounts.models import Account, Operator
from raseed.balance import suspension
from raseed.balance.deduct import deduct
from raseed.balance.models import Reason, Suspension
from raseed.db.transactions import atomic
from raseed.ledger.chart import EntryKind, Kind
from raseed.ledger.post import NewEntry, Transfer, post, set_floor
from raseed.money import Money
from recharging import usage, usd

HOUR = timedelta(hours=1)


def queued(company: Company, job: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM procrastinate_jobs WHERE task_name = %s AND args ->> 'account_id' = %s",
            [job, str(company.account.id)],
        )
        return int(cursor.fetchone()[0])


def give(company: Company, amount: str, key: str = "cash") -> None:
    entry = NewEntry(
        account_id=company.account.id,
        kind=EntryKind.TOPUP_CASH,
        operation_key=key,
        transfers=(Transfer(Kind.CASH, Kind.CUSTOMER, usd(amount)),),
        at=NOON,
    )
    post(entry)


def reasons(company: Company) -> list[str]:
    return [str(one.reason) for one in suspension.open_suspensions(company.account.id)]


@pytest.fixture
def company(db: None) -> Company:
    make_operator()
    company = make_company()
    give(company, "100")
    return company


def grace_of(hours: int) -> None:
    Operator.objects.update(grace_hours=hours)


@pytest.mark.parametrize(
    ("used", "stopped"), [(99_999_999, []), (100_000_000, ["balance"]), (100_000_001, ["balance"])]
)
def test_nothing_left_suspends_at_once_and_a_millionth_does_not(
    company: Company, used: int, stopped: list[str]
) -> None:
    deduct(usage(company.account.id, Money(used, "USD"), NOON), NOON)
    assert reasons(company) == stopped
    assert queued(company, "notifications.mail_service_suspended") == len(stopped)


def test_usage_after_it_is_booked_and_suspends_once(company: Company) -> None:
    for amount in ("100", "7", "8"):
        deduct(usage(company.account.id, usd(amount), NOON), NOON)
    assert Suspension.objects.filter(account_id=company.account.id).count() == 1
    assert queued(company, "notifications.mail_service_suspended") == 1


def test_the_credit_limit_is_used_up_first(company: Company) -> None:
    set_floor(company.account.id, Money(-50_000_000, "USD"))
    deduct(usage(company.account.id, usd("149.99"), NOON), NOON)
    assert reasons(company) == []
    deduct(usage(company.account.id, usd("0.01"), NOON), NOON)
    assert reasons(company) == ["balance"]


def test_grace_holds_the_suspension_back_until_it_is_over(company: Company) -> None:
    grace_of(24)
    deduct(usage(company.account.id, usd("100"), NOON), NOON)
    deduct(usage(company.account.id, usd("1"), NOON), NOON + HOUR)
    assert reasons(company) == []
    assert queued(company, "notifications.mail_grace") == 1
    suspension.sweep(NOON + 24 * HOUR - timedelta(seconds=1))
    assert reasons(company) == []
    suspension.sweep(NOON + 24 * HOUR)
    suspension.sweep(NOON + 25 * HOUR)
    assert reasons(company) == ["balance"]
    assert queued(company, "notifications.mail_service_suspended") == 1


def test_a_payment_ends_the_grace_and_the_next_one_is_whole(company: Company) -> None:
    grace_of(24)
    deduct(usage(company.account.id, usd("100"), NOON), NOON)
    give(company, "5", "second")
    assert not suspension.restore_if_paid(company.account, NOON + HOUR)
    assert suspension.open_grace(company.account.id) is None
    suspension.sweep(NOON + 30 * HOUR)
    assert reasons(company) == []
    deduct(usage(company.account.id, usd("5"), NOON + 40 * HOUR), NOON + 40 * HOUR)
    there = suspension.open_grace(company.account.id)
    assert there is not None
    assert there.until == NOON + 64 * HOUR


def test_a_payment_that_is_too_small_leaves_the_grace_running(company: Company) -> None:
    grace_of(24)
    deduct(usage(company.account.id, usd("110"), NOON), NOON)
    give(company, "10", "second")
    suspension.restore_if_paid(company.account, NOON)
    assert suspension.open_grace(company.account.id) is not None


def test_the_sweep_suspends_what_ran_out_past_the_door(company: Company) -> None:
    entry = NewEntry(
        account_id=company.account.id,
        kind=EntryKind.DISPUTE,
        operation_key="dispute",
        transfers=(Transfer(Kind.CUSTOMER, Kind.GATEWAY_CLEARING, usd("100")),),
        at=NOON,
    )
    post(entry)
    nothing_yet = make_company("Nobody paid")
    assert suspension.sweep(NOON) == 1
    assert reasons(company) == ["balance"]
    assert reasons(nothing_yet) == []
    assert suspension.sweep(NOON) == 0


def _at_once(
    company: Company, restore: Callable[[Account, datetime], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sweep reads that nothing is left; before it commits, a payment arrives and asks to restore."""
    has_read, has_paid = threading.Event(), threading.Event()
    really = suspension.available

    def slow(account: Account) -> Money:
        there = really(account)
        if threading.current_thread().name == "sweep":
            has_read.set()
            # The payment can only end now if it does not wait for us.
            has_paid.wait(0.5)
        return there

    monkeypatch.setattr(suspension, "available", slow)

    def end() -> None:
        suspension.sweep(NOON + HOUR)
        connections.close_all()

    def pay() -> None:
        assert has_read.wait(10)
        with atomic():
            give(company, "50", "pay")
            restore(company.account, NOON + HOUR)
        has_paid.set()
        connections.close_all()

    threads = [threading.Thread(target=end, name="sweep"), threading.Thread(target=pay)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)


def _in_grace() -> Company:
    make_operator()
    grace_of(1)
    company = make_company()
    give(company, "10")
    deduct(usage(company.account.id, usd("10"), NOON), NOON)
    return company


def test_a_payment_at_the_very_end_of_the_grace_leaves_the_account_active(
    real_db: RealDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    company = _in_grace()
    _at_once(company, suspension.restore_if_paid, monkeypatch)
    assert reasons(company) == []
    assert suspension.open_grace(company.account.id) is None


def test_without_waiting_for_the_grace_a_paid_account_stays_suspended(
    real_db: RealDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control."""

    def only_lift(account: Account, now: datetime) -> None:
        suspension.lift(account.id, Reason.BALANCE, now)

    company = _in_grace()
    _at_once(company, only_lift, monkeypatch)
    assert reasons(company) == ["balance"]
