"""What strikes a soak from outside while the customers pay: cut lines, deploys, crashes of the database.

Each strike comes again and again after its time. It decides nothing and judges nothing.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

TELL_EVERY_S = 10.0


@dataclass(frozen=True)
class Strike:
    """What is done every so many seconds, under the name that it is counted by."""

    name: str
    every_s: float
    act: Callable[[], None]


class Weather:
    """Strikes from when it is entered until it is left. `told` is called now and then."""

    def __init__(self, strikes: list[Strike], counts: Counter[str], told: Callable[[], None]) -> None:
        self._strikes, self._counts, self._told = strikes, counts, told
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._fault: Exception | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        if self._fault is not None:
            raise self._fault

    def _run(self) -> None:
        try:
            self._strike_until_over()
        except Exception as fault:
            self._fault = fault

    def _strike_until_over(self) -> None:
        now = time.monotonic()
        # Spread over the first period, so that they do not come together.
        due = [
            now + strike.every_s * (number + 1) / (len(self._strikes) + 1)
            for number, strike in enumerate(self._strikes)
        ]
        tell_at = now + TELL_EVERY_S
        while not self._over.wait(0.2):
            now = time.monotonic()
            for number, strike in enumerate(self._strikes):
                if now >= due[number]:
                    due[number] = now + strike.every_s
                    self._counts[strike.name] += 1
                    strike.act()
            if now >= tell_at:
                tell_at = now + TELL_EVERY_S
                self._told()
