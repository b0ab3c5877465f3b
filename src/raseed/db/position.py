"""Where a check of all books stood, so that the next can look at what was written since.

PostgreSQL marks every version of a row with the transaction that wrote it (`xmin`), whoever that was: the application,
a migration, or somebody with the owner's password. So a position is a transaction number, and "changed" is not what a
column says about itself. Rows that vanish leave no mark; for the append-only tables the rows that stood at the position
are counted, and must still be there. This module reads and never writes.
"""

# ruff: noqa: S608 - names of tables of our own models

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self
from uuid import UUID

from django.apps import apps
from django.db import DEFAULT_DB_ALIAS, connections

from raseed.db.catalogue import APPEND_ONLY
from raseed.db.invariants import Violation

# Transaction numbers are compared over half of their 32 bits; beyond this distance old and new look alike.
TRANSACTIONS_MAX: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Position:
    """The lowest transaction still running when all was looked at, on which server, and the rows older than it."""

    server: str
    xid: int
    rows: Mapping[str, int]

    def facts(self) -> dict[str, Any]:
        """As JSON."""
        return {"server": self.server, "xid": self.xid, "rows": dict(self.rows)}

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Self:
        """From what `facts` gave."""
        return cls(facts["server"], facts["xid"], facts["rows"])

    def reaches(self, later: "Position") -> bool:
        """Whether what is new since can be told at `later`: the same server, and not too long ago."""
        return self.server == later.server and 0 <= later.xid - self.xid <= TRANSACTIONS_MAX


def here() -> Position:
    """The position of the open snapshot."""
    server, xid = _place()
    rows = _rows_older_than(xid)
    return Position(server, xid, {table: count for table, (count,) in rows.items()})


def here_and_gone(since: Position) -> tuple[Position, list[Violation]]:
    """The position of the open snapshot, and the append-only tables of which not all rows of `since` still stand.

    Both from one pass over each of these tables. Nothing is gone where `since` does not reach here.
    """
    server, xid = _place()
    rows = _rows_older_than(xid, since.xid)
    position = Position(server, xid, {table: counts[0] for table, counts in rows.items()})
    if not since.reaches(position):
        return position, []
    gone = [
        Violation(
            "I23",
            {"table": table},
            f"{before - rows[table][1]} of {before} rows that stood at the last clean run were removed or rewritten",
        )
        for table, before in since.rows.items()
        if table in rows and before > rows[table][1]
    ]
    return position, gone


def changed_accounts(since: Position) -> set[UUID]:
    """The accounts of which any row was written, by whomever, since the position."""
    tables = {
        model._meta.db_table: "account_id"
        for model in apps.get_models()
        if model._meta.managed and any(field.column == "account_id" for field in model._meta.local_fields)
    }
    found: set[UUID] = set()
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        for table, column in (tables | {"accounts_account": "id"}).items():
            cursor.execute(
                f"SELECT DISTINCT {column} FROM {table}"
                f" WHERE age(xmin) <= age(%s::xid8::xid) AND {column} IS NOT NULL",
                [str(since.xid)],
            )
            found.update(row[0] for row in cursor.fetchall())
    return found


def _place() -> tuple[str, int]:
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT system_identifier::text FROM pg_control_system()) || '/' || current_database(),"
            " pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
        )
        server, xid = cursor.fetchone()
    return server, xid


def _rows_older_than(*xids: int) -> dict[str, tuple[int, ...]]:
    """How many rows of each append-only table were written before each of the transactions."""
    counts = ", ".join("count(*) FILTER (WHERE age(xmin) > age(%s::xid8::xid))" for _ in xids)
    counted = {}
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        for table in sorted(APPEND_ONLY):
            cursor.execute(f"SELECT {counts} FROM {table}", [str(xid) for xid in xids])
            counted[table] = tuple(cursor.fetchone())
    return counted
