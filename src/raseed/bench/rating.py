"""How fast a rate deck of 40,000 prefixes is built and matches, against a plain look-up of each shorter prefix in turn.

It needs no database: the deck is dealt by a seed and held in memory, as it is where usage is priced.
"""

import random
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final

from raseed.rating.calls import CallRate, Increment
from raseed.rating.decimals import QUANTITY_ONE
from raseed.rating.deck import Direction, Rate, RateDeck
from raseed.rating.prefixes import Prefixes
from raseed.rating.read_deck import read_deck
from raseed.rating.versions import Version

PREFIXES: Final = 40_000
NUMBERS: Final = 20_000
DIGITS: Final = 12
SEED: Final = 1
AT: Final = datetime(2026, 6, 1, tzinfo=UTC)


def run(*, seconds: float, prefixes: int = PREFIXES, **_how: float) -> dict[str, object]:
    """Seconds to read the deck from CSV and to build it; numbers a second matched by prefix, by the plain way, and priced with rate and charge.

    Both ways give the same prefix for every number, or RuntimeError.
    """
    chance = random.Random(SEED)  # noqa: S311 - a deck of a bench, not a secret
    dealt = deal(chance, prefixes)
    versions = [Version(_rate(prefix, chance), datetime(2026, 1, 1, tzinfo=UTC)) for prefix in dealt]
    began = time.perf_counter()
    deck = RateDeck(versions)
    build_s = time.perf_counter() - began

    began = time.perf_counter()
    reading = read_deck(_lines(versions), UTC)
    read_s = time.perf_counter() - began
    if reading.rates != tuple(versions):
        raise RuntimeError("the deck is not read as it was written")

    numbers = [
        f"{chance.choice(dealt)}{chance.randrange(10**DIGITS):0{DIGITS}d}"[:DIGITS] for _ in range(NUMBERS)
    ]
    matching = Prefixes({prefix: prefix for prefix in dealt})
    plain: dict[str, tuple[str, ...]] = {prefix: (prefix,) for prefix in dealt}
    for number in numbers:
        if matching.of(number)[:1] != plain_match(plain, number):
            raise RuntimeError("the two ways of matching disagree")
    duration = 61 * QUANTITY_ONE
    matches, baseline, priced = _in_turn(
        (
            matching.of,
            partial(plain_match, plain),
            lambda number: deck.rate_of(number, Direction.OUTBOUND, AT).price.charge(duration),
        ),
        numbers,
        seconds,
    )
    return {
        "prefixes": len(deck),
        "read_s": round(read_s, 3),
        "build_s": round(build_s, 3),
        "matches_per_second": round(matches),
        "baseline_matches_per_second": round(baseline),
        "ratio_to_baseline": round(matches / baseline, 2),
        "match_us": round(1_000_000 / matches, 2),
        "charges_per_second": round(priced),
    }


def deal(chance: random.Random, count: int) -> list[str]:
    """Prefixes as a deck has them: some of countries, most within others, two to nine digits long."""
    dealt = dict.fromkeys(str(country) for country in chance.sample(range(20, 1_000), min(200, count)))
    within = list(dealt)
    while len(dealt) < count:
        prefix = f"{chance.choice(within)}{chance.randrange(10 ** chance.randint(1, 3))}"
        if len(prefix) <= 9 and prefix not in dealt:
            dealt[prefix] = None
            within.append(prefix)
    return list(dealt)


def plain_match(prefixes: dict[str, tuple[str, ...]], number: str) -> tuple[str, ...]:
    """The plain way: ask for the whole number, then for one digit fewer, and so on."""
    for length in range(len(number), 0, -1):
        found = prefixes.get(number[:length])
        if found is not None:
            return found
    return ()


def _rate(prefix: str, chance: random.Random) -> Rate:
    price = CallRate(chance.randrange(10**9, 10**12), Increment(30, 6), "USD")
    return Rate(prefix, Direction.OUTBOUND, price)


def _lines(versions: Sequence[Version[Rate]]) -> list[str]:
    """The deck as the lines of a CSV file."""
    header = "prefix,currency,per_minute,increment,effective_from"
    rates = ((version.price.prefix, version.price.price, version.begins_at) for version in versions)
    return [header] + [
        f"{prefix},{price.currency},0.{price.per_minute_picos:012d},{price.increment},{begins_at:%Y-%m-%d}"
        for prefix, price, begins_at in rates
    ]


def _in_turn(ways: Sequence[Callable[[str], object]], numbers: Sequence[str], seconds: float) -> list[float]:
    """How often a second each way goes: round by round in turn, so that whatever else the machine does disturbs all of them."""
    took, rounds = [0.0] * len(ways), 0
    while not rounds or sum(took) < seconds * len(ways):
        for place, way in enumerate(ways):
            began = time.perf_counter()
            for number in numbers:
                way(number)
            took[place] += time.perf_counter() - began
        rounds += 1
    return [rounds * len(numbers) / one for one in took]
