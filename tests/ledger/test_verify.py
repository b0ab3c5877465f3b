"""Each rule of the books: clean before, broken by the owner under the product's feet, and named."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.apps import apps
from django.db import connection

from ledger_words import NOW, books_broken, refund, rules_of_the_books, topup, usage
from positions import position
from raseed.accounts.models import Account
from raseed.config.environment import database_settings
from raseed.db.catalogue import APPEND_ONLY
from raseed.db.embedded import SUPERUSER, EmbeddedPostgres
from raseed.db.guard import AccountMissing, across_accounts
from raseed.db.invariants import Scope, Violation, run
from raseed.db.position import Position, changed_accounts, here_and_gone
from raseed.db.privileges import stated
from raseed.ledger.post import post
from raseed.ledger.reversal import reversal_of

MakeAccount = Callable[..., UUID]


@pytest.fixture
def before(real_db: Any) -> Position:
    """Where the books stood before the account had a life."""
    return position()


@pytest.fixture
def account(before: Position, make_account: MakeAccount) -> UUID:
    """An account with a life: a top-up, usage, a refund, a reversal; and a second one beside it."""
    found = make_account()
    post(topup(found, "payment:1", 1_000))
    first = post(usage(found, "usage:1", 30))
    post(usage(found, "usage:2", 40))
    post(refund(found, "refund:1", 100))
    post(reversal_of(found, first.entry_id, operation_key="reversal:1", at=NOW, memo={}))
    post(topup(make_account("JOD"), "payment:1", 5, currency="JOD"))
    return found


def changed_and_broken(since: Position) -> list[Violation]:
    """What an incremental run from `since` finds of the books' own rules."""
    with across_accounts("the test looks for what has changed"):
        scope = Scope(NOW, tuple(changed_accounts(since)), since.xid)
        _, gone = here_and_gone(since)
    return [*run(NOW, checks=rules_of_the_books(), scope=lambda: scope), *gone]


def broken_rules() -> set[str]:
    return {found.rule for found in books_broken()}


ANY_ENTRY = "(SELECT id FROM ledger_entry WHERE operation_key = '{}' LIMIT 1)"
USAGE, REFUND, REVERSAL = (ANY_ENTRY.format(key) for key in ("usage:2", "refund:1", "reversal:1"))
NO_ENTRY_KEY = "ALTER TABLE ledger_transfer DROP CONSTRAINT ledger_transfer_entry_fk"
NO_ABOVE_ZERO = "ALTER TABLE ledger_transfer DROP CONSTRAINT ledger_transfer_above_zero"
NO_TWO_ACCOUNTS = "ALTER TABLE ledger_transfer DROP CONSTRAINT ledger_transfer_two_accounts"
NO_FLOOR_CHECK = "ALTER TABLE ledger_transfer DROP CONSTRAINT ledger_transfer_floor_held"
NO_HELD_CHECK = "ALTER TABLE ledger_account DROP CONSTRAINT ledger_account_held"
NO_ACCOUNTS_KEY = (
    "ALTER TABLE ledger_transfer DROP CONSTRAINT ledger_transfer_debited_fk,"
    " DROP CONSTRAINT ledger_transfer_credited_fk"
)
NO_REVERSED_ONCE = "DROP INDEX ledger_entry_reversed_once"
COPY_OF_REVERSAL = (
    "INSERT INTO ledger_entry (account_id, id, kind, operation_key, fingerprint, at, recorded_at, memo, reverses_id)"
    " SELECT account_id, gen_random_uuid(), kind, 'again', fingerprint, at, recorded_at, memo, reverses_id FROM ledger_entry WHERE operation_key = 'reversal:1'"
)

BREAKS = [
    # what was done, the rule that names it, words of its detail
    pytest.param([f"DELETE FROM ledger_transfer WHERE entry_id = {USAGE}"], "I1", "an entry without transfers", id="I1 entry without transfers"),
    pytest.param([NO_ENTRY_KEY, "DELETE FROM ledger_entry WHERE operation_key = 'usage:2'"], "I1", "without its entry", id="I1 transfer without entry"),
    pytest.param([NO_TWO_ACCOUNTS, f"UPDATE ledger_transfer SET debit = credit WHERE entry_id = {USAGE}"], "I1", "debit and credit are both uninvoiced_revenue", id="I1 one side"),
    pytest.param([f"UPDATE ledger_transfer SET amount_micros = 29 WHERE entry_id = {REVERSAL}"], "I1", "not the mirror", id="I1 no mirror"),
    pytest.param([NO_REVERSED_ONCE, COPY_OF_REVERSAL], "I1", "reversed twice", id="I1 reversed twice"),
    pytest.param([f"UPDATE ledger_entry SET reverses_id = {REVERSAL} WHERE operation_key = 'usage:2'"], "I1", "the reversal of a reversal", id="I1 reversal of a reversal"),
    pytest.param([NO_ABOVE_ZERO, f"UPDATE ledger_transfer SET amount_micros = 0 WHERE entry_id = {USAGE}"], "I2", "amount 0 USD", id="I2 nothing moved"),
    pytest.param([NO_ABOVE_ZERO, f"UPDATE ledger_transfer SET amount_micros = -1 WHERE entry_id = {USAGE}"], "I2", "amount -1 USD", id="I2 negative"),
    pytest.param(["UPDATE ledger_account SET balance_micros = balance_micros + 1 WHERE kind = 'customer' AND currency = 'USD'"], "I3", "the trial balance is 1 micros", id="I3 one millionth"),
    pytest.param(["UPDATE ledger_account SET balance_micros = balance_micros + 1 WHERE kind = 'customer' AND currency = 'USD'"], "I4", "the balance is 861, the transfers add up to 860", id="I4 one millionth"),
    pytest.param([NO_ACCOUNTS_KEY, "DELETE FROM ledger_account WHERE kind = 'uninvoiced_revenue'"], "I4", "the balance is missing, the transfers add up to 40", id="I4 no balance row"),
    pytest.param(["UPDATE ledger_customer_total SET debit_micros = debit_micros + 1 WHERE kind = 'usage'"], "I4", "the total is 71/30/3 (debit/credit/entries), the entries add up to 70/30/3", id="I4 total"),
    pytest.param(["DELETE FROM ledger_customer_total WHERE kind = 'refund'"], "I4", "the entries add up to 100/0/1", id="I4 no total"),
    pytest.param(["UPDATE ledger_entry SET kind = 'fee' WHERE operation_key = 'usage:2'"], "I4", "the entries add up to 40/0/1", id="I4 kind rewritten"),
    pytest.param(["UPDATE ledger_account SET version = version + 1 WHERE kind = 'customer' AND currency = 'USD'"], "I5", "version 6 after 5 entries", id="I5 hole"),
    pytest.param([NO_ACCOUNTS_KEY, f"UPDATE ledger_transfer SET currency = 'EUR' WHERE entry_id = {USAGE}"], "I6", "a ledger account that is not there", id="I6 transfer's currency"),
    pytest.param(["UPDATE accounts_account SET currency = 'SAR' WHERE currency = 'JOD'"], "I6", "the account's currency is SAR", id="I6 customer's currency"),
    pytest.param([NO_FLOOR_CHECK, f"UPDATE ledger_transfer SET available_after_micros = -1 WHERE entry_id = {REFUND}"], "I7", "refund left -1 available, the floor was 0", id="I7 below the floor"),
    pytest.param([f"UPDATE ledger_transfer SET available_after_micros = NULL, floor_micros = NULL WHERE entry_id = {REFUND}"], "I7", "without proof", id="I7 no proof"),
    pytest.param([NO_HELD_CHECK, "UPDATE ledger_account SET held_micros = -1 WHERE kind = 'customer' AND currency = 'USD'"], "I7", "held is -1", id="I7 negative hold"),
    pytest.param(["GRANT UPDATE ON ledger_entry TO raseed_app"], "I23", "the application's role may UPDATE", id="I23 update"),
    pytest.param(["GRANT UPDATE (balance_micros) ON ledger_account TO raseed_app"], "I23", "the application's role may UPDATE", id="I23 update of a column"),
    pytest.param(["GRANT INSERT ON ledger_transfer TO PUBLIC"], "I23", "the application's role may INSERT", id="I23 insert by everybody"),
    pytest.param(["GRANT DELETE ON audit_auditentry TO raseed_app"], "I23", "the application's role may DELETE", id="I23 audit"),
    pytest.param(["GRANT UPDATE ON documents_document TO raseed_app"], "I23", "the application's role may UPDATE", id="I23 papers"),
    pytest.param(["GRANT DELETE ON payments_paymentmove TO PUBLIC"], "I23", "the application's role may DELETE", id="I23 moves"),
    pytest.param(["GRANT TRUNCATE ON ledger_entry TO raseed_app"], "I23", "the application's role may TRUNCATE", id="I23 truncate"),
    pytest.param(["GRANT EXECUTE ON FUNCTION ledger_set_floor TO PUBLIC"], "I23", "everybody may execute it", id="I23 public function"),
    pytest.param(["ALTER FUNCTION ledger_set_floor RESET search_path"], "I23", "does not set its search_path", id="I23 search_path"),
]  # fmt: skip


def test_the_books_are_clean(account: UUID) -> None:
    assert books_broken() == []


@pytest.mark.parametrize(("statements", "rule", "words"), BREAKS)
def test_what_is_broken_is_named(
    account: UUID, before: Position, real_db: Any, statements: list[str], rule: str, words: str
) -> None:
    assert broken_rules() == set()
    clean = position()
    assert changed_and_broken(clean) == changed_and_broken(before) == []
    with real_db.owner() as owner:
        for statement in statements:
            owner.execute(statement)
    named = [found for found in books_broken() if found.rule == rule and words in found.detail]
    assert named
    assert str(named[0]).startswith(f"{rule} ")
    # An account that has lived since the last clean run is looked at whole.
    assert set(map(str, books_broken())) <= set(map(str, changed_and_broken(before)))
    # One that has not: what was rewritten is seen, and so is a row that is gone from a table that only grows.
    since_clean = changed_and_broken(clean)
    removed = statements[-1].startswith("DELETE")
    assert removed or set(map(str, books_broken())) <= set(map(str, since_clean))
    if "ledger_transfer" in statements[-1] or "ledger_entry" in statements[-1]:
        assert not removed or [found.rule for found in since_clean] == ["I23"]


def test_the_tables_that_only_grow_are_stated_so_by_their_models() -> None:
    models = {model._meta.db_table: model for model in apps.get_models()}
    assert {table: stated(models[table]) - {"SELECT", "INSERT"} for table in APPEND_ONLY} == dict.fromkeys(
        APPEND_ONLY, frozenset()
    )


def test_every_rule_of_the_books_has_a_break() -> None:
    broken = {param.values[1] for param in BREAKS}
    assert broken == {found.rule for found in rules_of_the_books()}


@contextmanager
def connected_as(url: str) -> Iterator[None]:
    """Let the application connect as another role meanwhile, as a careless DATABASE_URL would."""
    before = dict(connection.settings_dict)
    connection.close()
    connection.settings_dict.update(database_settings(url))
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict.update(before)


def superuser_url(real_db: Any) -> str:
    cluster = EmbeddedPostgres(Path(os.environ["RASEED_TEST_CLUSTER"]), durable=False)
    return cluster.url(SUPERUSER, real_db.name)


def test_an_application_that_owns_the_tables_is_named(account: UUID, real_db: Any) -> None:
    with connected_as(real_db.owner_url):
        named = {(found.ids.get("table"), found.detail) for found in books_broken() if found.rule == "I23"}
    assert ("ledger_entry", "the application's role owns it, or is a member of its owner") in named
    assert ("ledger_entry", "the application's role may DELETE") in named


def test_a_superuser_is_named_as_application_and_as_the_functions_owner(account: UUID, real_db: Any) -> None:
    with psycopg.connect(superuser_url(real_db), autocommit=True) as superuser:
        superuser.execute("ALTER FUNCTION ledger_set_floor OWNER TO postgres")
    assert [(found.rule, found.ids, found.detail) for found in books_broken()] == [
        ("I23", {"function": "ledger_set_floor"}, "runs as the powerful role postgres")
    ]
    with connected_as(superuser_url(real_db)):
        named = {(found.ids.get("role"), found.detail) for found in books_broken() if found.rule == "I23"}
    assert any(role == "postgres" and "runs as a superuser" in detail for role, detail in named)


def test_the_snapshot_is_one_and_reads_only(account: UUID) -> None:
    seen: list[object] = []
    for _ in run(NOW, checks=rules_of_the_books(), done=lambda found: seen.append((found.rule, _settings()))):
        pytest.fail("the books are clean")
    assert {settings for _, settings in seen} == {("repeatable read", "on")}
    assert [rule for rule, _ in seen if rule in {"I1", "I2", "I3", "I4", "I5", "I6", "I7"}] == [
        "I1", "I1", "I2", "I3", "I4", "I4", "I5", "I6", "I7",
    ]  # fmt: skip


def _settings() -> tuple[str, str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only')"
        )
        row: tuple[str, str] = cursor.fetchone()
    return row


def test_who_reads_the_report_may_not_read_all_accounts(account: UUID, real_db: Any) -> None:
    with real_db.owner() as owner:
        owner.execute("UPDATE ledger_account SET balance_micros = balance_micros + 1")
    violations = run(NOW, checks=rules_of_the_books())
    next(violations)
    with pytest.raises(AccountMissing):
        Account.objects.count()
    violations.close()


def test_a_checks_violations_are_bounded(account: UUID, real_db: Any) -> None:
    with real_db.owner() as owner:
        owner.execute("UPDATE ledger_account SET version = version + 1")
    assert sum(found.rule == "I5" for found in run(NOW)) == 5
    assert sum(found.rule == "I5" for found in run(NOW, checks=rules_of_the_books(), per_check_max=2)) == 2
