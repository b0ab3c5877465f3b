"""Migration operations for account-owned tables. None changes Django's state; all can be undone.

    operations = [
        migrations.CreateModel("Invoice", …),
        migrations.CreateModel("InvoiceLine", …),
        AccountKey("Invoice"), Distribute("Invoice"),
        AccountKey("InvoiceLine"), AccountForeignKey("InvoiceLine", "invoice"), Distribute("InvoiceLine"),
    ]

An owned table is created, keyed, referred and distributed in one migration, the referred table first. No operation
here may move data.
"""

# ruff: noqa: ARG002 - Django gives every operation the same arguments

from pathlib import Path

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.models import ForeignObject, Model

from raseed.db.privileges import app_role

NAME_BYTES_MAX = 63  # PostgreSQL cuts longer names silently
ACCOUNT_TABLE = "accounts_account"


def _constraint_name(*parts: str) -> str:
    name = "_".join(parts)
    if len(name.encode()) > NAME_BYTES_MAX:
        raise ValueError(
            f"the constraint name {name} is longer than {NAME_BYTES_MAX} bytes: shorten the field's name"
        )
    return name


class _TableOperation(Operation):
    """An operation on one model's table that leaves Django's state as it is."""

    reduces_to_sql = True
    reversible = True

    def __init__(self, model_name: str) -> None:
        self.model_name = model_name

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Nothing: Django does not know about these keys."""

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        model = to_state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            self.forwards(schema_editor, model)

    def database_backwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        # The state does not change, so the models of either side serve.
        model = from_state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            self.backwards(schema_editor, model)

    def forwards(self, schema_editor: BaseDatabaseSchemaEditor, model: type[Model]) -> None:
        """Apply to the table of `model`."""
        raise NotImplementedError

    def backwards(self, schema_editor: BaseDatabaseSchemaEditor, model: type[Model]) -> None:
        """Undo on the table of `model`."""
        raise NotImplementedError


class AccountKey(_TableOperation):
    """PRIMARY KEY (account_id, id) in the place of Django's own, and a foreign key from account_id to the account."""

    def describe(self) -> str:
        return f"Key {self.model_name} by account"

    def forwards(self, schema_editor: BaseDatabaseSchemaEditor, model: type[Model]) -> None:
        quote = schema_editor.quote_name
        table = model._meta.db_table
        key, reference = _constraint_name(table, "pkey"), _constraint_name(table, "account_fk")
        schema_editor.execute(
            f"ALTER TABLE {quote(table)} DROP CONSTRAINT {quote(key)},"
            f" ADD CONSTRAINT {quote(key)} PRIMARY KEY (account_id, id),"
            f" ADD CONSTRAINT {quote(reference)} FOREIGN KEY (account_id)"
            f" REFERENCES {quote(ACCOUNT_TABLE)} (id) NOT DEFERRABLE",
            params=None,
        )

    def backwards(self, schema_editor: BaseDatabaseSchemaEditor, model: type[Model]) -> None:
        quote = schema_editor.quote_name
        table = model._meta.db_table
        key, reference = _constraint_name(table, "pkey"), _constraint_name(table, "account_fk")
        schema_editor.execute(
            f"ALTER TABLE {quote(table)} DROP CONSTRAINT {quote(reference)},"
            f" DROP CONSTRAINT {quote(key)}, ADD CONSTRAINT {quote(key)} PRIMARY KEY (id)",
            params=None,
        )


class AccountForeignKey(_TableOperation):
    """The composite, immediate foreign key of a ForeignObject, for which Django makes none."""

    def __init__(self, model_name: str, name: str) -> None:
        super().__init__(model_name)
        self.name = name

    def describe(self) -> str:
        return f"Refer {self.model_name}.{self.name} within the account"

    def forwards(self, schema_editor: BaseDatabaseSchemaEditor, model: type[Model]) -> None:
        quote = schema_editor.quote_name
        field = model._meta.get_field(self.name)
        if not isinstance(field, ForeignObject):
            raise TypeError(
                f"{model._meta.label}.{self.name} is no ForeignObject: there is nothing to refer to"
            )
        pairs = [(str(own.column), str(other.column)) for own, other in field.related_fields]
        if ("account_id", "account_id") not in pairs:
            raise ValueError(f"{model._meta.label}.{self.name} must pair account with account in its fields")
        target = field.related_model
        schema_editor.execute(
            f"ALTER TABLE {quote(model._meta.db_table)}"
            f" ADD CONSTRAINT {quote(self._constraint(model))}"
            f" FOREIGN KEY ({', '.join(quote(own) for own, _ in pairs)})"
            f" REFERENCES {quote(target._meta.db_table)} ({', '.join(quote(other) for _, other in pairs)})"
            " NOT DEFERRABLE",
            params=None,
        )

    def backwards(self, schema_editor: BaseDatabaseSchemaEditor, model: type[Model]) -> None:
        quote = schema_editor.quote_name
        schema_editor.execute(
            f"ALTER TABLE {quote(model._meta.db_table)} DROP CONSTRAINT {quote(self._constraint(model))}",
            params=None,
        )

    def _constraint(self, model: type[Model]) -> str:
        return _constraint_name(model._meta.db_table, self.name, "fk")


def _has_citus(schema_editor: BaseDatabaseSchemaEditor) -> bool:
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'citus')")
        row = cursor.fetchone()
    return bool(row and row[0])


class Distribute(_TableOperation):
    """Cut the table by account over the shards of Citus, beside the accounts. Without Citus it does nothing.

    The account's own table is cut by its id.
    """

    def describe(self) -> str:
        return f"Distribute {self.model_name} by account"

    def forwards(self, schema_editor: BaseDatabaseSchemaEditor, model: type[Model]) -> None:
        if not _has_citus(schema_editor):
            return
        table = model._meta.db_table
        if table == ACCOUNT_TABLE:
            schema_editor.execute("SELECT create_distributed_table(%s, 'id')", [table])
        else:
            schema_editor.execute(
                "SELECT create_distributed_table(%s, 'account_id', colocate_with => %s)",
                [table, ACCOUNT_TABLE],
            )

    def backwards(self, schema_editor: BaseDatabaseSchemaEditor, model: type[Model]) -> None:
        if _has_citus(schema_editor):
            schema_editor.execute("SELECT undistribute_table(%s)", [model._meta.db_table])


class CreateFunction(Operation):
    """Create the SQL function of a file, for the application's role alone.

    `signature` is the name with its argument types, as `DROP FUNCTION` takes it. The file is part of history: a
    change of the function is a new file and a new operation. On Citus the call is delegated to the worker that
    holds the account: the first argument, `_account_id`, says which.
    """

    reduces_to_sql = True
    reversible = True

    def __init__(self, signature: str, file: str, distributed_with: str) -> None:
        self.signature = signature
        self.file = file
        self.distributed_with = distributed_with

    def describe(self) -> str:
        return f"Create function {self.signature.partition('(')[0]}"

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Nothing: functions are no part of Django's state."""

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        schema_editor.execute(Path(self.file).read_text(encoding="utf-8"), params=None)
        role = schema_editor.quote_name(app_role())
        schema_editor.execute(f"REVOKE ALL ON FUNCTION {self.signature} FROM PUBLIC", params=None)
        schema_editor.execute(f"GRANT EXECUTE ON FUNCTION {self.signature} TO {role}", params=None)
        if _has_citus(schema_editor):
            schema_editor.execute(
                "SELECT create_distributed_function(%s, '_account_id', colocate_with => %s, force_delegation => true)",
                [self.signature, self.distributed_with],
            )

    def database_backwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        schema_editor.execute(f"DROP FUNCTION {self.signature}", params=None)
