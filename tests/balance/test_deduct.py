"""A deduction and the line that it comes to are one transaction; a repeat asks for nothing; a credit arms again."""

from uuid import UUID

import pytest
from django.db import transaction

from people import NOON, Company, make_company, make_operator
from raseed.balance import lines
from raseed.balance.deduct import deduct
from raseed.balance.models import Line, LineKind
from raseed.ledger.chart import EntryKind, Kind
from raseed.ledger.post import NewEntry, Transfer, post, set_floor
from raseed.money import Money
from recharging import usage, usd

pytestmark = pytest.mark.django_db


@pytest.fixture
def company() -> Company:
    make_operator()
    company = make_company()
    entry = NewEntry(
        account_id=company.account.id,
        kind=EntryKind.TOPUP_CASH,
        operation_key="cash",
        transfers=(Transfer(Kind.CASH, Kind.CUSTOMER, usd("100")),),
        at=NOON,
    )
    post(entry)
    lines.draw(company.account.id, LineKind.RECHARGE, usd("25"), NOON)
    return company


def crossed(account_id: UUID) -> bool:
    return Line.objects.get(account_id=account_id).crossed_at is not None


def test_a_deduction_that_is_rolled_back_has_crossed_nothing(company: Company) -> None:
    with transaction.atomic():
        deduct(usage(company.account.id, usd("80"), NOON), NOON)
        assert crossed(company.account.id)
        transaction.set_rollback(True)
    assert not crossed(company.account.id)


def test_a_repeated_deduction_moves_and_asks_nothing(company: Company) -> None:
    entry = usage(company.account.id, usd("80"), NOON)
    assert not deduct(entry, NOON).repeated
    Line.objects.filter(account_id=company.account.id).update(crossed_at=None)
    assert deduct(entry, NOON).repeated
    assert not crossed(company.account.id)


def test_the_credit_limit_counts(company: Company) -> None:
    set_floor(company.account.id, Money(-50_000_000, "USD"))
    deduct(usage(company.account.id, usd("124.99"), NOON), NOON)
    assert not crossed(company.account.id)
    deduct(usage(company.account.id, usd("0.01"), NOON), NOON)
    assert crossed(company.account.id)


def test_only_above_the_line_is_it_armed_again(company: Company) -> None:
    deduct(usage(company.account.id, usd("75"), NOON), NOON)
    assert lines.arm(company.account.id) == {LineKind.RECHARGE}
    assert crossed(company.account.id)
    post(
        NewEntry(
            account_id=company.account.id,
            kind=EntryKind.TOPUP_CASH,
            operation_key="a millionth",
            transfers=(Transfer(Kind.CASH, Kind.CUSTOMER, Money(1, "USD")),),
            at=NOON,
        )
    )
    assert lines.arm(company.account.id) == frozenset()
    assert not crossed(company.account.id)


def test_another_accounts_line_is_its_own(company: Company) -> None:
    other = make_company("Hawk Trading")
    deduct(usage(other.account.id, usd("10"), NOON), NOON)
    assert not crossed(company.account.id)
