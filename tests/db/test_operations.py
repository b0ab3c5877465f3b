"""The migration operations: what they refuse, and that every migration of the project can be taken back."""

from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections, migrations, models
from django.db.migrations.state import ProjectState

from raseed.db.catalogue import breaches
from raseed.db.operations import AccountForeignKey, AccountKey, Distribute


def test_the_ledger_can_be_taken_back_and_brought_again(real_db: Any) -> None:
    with real_db.owner() as owner:
        before = layout(owner)
    call_command("migrate", "accounts", "zero", database="owner", verbosity=0)
    with real_db.owner() as owner:
        found = owner.execute("SELECT to_regclass('ledger_entry'), to_regproc('ledger_post')").fetchone()
        assert found == (None, None)
    call_command("migrate", database="owner", verbosity=0)
    connections["owner"].close()
    with real_db.owner() as owner:
        assert layout(owner) == before
        assert list(breaches(owner.cursor())) == []


def layout(owner: Any) -> list[Any]:
    """Keys, foreign keys, checks and functions, as the catalogue writes them."""
    rows: list[Any] = owner.execute(
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE connamespace = 'public'::regnamespace UNION ALL"
        " SELECT proname, '', prosrc FROM pg_proc WHERE proname LIKE 'ledger%%' ORDER BY 1, 2, 3"
    ).fetchall()
    return rows


class _Recorder:
    """A schema editor that only listens."""

    connection = connections["owner"]

    def __init__(self) -> None:
        self.statements: list[str] = []

    def quote_name(self, name: str) -> str:
        return f'"{name}"'

    def execute(self, statement: str, params: object = ()) -> None:
        self.statements.append(statement)


def state_with(**fields: "models.Field[Any, Any]") -> ProjectState:
    state = ProjectState()
    for operation in (
        migrations.CreateModel("Account", [("id", models.UUIDField(primary_key=True))]),
        migrations.CreateModel(
            "Thing",
            [
                ("id", models.UUIDField(primary_key=True)),
                ("account", models.ForeignKey("accounts.Account", models.PROTECT)),
                *fields.items(),
            ],
            options={"db_table": "t" * 50},
        ),
    ):
        operation.state_forwards("accounts", state)
    return state


def apply(operation: Any, state: ProjectState) -> list[str]:
    recorder = _Recorder()
    operation.database_forwards("accounts", recorder, state, state)
    return recorder.statements


def test_only_a_foreign_object_can_be_referred() -> None:
    with pytest.raises(TypeError, match=r"accounts\.Thing\.number is no ForeignObject"):
        apply(AccountForeignKey("Thing", "number"), state_with(number=models.IntegerField()))


def test_a_reference_without_the_account_is_refused() -> None:
    other = models.ForeignObject(
        "accounts.Thing", models.DO_NOTHING, from_fields=("other_id",), to_fields=("id",), related_name="+"
    )
    state = state_with(other_id=models.UUIDField(), other=other)
    with pytest.raises(ValueError, match="must pair account with account"):
        apply(AccountForeignKey("Thing", "other"), state)


def test_a_name_that_postgresql_would_cut_is_refused() -> None:
    name = "a_very_long_reference"
    other = models.ForeignObject(
        "accounts.Thing",
        models.DO_NOTHING,
        from_fields=("account", "other_id"),
        to_fields=("account", "id"),
        related_name="+",
    )
    state = state_with(**{"other_id": models.UUIDField(), name: other})
    with pytest.raises(ValueError, match="longer than 63 bytes"):
        apply(AccountForeignKey("Thing", name), state)


def test_keys_and_references_are_immediate() -> None:
    (statement,) = apply(AccountKey("Thing"), state_with())
    assert "PRIMARY KEY (account_id, id)" in statement
    assert statement.endswith("NOT DEFERRABLE")


def test_without_citus_nothing_is_distributed(real_db: Any) -> None:
    assert apply(Distribute("Thing"), state_with()) == []
