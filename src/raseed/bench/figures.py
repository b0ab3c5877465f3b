"""Small arithmetic of measurements: percentiles, threads at work for a while. No product code here."""

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from math import ceil


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of all do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, ceil(len(ordered) * percent / 100) - 1)]


def rate(work: Callable[[int, int], None], threads: int, seconds: float, done: Callable[[], None]) -> float:
    """How often a second `work(thread, round)` was done by `threads` threads in `seconds`; `done` ends each thread.

    Raises what the first thread that failed raised.
    """
    counts, faults = [0] * threads, list[BaseException]()
    deadline = time.perf_counter() + seconds

    def keep_working(thread: int) -> None:
        try:
            for number in itertools.count():
                if time.perf_counter() >= deadline:
                    break
                work(thread, number)
                counts[thread] += 1
        except BaseException as fault:  # noqa: BLE001 - raised again below
            faults.append(fault)
        finally:
            done()

    started = time.perf_counter()
    running = [threading.Thread(target=keep_working, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    if faults:
        raise faults[0]
    return sum(counts) / (time.perf_counter() - started)
