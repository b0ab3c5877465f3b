"""How long Balance Details takes for an account with a hundred entries, and for one with a hundred thousand.

One browser asks the portal's own process for the two pages in turn.
"""

import time
from contextlib import closing
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

from django.conf import settings

from raseed.bench.figures import percentile
from raseed.bench.registry import given
from raseed.bench.visitors import Visitor, make_account, make_operator
from raseed.bench.volume import fill

SMALL: Final = 100
LARGE: Final = 100_000
WARM_UP: Final = 10
PAGE: Final = "/settings/billing/balance"


def run() -> dict[str, object]:
    """p99_small_ms, p99_large_ms, ratio of the two; the medians; how many entries the accounts have."""
    about = given()
    now = datetime.now(UTC)
    make_operator(now)
    small, small_admin = make_account(101, now)
    large, large_admin = make_account(102, now)
    entries = min(LARGE, about.entries)
    about.say(f"accounts with {SMALL} and {entries:,} entries")
    owner = about.house.owner_url
    fill(owner, [small.id], SMALL, now)
    fill(owner, [large.id], entries, now)
    about.say("the portal")
    about.house.start("portal", "raseed.cli", "serve", "--port", settings.PUBLIC_URL.rsplit(":", 1)[1])
    about.house.wait_for(f"{settings.PUBLIC_URL}/readyz")
    about.say("the two pages in turn")
    with closing(Visitor(small_admin)) as first, closing(Visitor(large_admin)) as second:
        small_ms, large_ms = _in_turn(first, second, about.seconds * 2)
    p99_small, p99_large = percentile(small_ms, 99), percentile(large_ms, 99)
    return {
        "p99_small_ms": round(p99_small, 2),
        "p99_large_ms": round(p99_large, 2),
        "ratio": round(p99_large / p99_small, 3),
        "p50_small_ms": round(percentile(small_ms, 50), 2),
        "p50_large_ms": round(percentile(large_ms, 50), 2),
        "pages": len(small_ms) + len(large_ms),
        "entries_large": entries,
    }


def _in_turn(small: Visitor, large: Visitor, seconds: float) -> tuple[list[float], list[float]]:
    times: tuple[list[float], list[float]] = ([], [])
    for visitor in (small, large) * WARM_UP:
        _ms(visitor)
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline:
        times[0].append(_ms(small))
        times[1].append(_ms(large))
    return times


def _ms(visitor: Visitor) -> float:
    started = time.perf_counter()
    answer = visitor.get(PAGE)
    took = time.perf_counter() - started
    if answer.status != HTTPStatus.OK:
        raise RuntimeError(f"{PAGE} answered {answer.status}: {answer.body[:300]!r}")
    return took * 1000
