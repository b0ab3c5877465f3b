"""SQL compilers: `bulk_create` sends plain VALUES.

Django 5.2 sends INSERT … SELECT FROM UNNEST, which a database distributed by account turns into a COPY to all
shards with two-phase commit; plain VALUES stay one command to one shard.
"""

from typing import Any

from django.db.backends.postgresql.compiler import (
    SQLAggregateCompiler,
    SQLCompiler,
    SQLDeleteCompiler,
    SQLUpdateCompiler,
)
from django.db.backends.postgresql.compiler import SQLInsertCompiler as UnnestingInsertCompiler
from django.db.models.sql.compiler import SQLInsertCompiler as PlainInsertCompiler

__all__ = [
    "SQLAggregateCompiler",
    "SQLCompiler",
    "SQLDeleteCompiler",
    "SQLInsertCompiler",
    "SQLUpdateCompiler",
]


class SQLInsertCompiler(UnnestingInsertCompiler):
    """PostgreSQL's insert compiler without its UNNEST short cut."""

    def assemble_as_sql(self, fields: Any, value_rows: Any) -> tuple[list[list[str]], list[list[Any]]]:
        """Placeholders and parameters row by row, as every database takes them."""
        assembled: tuple[list[list[str]], list[list[Any]]] = PlainInsertCompiler.assemble_as_sql(
            self, fields, value_rows
        )
        return assembled
