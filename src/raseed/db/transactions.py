"""Transactions: the one way to open them, and the assertion that none is open when we talk to the world.

No call that leaves this machine may be made inside a transaction: a slow bank would hold our locks, and a
rollback would forget a charge that was made.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DEFAULT_DB_ALIAS, connections, transaction

LOCK_TIMEOUT_MS = 5_000
STATEMENT_TIMEOUT_MS = 30_000


class OpenTransaction(RuntimeError):
    """A call to the outside was about to be made while a database transaction was open."""


@contextmanager
def atomic() -> Iterator[None]:
    """A transaction whose waits for locks (5 s) and statements (30 s) are bounded.

    Nested, it is a savepoint, and the outer bounds stay in force.
    """
    connection = connections[DEFAULT_DB_ALIAS]
    outermost = not connection.in_atomic_block
    with transaction.atomic():
        if outermost:
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT set_config('lock_timeout', %s, true), set_config('statement_timeout', %s, true)",
                    [str(LOCK_TIMEOUT_MS), str(STATEMENT_TIMEOUT_MS)],
                )
        yield


def let_go() -> None:
    """Give this thread's connection back to the pool, where there is one, while the thread waits for the world.

    Else a dozen threads that wait for a gateway would leave no connection to those that do not. Call with no
    transaction open.
    """
    assert_no_transaction()
    connection = connections[DEFAULT_DB_ALIAS]
    if connection.settings_dict["OPTIONS"].get("pool"):
        connection.close()


def assert_no_transaction() -> None:
    """Raise OpenTransaction if the default connection has a transaction open."""
    if connections[DEFAULT_DB_ALIAS].in_atomic_block:
        raise OpenTransaction("no call to the outside inside a database transaction")
