"""How many threads of a web process may wait for the gateway at the same time.

While a gateway hangs, each payment holds a thread for as long as the time limit. A few threads are kept out of it, so that
the balance, the help page and the webhooks go on; who finds no seat leaves the asking to the worker. A matter of this
process's own threads, so it is kept in its memory. It must never decide about a payment.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from django.conf import settings

from raseed.payments.states import Cause

# A gateway that works gives a seat free within this time.
PATIENCE_S = 0.5


@cache
def _seats(count: int) -> threading.BoundedSemaphore:
    return threading.BoundedSemaphore(count)


@contextmanager
def seat(cause: Cause) -> Iterator[bool]:
    """A seat while the block runs: True if it may call the gateway. Only pages need one; jobs have threads of their own."""
    if cause is not Cause.PAGE:
        yield True
        return
    seats = _seats(settings.GATEWAY_WAITS_MAX)
    taken = seats.acquire(timeout=PATIENCE_S)
    try:
        yield taken
    finally:
        if taken:
            seats.release()
