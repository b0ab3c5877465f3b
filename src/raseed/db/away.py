"""Tell a database that cannot serve now from a mistake of ours.

Whoever asked may ask again later and nothing is broken: the server is away or starting, its disk is full, all
connections are taken, or somebody else holds what is needed. It decides nothing about what was or was not written.
"""

from collections.abc import Iterator
from typing import Final

import psycopg
from django.db import InterfaceError, OperationalError

# Classes of SQLSTATE: connection lost, transaction rolled back for another one, out of disk, memory or connections,
# waited too long for a lock, stopped by the operator or by a limit of time, error of the machine.
AWAY_CLASSES: Final = frozenset({"08", "40", "53", "55", "57", "58"})


def sqlstate_of(error: BaseException) -> str | None:
    """The SQLSTATE behind an error of Django's or psycopg's; None where the server said nothing."""
    return next(
        (one.sqlstate for one in _chain(error) if isinstance(one, psycopg.Error) and one.sqlstate), None
    )


def is_away(error: BaseException) -> bool:
    """Whether the error only says that the database cannot serve this now."""
    if not any(
        isinstance(one, OperationalError | InterfaceError | psycopg.OperationalError) for one in _chain(error)
    ):
        return False
    sqlstate = sqlstate_of(error)
    # No word from the server: refused, cut, or no connection was free in time.
    return sqlstate is None or sqlstate[:2] in AWAY_CLASSES


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
