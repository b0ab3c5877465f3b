"""The guard: every statement on an account's table names the account, and reads of all accounts say why."""

import threading
from uuid import uuid4

import pytest
from django.db import connection
from django.db.models import Count, Exists, OuterRef

from raseed.accounts.models import Account, AmountPolicy, Membership
from raseed.db.guard import AccountMissing, across_accounts, fault_of, install
from raseed.ledger.models import LedgerEntry, LedgerTransfer

SCOPED = [
    "SELECT 1",
    "BEGIN",
    "SAVEPOINT ledger_entry",
    "SELECT * FROM accounts_user WHERE id = %s",
    "SELECT ledger_post(%s, %s)",
    "SELECT 'ledger_entry' FROM accounts_user",
    "SELECT * FROM ledger_entry WHERE account_id = %s",
    "SELECT * FROM ledger_entry WHERE account_id = %(account)s AND id = %(id)s",
    "SELECT * FROM ledger_entry WHERE account_id = '018f3e8e-0000-7000-8000-000000000000' FOR UPDATE SKIP LOCKED",
    'SELECT "ledger_entry"."id" FROM "ledger_entry" WHERE "ledger_entry"."account_id" IN (%s, %s)',
    "SELECT * FROM ledger_entry WHERE account_id = ANY(%s)",
    (
        "SELECT * FROM ledger_entry e JOIN ledger_transfer t ON t.account_id = e.account_id AND t.entry_id = e.id"
        " WHERE e.account_id = %s"
    ),
    "SELECT * FROM ledger_entry e, ledger_transfer t WHERE t.account_id = %s AND e.account_id = t.account_id",
    "SELECT * FROM accounts_account WHERE id = %s FOR UPDATE",
    "SELECT * FROM accounts_membership m JOIN accounts_account a ON a.id = m.account_id WHERE m.account_id = %s",
    (
        "SELECT * FROM ledger_entry e WHERE e.account_id = %s AND EXISTS (SELECT 1 FROM ledger_transfer U0"
        " WHERE U0.account_id = (e.account_id) AND U0.entry_id = e.id)"
    ),
    "UPDATE accounts_membership SET is_active = %s WHERE account_id = %s AND id = %s",
    "DELETE FROM accounts_membership WHERE account_id = %s",
    'INSERT INTO "accounts_membership" ("account_id", "id") VALUES (%s, %s), (%s, %s)',
    "INSERT INTO accounts_membership (account_id, id) VALUES (%s, %s) ON CONFLICT (account_id, id) DO UPDATE SET role = %s",
    "INSERT INTO accounts_account (id, name) VALUES (%s, %s)",
]

UNSCOPED = [
    "SELECT account_id FROM ledger_entry",
    "SELECT account_id FROM ledger_entry WHERE id = %s -- account_id = %s",
    "SELECT id FROM ledger_entry WHERE operation_key = 'account_id = 7'",
    "SELECT * FROM ledger_entry ORDER BY account_id FOR UPDATE SKIP LOCKED",
    "SELECT * FROM ledger_entry WHERE account_id = account_id",
    "SELECT * FROM ledger_entry e JOIN ledger_transfer t ON t.account_id = e.account_id",
    "SELECT * FROM ledger_entry e JOIN ledger_transfer t ON t.entry_id = e.id WHERE e.account_id = %s",
    "SELECT * FROM ledger_entry e, ledger_transfer t WHERE e.account_id = %s AND t.entry_id = e.id",
    "SELECT * FROM accounts_user u JOIN accounts_membership m ON m.user_id = u.id WHERE u.id = %s",
    "SELECT * FROM accounts_account WHERE name = %s",
    "UPDATE accounts_membership SET account_id = %s WHERE id = %s",
    "DELETE FROM accounts_membership WHERE id = %s",
    "INSERT INTO accounts_membership (id) VALUES (%s)",
    "INSERT INTO accounts_account (name) VALUES (%s)",
    "WITH old AS (SELECT * FROM ledger_entry) SELECT * FROM old",
    "WITH gone AS (DELETE FROM accounts_membership WHERE id = %s RETURNING 1) SELECT * FROM gone",
]


@pytest.mark.parametrize("sql", SCOPED)
def test_statements_of_one_account_pass(sql: str) -> None:
    assert fault_of(sql, across=False) == ""


@pytest.mark.parametrize("sql", UNSCOPED)
def test_statements_without_the_account_are_refused(sql: str) -> None:
    assert fault_of(sql, across=False) != ""


@pytest.mark.parametrize("sql", UNSCOPED)
def test_across_accounts_is_for_reading_without_locks(sql: str) -> None:
    is_read = not any(word in sql for word in ("FOR UPDATE", "UPDATE ", "DELETE ", "INSERT "))
    assert (fault_of(sql, across=True) == "") == is_read


@pytest.mark.django_db
def test_the_orm_is_held_to_it() -> None:
    account = uuid4()
    assert list(Membership.objects.filter(account_id=account)) == []
    assert list(AmountPolicy.objects.filter(currency="XXX")) == []
    with pytest.raises(AccountMissing, match="accounts_membership"):
        Membership.objects.filter(user_id=uuid4()).first()
    with pytest.raises(AccountMissing, match="accounts_account"):
        Account.objects.count()
    with across_accounts("a list for staff"):
        assert Account.objects.count() == 0
        with pytest.raises(AccountMissing):
            Account.objects.filter(name="x").update(name="y")
        with pytest.raises(AccountMissing):
            Account.objects.select_for_update(skip_locked=True).first()
    with pytest.raises(AccountMissing):
        Account.objects.count()


@pytest.mark.django_db
def test_joins_and_subqueries_of_the_orm_stay_in_the_account() -> None:
    account = uuid4()
    with_lines = LedgerEntry.objects.filter(account_id=account).annotate(lines=Count("transfers"))
    assert list(with_lines) == []
    moved = LedgerTransfer.objects.filter(account_id=OuterRef("account_id"), entry_id=OuterRef("id"))
    assert list(LedgerEntry.objects.filter(Exists(moved), account_id=account)) == []
    assert list(LedgerTransfer.objects.filter(account_id=account).select_related("entry", "debited")) == []


def test_a_reason_must_be_said() -> None:
    with pytest.raises(ValueError, match="say why"), across_accounts(""):
        pass


def test_installing_twice_is_installing_once() -> None:
    install(connection)
    before = len(connection.execute_wrappers)
    install(connection)
    assert len(connection.execute_wrappers) == before


def test_connections_of_other_threads_are_watched(real_db: object) -> None:
    refused: list[bool] = []

    def read_all() -> None:
        try:
            Account.objects.count()
        except AccountMissing:
            refused.append(True)
        finally:
            connection.close()

    thread = threading.Thread(target=read_all)
    thread.start()
    thread.join()
    assert refused == [True]
