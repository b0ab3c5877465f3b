"""A rate deck: the longest prefix in force, and the same answer as looking through all of them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raseed.bench import rating
from raseed.rating.calls import CallRate, Increment
from raseed.rating.deck import Direction, Rate, RateDeck
from raseed.rating.errors import NoPriceInForce, NotPhoneNumber, OverlappingVersions, UnknownDestination
from raseed.rating.prefixes import Prefixes
from raseed.rating.versions import Version

JANUARY, FEBRUARY, MARCH = (datetime(2026, month, 1, tzinfo=UTC) for month in (1, 2, 3))
PRICE = CallRate(10**10, Increment(60, 60), "USD")


def _version(
    prefix: str,
    begins: datetime = JANUARY,
    ends: datetime | None = None,
    direction: Direction = Direction.OUTBOUND,
) -> Version[Rate]:
    return Version(Rate(prefix, direction, PRICE, f"{prefix} from {begins:%B}"), begins, ends)


DECK = RateDeck(
    [
        _version("966"),
        _version("966", FEBRUARY),
        _version("9665"),
        _version("96650", FEBRUARY),
        _version("9661", JANUARY, FEBRUARY),
        _version("1", JANUARY, FEBRUARY),
        _version("800", direction=Direction.INBOUND),
    ]
)


@pytest.mark.parametrize(
    ("number", "at", "destination"),
    [
        ("+966500000000", JANUARY, "9665 from January"),
        ("966500000000", FEBRUARY, "96650 from February"),
        ("+966550000000", FEBRUARY, "9665 from January"),
        ("+966110000000", JANUARY, "9661 from January"),
        # No longer in force: the shorter one beneath it, in its own version of that time.
        ("+966110000000", FEBRUARY, "966 from February"),
        ("+966110000000", FEBRUARY - timedelta(microseconds=1), "9661 from January"),
        ("+966", FEBRUARY, "966 from February"),
    ],
)
def test_the_longest_prefix_in_force_counts(number: str, at: datetime, destination: str) -> None:
    assert DECK.rate_of(number, Direction.OUTBOUND, at).destination == destination


def test_directions_have_rates_of_their_own() -> None:
    assert DECK.rate_of("+80012345", Direction.INBOUND, JANUARY).prefix == "800"
    with pytest.raises(UnknownDestination):
        DECK.rate_of("+80012345", Direction.OUTBOUND, JANUARY)
    with pytest.raises(UnknownDestination):
        DECK.rate_of("+966500000000", Direction.INBOUND, JANUARY)
    assert len(DECK) == 6


def test_a_number_without_a_price_is_refused_with_its_reason() -> None:
    with pytest.raises(UnknownDestination) as unknown:
        DECK.rate_of("96", Direction.OUTBOUND, JANUARY)
    assert str(unknown.value.message) == "There is no price for calls to +96."
    with pytest.raises(NoPriceInForce) as ended:
        DECK.rate_of("+12025550100", Direction.OUTBOUND, MARCH)
    assert str(ended.value.message) == "No price is in force at 2026-03-01T00:00:00+00:00."
    with pytest.raises(NoPriceInForce):
        DECK.rate_of("+966500000000", Direction.OUTBOUND, JANUARY - timedelta(microseconds=1))


@pytest.mark.parametrize(
    "text", ["", "+", "0501234567", "00966500000000", "+966 50", "966x", "٩٦٦", "9" * 16, "1\n"]
)
def test_what_is_not_a_phone_number_is_refused(text: str) -> None:
    with pytest.raises(NotPhoneNumber) as refusal:
        DECK.rate_of(text, Direction.OUTBOUND, JANUARY)
    assert f'"{text}" is not a phone number' in str(refusal.value.message)


def test_a_deck_with_two_rates_at_one_moment_is_refused() -> None:
    with pytest.raises(OverlappingVersions):
        RateDeck([_version("966", JANUARY, MARCH), _version("966", FEBRUARY)])


digits = st.text("012", min_size=1, max_size=7)


@given(prefixes=st.sets(digits, max_size=30), number=st.text("012", max_size=9))
def test_prefixes_are_those_that_a_look_through_all_finds(prefixes: set[str], number: str) -> None:
    found = Prefixes({prefix: prefix for prefix in prefixes}).of(number)
    assert list(found) == sorted(filter(number.startswith, prefixes), key=len, reverse=True)


def test_the_bench_gives_its_figures() -> None:
    figures = rating.run(seconds=0.001, prefixes=500, rate=0)
    assert figures["prefixes"] == 500
    assert all(isinstance(value, int | float) and value >= 0 for value in figures.values())
    assert {
        "read_s",
        "build_s",
        "matches_per_second",
        "baseline_matches_per_second",
        "ratio_to_baseline",
    } <= set(figures)
