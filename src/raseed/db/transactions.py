"""Transactions: the one way to open them, to begin them again, and the assertion that none is open when we talk to the world.

No call that leaves this machine may be made inside a transaction: a slow bank would hold our locks, and a
rollback would forget a charge that was made.
"""

import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Final, ParamSpec, TypeVar

from django.db import DEFAULT_DB_ALIAS, OperationalError, connections, transaction

from raseed.db.away import sqlstate_of
from raseed.db.statements import row_of

logger = logging.getLogger(__name__)

Given = ParamSpec("Given")
Result = TypeVar("Result")

LOCK_TIMEOUT_MS = 5_000
STATEMENT_TIMEOUT_MS = 30_000
_BOUNDS: Final = (
    f"SELECT set_config('lock_timeout', '{LOCK_TIMEOUT_MS}', true),"
    f" set_config('statement_timeout', '{STATEMENT_TIMEOUT_MS}', true)"
)
# PostgreSQL gave this transaction up for another one and nothing of it was written: a deadlock, or a conflict of snapshots.
CONFLICTS: Final = {"40P01": "deadlock", "40001": "serialization conflict"}
RETRIES_MAX: Final = 3
# How often this process began a transaction again, by SQLSTATE.
retried: Counter[str] = Counter()


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
            row_of(_BOUNDS)
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


def begun_again(act: Callable[Given, Result]) -> Callable[Given, Result]:
    """Run `act`, which is one transaction from its first line to its last, again when PostgreSQL gives it up for another.

    At most three times more, each after a short wait of random length; then the error is the caller's. It must do
    nothing outside of the database. Inside a transaction of the caller it is not repeated: that one is lost as a whole.
    """

    @wraps(act)
    def run(*given: Given.args, **named: Given.kwargs) -> Result:
        for retry in range(RETRIES_MAX + 1):
            try:
                return act(*given, **named)
            except OperationalError as error:
                sqlstate = sqlstate_of(error) or ""
                if (
                    sqlstate not in CONFLICTS
                    or retry == RETRIES_MAX
                    or connections[DEFAULT_DB_ALIAS].in_atomic_block
                ):
                    raise
                retried[sqlstate] += 1
                logger.warning(
                    "%s in %s, retry %d of %d", CONFLICTS[sqlstate], act.__qualname__, retry + 1, RETRIES_MAX
                )
            time.sleep(random.uniform(0.01, 0.05) * 2**retry)  # noqa: S311 - so that two do not meet again
        raise AssertionError("the last try returns or raises")

    return run


def assert_no_transaction() -> None:
    """Raise OpenTransaction if the default connection has a transaction open."""
    if connections[DEFAULT_DB_ALIAS].in_atomic_block:
        raise OpenTransaction("no call to the outside inside a database transaction")
