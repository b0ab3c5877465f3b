"""Statements that are sent as they stand, in one round trip, their parameters bound by the server.

Django writes the parameters into the text of each statement, and its models take longer to build that text than the server
to carry it out. For the few that every payment sends, that is most of what they cost. The tests' guard does not read these:
they may call functions and touch global tables, and must never name an account's table.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections


def row_of(statement: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> tuple[Any, ...] | None:
    """Send `statement` on Django's connection, in its transaction if one is open; its first row, None if it gives none.

    Raises Django's database errors.
    """
    connection = connections[DEFAULT_DB_ALIAS]
    connection.ensure_connection()
    connection.validate_no_broken_transaction()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchone() if cursor.description else None
