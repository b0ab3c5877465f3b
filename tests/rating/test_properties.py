"""What holds of every price, beyond the examples."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from raseed.money import Money
from raseed.rating.calls import CallRate, Increment
from raseed.rating.charge import Charge
from raseed.rating.decimals import QUANTITY_ONE
from raseed.rating.months import Days, MonthlyFee, days_held, shortfall
from raseed.rating.prices import Graduated, PerUnit, Tier, Volume
from raseed.rating.versions import Version, Versions

CURRENCY = "JOD"
quantities = st.integers(0, 10**13)
picos = st.integers(0, 10**13)
increments = st.builds(Increment, st.integers(1, 120), st.integers(1, 120))
rates = st.builds(CallRate, picos, increments, st.just(CURRENCY), picos, picos)
moments = st.integers(0, 365 * 86_400).map(
    lambda second: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=second)
)


@st.composite
def tiers(draw: st.DrawFn) -> tuple[Tier, ...]:
    ends = sorted(draw(st.sets(st.integers(1, 10**13), max_size=5)))
    return tuple(Tier(end, draw(picos)) for end in [*ends, None])


per_units = st.builds(PerUnit, picos, st.just(CURRENCY))
graduateds = st.builds(Graduated, tiers(), st.just(CURRENCY))
volumes = st.builds(Volume, tiers(), st.just(CURRENCY))


@given(price=per_units | graduateds | rates, one=quantities, other=quantities)
def test_more_never_costs_less(price: PerUnit | Graduated | CallRate, one: int, other: int) -> None:
    small, large = sorted((one, other))
    assert price.charge(small).money <= price.charge(large).money
    assert price.charge(small).exact_micros <= price.charge(large).exact_micros


@given(price=per_units | graduateds | volumes | rates, quantity=quantities)
def test_rounding_leaves_less_than_a_micro_and_nothing_is_charged_for_nothing(
    price: PerUnit | Graduated | Volume | CallRate, quantity: int
) -> None:
    charge = price.charge(quantity)
    assert -Fraction(1, 2) <= charge.rest_micros <= Fraction(1, 2)
    assert charge.exact_micros - charge.rest_micros == charge.money.micros
    assert not price.charge(0).money


@given(price=graduateds, quantity=quantities)
def test_graduated_tiers_are_the_sum_of_their_parts(price: Graduated, quantity: int) -> None:
    lower, parts = 0, Fraction(0)
    for tier in price.tiers:
        upper = quantity if tier.up_to is None else tier.up_to
        within = max(min(quantity, upper) - lower, 0)
        parts += PerUnit(tier.per_unit_picos, CURRENCY).charge(within).exact_micros
        lower = upper
    assert price.charge(quantity).exact_micros == parts


@given(price=graduateds | volumes, events=st.lists(st.integers(0, 10**12), max_size=8))
def test_the_events_of_a_period_add_up_to_its_quantity(price: Graduated | Volume, events: list[int]) -> None:
    charges, before = [], 0
    for quantity in events:
        charges.append(price.charge(quantity, before))
        before += quantity
    assert _sum(charges) == price.charge(before)


def _sum(charges: list[Charge]) -> Charge:
    return Charge(
        sum((charge.money for charge in charges), Money.zero(CURRENCY)),
        sum((charge.exact_micros for charge in charges), Fraction(0)),
    )


@given(increment=increments, duration=quantities)
def test_an_increment_never_bills_less_than_the_real_seconds_nor_a_whole_step_more(
    increment: Increment, duration: int
) -> None:
    billed = increment.billed_s(duration) * QUANTITY_ONE
    assert billed >= duration
    assert billed - duration < max(increment.first_s, increment.next_s) * QUANTITY_ONE or duration == 0
    assert duration == 0 or (billed // QUANTITY_ONE - increment.first_s) % increment.next_s == 0


@given(rate=rates, duration=quantities)
def test_a_call_costs_at_least_its_real_time_its_connection_and_the_minimum(
    rate: CallRate, duration: int
) -> None:
    exact = rate.charge(duration).exact_micros * 10**6
    if duration:
        real = Fraction(rate.per_minute_picos * duration, 60 * QUANTITY_ONE)
        assert exact >= max(rate.connection_picos + real, rate.minimum_picos)


@given(borders=st.lists(moments, min_size=2, max_size=8, unique=True), start=moments, end=moments)
def test_cutting_at_the_borders_of_versions_leaves_no_hole(
    borders: list[datetime], start: datetime, end: datetime
) -> None:
    versions = Versions([Version(border, border) for border in borders])
    start, end = max(start, min(borders)), max(end, min(borders))
    pieces = list(versions.pieces(start, end))
    at = start
    for piece in pieces:
        assert piece.begins_at == at
        assert piece.ends_at is not None
        assert piece.price == max(border for border in borders if border <= at)
        assert not any(at < border < piece.ends_at for border in borders)
        at = piece.ends_at
    assert at == max(start, end) or not pieces
    assert bool(pieces) == (start < end)


@given(
    fee=st.integers(0, 10**12),
    count=st.integers(0, 1000),
    cuts=st.sets(st.integers(1, 27)),
    of=st.integers(28, 31),
)
def test_the_days_of_a_month_add_up_to_its_whole_fee(fee: int, count: int, cuts: set[int], of: int) -> None:
    monthly = MonthlyFee(Money(fee, CURRENCY))
    bounds = [0, *sorted(cuts), of]
    parts = [monthly.charge(count, Days(first, after, of)) for first, after in pairwise(bounds)]
    assert _sum(parts) == Charge(Money(fee * count, CURRENCY), Fraction(fee * count))


ZONES = [ZoneInfo(name) for name in ("UTC", "Asia/Riyadh", "Africa/Cairo", "America/New_York")]


@given(
    year=st.integers(2024, 2027),
    month=st.integers(1, 12),
    zone=st.sampled_from(ZONES),
    begins=moments,
    seconds=st.integers(1, 90 * 86_400),
)
def test_the_days_held_are_those_that_a_calendar_shows(
    year: int, month: int, zone: ZoneInfo, begins: datetime, seconds: int
) -> None:
    ends = begins + timedelta(seconds=seconds)
    days = days_held(begins, ends, year, month, zone)
    first, last = begins.astimezone(zone).date(), (ends - timedelta(microseconds=1)).astimezone(zone).date()
    shown = {first + timedelta(days=n) for n in range((last - first).days + 1)}
    assert days.after - days.first == sum((day.year, day.month) == (year, month) for day in shown)
    assert 0 <= days.first <= days.after <= days.of


@given(commitment=st.integers(0, 10**12), consumed=st.integers(0, 10**12))
def test_consumption_and_shortfall_reach_the_commitment(commitment: int, consumed: int) -> None:
    missing = shortfall(Money(commitment, CURRENCY), Money(consumed, CURRENCY)).micros
    assert missing >= 0
    assert consumed + missing == max(commitment, consumed)
