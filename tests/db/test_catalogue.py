"""The layout that a database distributed by account needs, read from PostgreSQL's own catalogue.

Each rule stands beside its negative control: the owner breaks it, and the breach is named.
"""

from typing import Any

import pytest
from django.db import connection

from raseed.db.catalogue import GLOBAL_TABLES, Breach, breaches, owned_tables


@pytest.mark.django_db
def test_every_table_keeps_the_rules() -> None:
    with connection.cursor() as cursor:
        assert list(breaches(cursor)) == []


def test_no_table_is_both_owned_and_global() -> None:
    assert owned_tables() & set(GLOBAL_TABLES) == frozenset()
    assert {"ledger_entry", "accounts_membership"} <= owned_tables()


FUNCTION = (
    "CREATE FUNCTION stray({arguments}) RETURNS void LANGUAGE plpgsql {path} AS $$ BEGIN {body}; END $$"
)
GOOD = {
    "arguments": "_account_id uuid",
    "path": "SET search_path = public",
    "body": "UPDATE ledger_account SET version = 1",
}


def function(**change: str) -> str:
    return FUNCTION.format(**(GOOD | change))


CONTROLS = [
    pytest.param(
        "CREATE TABLE stray (id int PRIMARY KEY)",
        Breach(0, "stray", "neither inherits Owned nor is listed in GLOBAL_TABLES"),
        id="unlisted table",
    ),
    pytest.param(
        "ALTER TABLE accounts_membership DROP CONSTRAINT accounts_membership_pkey, ADD PRIMARY KEY (id, account_id)",
        Breach(
            1,
            "accounts_membership",
            "its primary key accounts_membership_pkey (id, account_id) does not lead with account_id",
        ),
        id="primary key that leads with the id",
    ),
    pytest.param(
        "ALTER TABLE accounts_membership DROP CONSTRAINT accounts_membership_pkey",
        Breach(1, "accounts_membership", "it has no primary key"),
        id="no primary key",
    ),
    pytest.param(
        "CREATE UNIQUE INDEX stray ON ledger_entry (operation_key)",
        Breach(1, "ledger_entry", "its unique or exclusion index stray (operation_key) lacks account_id"),
        id="unique index without the account",
    ),
    pytest.param(
        "CREATE UNIQUE INDEX stray ON ledger_entry (lower(operation_key)) INCLUDE (account_id) WHERE kind = 'usage'",
        Breach(1, "ledger_entry", "its unique or exclusion index stray ((expression)) lacks account_id"),
        id="partial unique index that only includes the account",
    ),
    pytest.param(
        "ALTER TABLE ledger_entry ADD CONSTRAINT stray EXCLUDE USING btree (operation_key WITH =)",
        Breach(1, "ledger_entry", "its unique or exclusion index stray (operation_key) lacks account_id"),
        id="exclusion constraint without the account",
    ),
    pytest.param(
        "ALTER TABLE accounts_membership ADD CONSTRAINT stray FOREIGN KEY (user_id) REFERENCES accounts_user (id)",
        Breach(
            2,
            "accounts_membership",
            "its foreign key stray crosses from or to a table that no account owns (accounts_user)",
        ),
        id="foreign key to a global table",
    ),
    pytest.param(
        "ALTER TABLE accounts_user ADD CONSTRAINT stray FOREIGN KEY (account_id) REFERENCES accounts_account (id)",
        Breach(
            2,
            "accounts_user",
            "its foreign key stray crosses from or to a table that no account owns (accounts_account)",
        ),
        id="foreign key from a global table",
    ),
    pytest.param(
        "ALTER TABLE ledger_transfer ADD UNIQUE (account_id, line, debit, credit),"
        " ADD CONSTRAINT stray FOREIGN KEY (entry_id, id) REFERENCES ledger_entry (account_id, id)",
        Breach(
            2,
            "ledger_transfer",
            "its foreign key stray (entry_id=account_id, id=id) does not pair account with account",
        ),
        id="foreign key that pairs the account with something else",
    ),
    pytest.param(
        "ALTER TABLE ledger_transfer ALTER CONSTRAINT ledger_transfer_entry_fk DEFERRABLE INITIALLY DEFERRED",
        Breach(3, "ledger_transfer", "its foreign key ledger_transfer_entry_fk is deferrable"),
        id="deferrable foreign key",
    ),
    pytest.param(
        "CREATE TRIGGER stray BEFORE UPDATE ON ledger_entry FOR EACH ROW"
        " EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        Breach(4, "ledger_entry", "it has the trigger stray"),
        id="trigger",
    ),
    pytest.param(
        "ALTER TABLE accounts_membership ADD stray bigserial",
        Breach(4, "accounts_membership", "its column stray takes its default from a sequence"),
        id="sequence",
    ),
    pytest.param(
        "ALTER TABLE accounts_membership ADD stray bigint GENERATED ALWAYS AS IDENTITY",
        Breach(4, "accounts_membership", "its column stray takes its default from a sequence"),
        id="identity",
    ),
    pytest.param(
        function(arguments="_entry_id uuid, _account_id uuid"),
        Breach(5, "stray", "its first argument is not _account_id uuid"),
        id="function that does not take the account first",
    ),
    pytest.param(
        function(path=""), Breach(5, "stray", "it does not set its search_path"), id="no search_path"
    ),
    pytest.param(
        function(body="INSERT INTO ledger_entry (id) SELECT gen_random_uuid()"),
        Breach(5, "stray", "it writes with INSERT … SELECT; use VALUES in a loop"),
        id="insert from select",
    ),
    pytest.param(
        function(body="DELETE FROM ledger_entry WHERE id IN (SELECT id FROM accounts_user)"),
        Breach(5, "stray", "it names accounts_user, which no account owns"),
        id="function that names a global table",
    ),
]


@pytest.mark.parametrize(("statement", "expected"), CONTROLS)
def test_a_broken_rule_is_named(real_db: Any, statement: str, expected: Breach) -> None:
    with real_db.owner() as owner:
        cursor = owner.cursor()
        before = set(breaches(cursor))
        cursor.execute(statement)
        assert set(breaches(cursor)) - before == {expected}


def test_a_function_that_keeps_the_rules_is_no_breach(real_db: Any) -> None:
    with real_db.owner() as owner:
        cursor = owner.cursor()
        before = set(breaches(cursor))
        cursor.execute(function())
        cursor.execute(function(arguments="", body="PERFORM 1", path="").replace("stray", "reader"))
        assert set(breaches(cursor)) == before
