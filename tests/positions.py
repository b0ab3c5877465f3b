"""Where the books stand, for tests that break them before or after: see raseed.db.position."""

from django.db import connection

from raseed.db.guard import across_accounts
from raseed.db.position import Position, here
from whole import wait


def position() -> Position:
    """The position of now, once every transaction that ran before is over.

    Transactions of all databases of a server are numbered together, and one of another test may be old: then the
    position lies before it, and what was written meanwhile counts as changed.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()::text::bigint")
        (newest,) = cursor.fetchone()
        wait(lambda: _oldest_running() > newest, "the end of all transactions that ran before")
    with across_accounts("the test takes a position"):
        return here()


def _oldest_running() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
        return int(cursor.fetchone()[0])
