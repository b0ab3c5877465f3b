"""The worker: two crews in one process. One follows payments and numbers vouchers, the other makes papers and mails them.

Papers take long and their mail server may hang: with hands of their own they keep nobody waiting whose payment is open.
Making a PDF also stands back behind everything else that wants the processor. A crew that ends ends the other, and the
process with it, for a supervisor to start anew.
"""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, Final, TypeVar

from procrastinate import App
from procrastinate.contrib.django import app as jobs

PAPERS: Final = "papers"
_PAYMENTS: Final = "default"
PAPERS_AT_ONCE: Final = 2
# Ten steps of nice(1): about a tenth of a processor that somebody else wants too.
STANDS_BACK: Final = 10

Result = TypeVar("Result")


def work(concurrency: int) -> None:
    """Run jobs until SIGINT or SIGTERM: `concurrency` at a time of those about payments, two of those about papers."""
    with jobs.replace_connector(jobs.connector.get_worker_connector()) as app:  # type: ignore[attr-defined]
        asyncio.run(_both(app, concurrency))


def standing_back(act: Callable[[], Result]) -> Result:
    """What `act` gives, run in a thread that leaves the processor to others."""
    return _thread_that_stands_back().submit(act).result()


@cache
def _thread_that_stands_back() -> ThreadPoolExecutor:
    def stand_back() -> None:
        # To Linux a thread is a process here, and elsewhere it is not. One that has stood back cannot come forward again.
        if sys.platform == "linux":
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), STANDS_BACK)

    return ThreadPoolExecutor(1, "papers", initializer=stand_back)


async def _both(app: App, concurrency: int) -> None:
    async with app.open_async():
        crews = (
            asyncio.create_task(_crew(app, _PAYMENTS, concurrency)),
            asyncio.create_task(_crew(app, PAPERS, PAPERS_AT_ONCE)),
        )

        def call_it_a_day() -> None:
            for crew in crews:
                # Told once it lets its jobs end; told again it drops them.
                if not crew.cancelling():
                    crew.cancel()

        for told in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(told, call_it_a_day)
        await asyncio.wait(crews, return_when=asyncio.FIRST_COMPLETED)
        call_it_a_day()
        ended = await asyncio.gather(*crews, return_exceptions=True)
    for fault in ended:
        if isinstance(fault, Exception):
            raise fault


async def _crew(app: App, queue: str, concurrency: int) -> None:
    options: dict[str, Any] = {
        "fetch_job_polling_interval": 1.0,
        "update_heartbeat_interval": 5,
        "stalled_worker_timeout": 15,
        "shutdown_graceful_timeout": 20,
        "delete_jobs": "successful",
        # Both hear it at the same moment, from us: what runs has one time to end, not one after the other.
        "install_signal_handlers": False,
    }
    await app.run_worker_async(queues=[queue], name=queue, concurrency=concurrency, **options)
