"""The names of `raseed bench`, and what a measurement is given.

A bench is a module with `run() -> dict[str, object]`. One that is `housed` finds a migrated database, the settings loaded
and `given()`; one that is not starts by itself all that it needs, and takes a `rate` with `seconds`. Adding one is a line here.
"""

from contextvars import ContextVar
from dataclasses import dataclass
from importlib import import_module
from typing import Final

from rich.console import Console

from raseed.bench.house import House


@dataclass(frozen=True, slots=True)
class Bench:
    """Where it is, and whether it is run in a House."""

    module: str
    housed: bool = True


BENCHES: Final[dict[str, Bench]] = {
    "cardtesting": Bench("raseed.bench.cardtesting"),
    "ledger": Bench("raseed.bench.ledger"),
    "page": Bench("raseed.bench.page"),
    "paynow": Bench("raseed.bench.paynow"),
    "rating": Bench("raseed.bench.rating", housed=False),
    "recharge": Bench("raseed.bench.recharge"),
    "verify": Bench("raseed.bench.verify"),
    "webhooks": Bench("raseed.bench.webhooks", housed=False),
}


@dataclass(frozen=True, slots=True)
class Given:
    """The house, where to say how far one is, how long each measurement lasts, and how large the books are."""

    house: House
    console: Console
    seconds: float = 10.0
    entries: int = 1_000_000

    def say(self, what: str) -> None:
        """What is being done now: for the person who waits."""
        self.console.print(f"[dim]{what} …[/dim]", highlight=False)


_GIVEN: Final[ContextVar[Given]] = ContextVar("bench_given")


def given() -> Given:
    """What the bench that runs now was given."""
    return _GIVEN.get()


def measure(
    name: str, console: Console, *, seconds: float, entries: int, rate: float = 0
) -> dict[str, object]:
    """The figures of a bench by its name, one of BENCHES. Raises RuntimeError if what it needs cannot be started."""
    bench = BENCHES[name]
    if not bench.housed:
        return _figures(bench, rate=rate, seconds=seconds)
    console.print("[dim]a database of its own …[/dim]")
    with House() as house:
        token = _GIVEN.set(Given(house, console, seconds, entries))
        try:
            return _figures(bench)
        finally:
            _GIVEN.reset(token)


def _figures(bench: Bench, **how: float) -> dict[str, object]:
    # Imported only now: its rooms need the settings.
    figures: dict[str, object] = import_module(bench.module).run(**how)
    return figures
