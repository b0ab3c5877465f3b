"""The one writer: what it writes, what it repeats, what it refuses with nothing moved."""

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from django.db import DatabaseError, connection, transaction

from ledger_words import NOW, entry, refund, topup, usage
from raseed.ledger.chart import EntryKind, Kind
from raseed.ledger.errors import (
    AlreadyReversed,
    BalanceCurrencyMismatch,
    InsufficientBalance,
    NothingToReverse,
    NotTheMirror,
    OperationKeyReused,
    UnknownAccount,
)
from raseed.ledger.models import CustomerTotal, LedgerAccount, LedgerEntry, LedgerTransfer
from raseed.ledger.post import NewEntry, Transfer, post, set_floor
from raseed.ledger.read import BalanceRow, balance, balances, entry_by_key, totals, transfers_of
from raseed.ledger.reversal import reversal_of
from raseed.money import Money

pytestmark = pytest.mark.django_db

MakeAccount = Callable[..., UUID]


def books(account_id: UUID) -> tuple[object, ...]:
    """All that stands in the account's books, to compare before and after a refusal."""
    return tuple(
        sorted(model.objects.filter(account_id=account_id).values_list(), key=repr)
        for model in (LedgerAccount, LedgerEntry, LedgerTransfer, CustomerTotal)
    )


def refused(error: type[Exception], new: NewEntry) -> None:
    """Post, expect the error, and see that nothing moved."""
    before = books(new.account_id)
    with pytest.raises(error), transaction.atomic():
        post(new)
    assert books(new.account_id) == before


def test_an_entry_moves_both_balances_by_exactly_its_amount(make_account: MakeAccount) -> None:
    account = make_account()
    posted = post(topup(account, "payment:1", 50_000_001))
    assert not posted.repeated
    assert balance(account, Kind.CUSTOMER, "USD") == BalanceRow(50_000_001, 0, 0, 1, "USD")
    assert balance(account, Kind.GATEWAY_CLEARING, "USD") == BalanceRow(-50_000_001, 0, None, 1, "USD")
    assert transfers_of(account, posted.entry_id) == topup(account, "payment:1", 50_000_001).transfers


def test_an_entry_of_several_transfers_counts_once_in_every_version(make_account: MakeAccount) -> None:
    account = make_account("SAR")
    post(
        NewEntry(
            account,
            EntryKind.USAGE,
            "usage:1",
            (
                Transfer(Kind.CUSTOMER, Kind.UNINVOICED_REVENUE, Money(100, "SAR")),
                Transfer(Kind.CUSTOMER, Kind.TAX_ACCRUED, Money(15, "SAR")),
            ),
            NOW,
        )
    )
    assert {key: (row.balance_micros, row.version) for key, row in balances(account).items()} == {
        (Kind.CUSTOMER, "SAR"): (-115, 1),
        (Kind.TAX_ACCRUED, "SAR"): (15, 1),
        (Kind.UNINVOICED_REVENUE, "SAR"): (100, 1),
    }


def test_a_balance_never_posted_to_reads_as_zero(make_account: MakeAccount) -> None:
    assert balance(make_account(), Kind.CUSTOMER, "USD") == BalanceRow(0, 0, 0, 0, "USD")


def test_times_memo_and_key_are_kept(make_account: MakeAccount) -> None:
    account = make_account()
    later = NOW + timedelta(days=3)
    new = NewEntry(
        account,
        EntryKind.ADJUSTMENT,
        "adjustment:1",
        (Transfer(Kind.ADJUSTMENTS, Kind.CUSTOMER, Money(7, "USD")),),
        NOW,
        memo={"reason": "خطأ في الفاتورة"},
        recorded_at=later,
    )
    post(new)
    row = entry_by_key(account, "adjustment:1")
    assert row is not None
    assert (row.kind, row.at, row.recorded_at, row.memo) == (
        "adjustment",
        NOW,
        later,
        {"reason": "خطأ في الفاتورة"},
    )
    assert bytes(row.fingerprint) == new.fingerprint()
    assert entry_by_key(make_account(), "adjustment:1") is None


def test_the_same_key_and_body_give_the_first_entry_again(make_account: MakeAccount) -> None:
    account = make_account()
    first = post(topup(account, "payment:1", 5))
    before = books(account)
    again = post(topup(account, "payment:1", 5, at=NOW + timedelta(hours=1)))
    assert (again.entry_id, again.repeated) == (first.entry_id, True)
    assert books(account) == before


def test_keys_are_the_accounts_own(make_account: MakeAccount) -> None:
    one, other = make_account(), make_account()
    assert post(topup(one, "payment:1", 5)).entry_id != post(topup(other, "payment:1", 6)).entry_id
    assert balance(other, Kind.CUSTOMER, "USD").balance_micros == 6


def test_the_same_key_with_another_body_is_refused(make_account: MakeAccount) -> None:
    account = make_account()
    post(topup(account, "payment:1", 5))
    refused(OperationKeyReused, topup(account, "payment:1", 6))
    refused(OperationKeyReused, usage(account, "payment:1", 5))
    assert OperationKeyReused.status == 422


def test_a_guarded_entry_stops_at_the_floor_and_leaves_its_proof(make_account: MakeAccount) -> None:
    account = make_account()
    post(topup(account, "payment:1", 100))
    refused(InsufficientBalance, refund(account, "refund:1", 101))
    posted = post(refund(account, "refund:1", 100))
    assert balance(account, Kind.CUSTOMER, "USD").balance_micros == 0
    row = LedgerTransfer.objects.get(account_id=account, entry_id=posted.entry_id)
    assert (row.available_after_micros, row.floor_micros) == (0, 0)
    refused(InsufficientBalance, refund(account, "refund:2", 1))


def test_a_guarded_entry_on_an_account_without_history_is_refused(make_account: MakeAccount) -> None:
    account = make_account()
    refused(InsufficientBalance, refund(account, "refund:1", 1))


def test_held_money_is_not_there_for_guarded_entries(make_account: MakeAccount) -> None:
    account = make_account()
    post(topup(account, "payment:1", 100))
    with connection.cursor() as cursor, pytest.raises(DatabaseError), transaction.atomic():
        # The application itself may not promise money away by hand.
        cursor.execute("UPDATE ledger_account SET held_micros = 60 WHERE account_id = %s", [account])


def test_facts_are_booked_below_the_floor(make_account: MakeAccount) -> None:
    account = make_account()
    facts = {
        EntryKind.USAGE: Kind.UNINVOICED_REVENUE,
        EntryKind.MONTHLY_FEE: Kind.UNINVOICED_REVENUE,
        EntryKind.SHORTFALL: Kind.UNINVOICED_REVENUE,
        EntryKind.DISPUTE: Kind.GATEWAY_CLEARING,
    }
    for kind, credit in facts.items():
        post(entry(account, kind.value, 10, kind=kind, debit=Kind.CUSTOMER, credit=credit))
    assert balance(account, Kind.CUSTOMER, "USD").balance_micros == -40


def test_a_credit_limit_is_a_lower_floor(make_account: MakeAccount) -> None:
    account = make_account()
    set_floor(account, Money(-30, "USD"))
    assert balance(account, Kind.CUSTOMER, "USD") == BalanceRow(0, 0, -30, 0, "USD")
    post(refund(account, "refund:1", 30))
    refused(InsufficientBalance, refund(account, "refund:2", 1))
    set_floor(account, Money(0, "USD"))
    assert balance(account, Kind.CUSTOMER, "USD") == BalanceRow(-30, 0, 0, 1, "USD")


def test_the_floor_is_in_the_accounts_currency(make_account: MakeAccount) -> None:
    account = make_account("USD")
    with pytest.raises(BalanceCurrencyMismatch), transaction.atomic():
        set_floor(account, Money(0, "EUR"))
    assert balances(account) == {}


def test_the_customers_balance_has_one_currency_and_suspense_any(make_account: MakeAccount) -> None:
    account = make_account("USD")
    refused(BalanceCurrencyMismatch, topup(account, "payment:1", 5, currency="EUR"))
    post(
        entry(
            account, "capture:1", 5, kind=EntryKind.UNEXPECTED_CAPTURE, credit=Kind.SUSPENSE, currency="EUR"
        )
    )
    assert balance(account, Kind.SUSPENSE, "EUR").balance_micros == 5


def test_an_account_that_does_not_exist_is_refused() -> None:
    refused(UnknownAccount, topup(uuid4(), "payment:1", 5))
    refused(UnknownAccount, entry(uuid4(), "payout:1", 5, kind=EntryKind.PAYOUT, credit=Kind.BANK))


def test_a_reversal_moves_everything_back_once(make_account: MakeAccount) -> None:
    account = make_account()
    first = post(topup(account, "payment:1", 100))
    post(usage(account, "usage:1", 30))
    mirror = reversal_of(account, first.entry_id, operation_key="reversal:1", at=NOW, memo={"reason": "typo"})
    posted = post(mirror)
    assert balance(account, Kind.CUSTOMER, "USD").balance_micros == -30
    assert balance(account, Kind.GATEWAY_CLEARING, "USD").balance_micros == 0
    assert post(mirror) == type(posted)(posted.entry_id, repeated=True)
    again = reversal_of(account, first.entry_id, operation_key="reversal:2", at=NOW, memo={})
    refused(AlreadyReversed, again)


def test_a_reversal_counts_with_the_kind_it_reverses(make_account: MakeAccount) -> None:
    account = make_account()
    first = post(usage(account, "usage:1", 30))
    post(usage(account, "usage:2", 4))
    post(reversal_of(account, first.entry_id, operation_key="reversal:1", at=NOW, memo={}))
    found = totals(account, "USD")
    assert set(found) == {EntryKind.USAGE}
    assert found[EntryKind.USAGE].net == Money(-4, "USD")
    assert (found[EntryKind.USAGE].debit.micros, found[EntryKind.USAGE].credit.micros) == (34, 30)
    assert found[EntryKind.USAGE].entries == 3


def test_a_reversal_must_be_the_exact_mirror_and_cannot_be_reversed(make_account: MakeAccount) -> None:
    account = make_account()
    first = post(topup(account, "payment:1", 100))
    part = NewEntry(
        account,
        EntryKind.REVERSAL,
        "reversal:1",
        (Transfer(Kind.CUSTOMER, Kind.GATEWAY_CLEARING, Money(99, "USD")),),
        NOW,
        reverses=first.entry_id,
    )
    refused(NotTheMirror, part)
    back = post(reversal_of(account, first.entry_id, operation_key="reversal:1", at=NOW, memo={}))
    refused(NotTheMirror, reversal_of(account, back.entry_id, operation_key="reversal:2", at=NOW, memo={}))


def test_another_accounts_entry_cannot_be_reversed(make_account: MakeAccount) -> None:
    account, other = make_account(), make_account()
    theirs = post(topup(other, "payment:1", 100))
    with pytest.raises(NothingToReverse):
        reversal_of(account, theirs.entry_id, operation_key="reversal:1", at=NOW, memo={})
    forged = NewEntry(
        account,
        EntryKind.REVERSAL,
        "reversal:1",
        (Transfer(Kind.CUSTOMER, Kind.GATEWAY_CLEARING, Money(100, "USD")),),
        NOW,
        reverses=theirs.entry_id,
    )
    refused(NothingToReverse, forged)


def test_amounts_beyond_a_bigint_are_refused_whole(make_account: MakeAccount) -> None:
    account = make_account()
    post(topup(account, "payment:1", 2**63 - 1))
    refused(DatabaseError, topup(account, "payment:2", 1))


@pytest.mark.parametrize("micros", [0, -1])
def test_a_transfer_moves_more_than_nothing(micros: int) -> None:
    with pytest.raises(ValueError, match="more than 0"):
        Transfer(Kind.BANK, Kind.CUSTOMER, Money(micros, "USD"))


def test_what_can_only_be_a_mistake_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="two ledger accounts"):
        Transfer(Kind.BANK, Kind.BANK, Money(1, "USD"))
    with pytest.raises(ValueError, match="transfers"):
        NewEntry(uuid4(), EntryKind.USAGE, "k", (), NOW)
    with pytest.raises(ValueError, match="operation key"):
        topup(uuid4(), "", 1)
    with pytest.raises(ValueError, match="time zone"):
        topup(uuid4(), "k", 1, at=datetime(2026, 1, 1))  # noqa: DTZ001 - the mistake under test


@pytest.mark.parametrize("model", [LedgerAccount, LedgerEntry, LedgerTransfer, CustomerTotal])
@pytest.mark.parametrize("verb", ["INSERT", "UPDATE", "DELETE", "TRUNCATE"])
def test_the_applications_role_may_not_write_the_books(model: type, verb: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT has_table_privilege(current_user, %s, %s)", [model._meta.db_table, verb])
        assert cursor.fetchone() == (False,)
        cursor.execute("SELECT has_table_privilege(current_user, %s, 'SELECT')", [model._meta.db_table])
        assert cursor.fetchone() == (True,)
