"""Worked examples, each with its reason, to be checked by a reader; and what no price may be made of."""

import ast
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

import raseed.rating
from raseed.errors import RaseedError
from raseed.money import MICROS_MAX, Money, decimal_text
from raseed.rating import errors
from raseed.rating.calls import CallRate, Increment
from raseed.rating.charge import Charge
from raseed.rating.decimals import read_price, read_quantity
from raseed.rating.errors import (
    ChargeTooLarge,
    EmptyVersion,
    NegativeNumber,
    NoPriceInForce,
    NumberTooLarge,
    NumberTooPrecise,
    OverlappingVersions,
    VersionTwice,
    WrongNumber,
    WrongTiers,
)
from raseed.rating.months import MonthlyFee, days_held, shortfall
from raseed.rating.prices import Graduated, PerUnit, Tier, Volume
from raseed.rating.versions import Version, Versions

# kind, price, usage, charge, reason. The words of each kind are read below.
TABLE = [
    tuple(line.split("\t"))
    for line in (Path(__file__).parent / "worked_examples.tsv").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]
CURRENCY = "USD"


def _per_unit(price: str, usage: str) -> Money:
    return PerUnit(read_price(price), CURRENCY).charge(read_quantity(usage)).money


def _tiered(kind: type[Graduated | Volume]) -> Callable[[str, str], Money]:
    def charge(price: str, usage: str) -> Money:
        tiers = [tier.split(":") for tier in price.split()]
        price_of = kind(
            tuple(Tier(read_quantity(end) if end else None, read_price(unit)) for end, unit in tiers),
            CURRENCY,
        )
        quantity, _, before = usage.partition(" after ")
        return price_of.charge(read_quantity(quantity), read_quantity(before or "0")).money

    return charge


def _call(price: str, usage: str) -> Money:
    per_minute, increment, *extras = price.split()
    first, following = increment.split("/")
    named = dict(extra.split("=") for extra in extras)
    rate = CallRate(
        read_price(per_minute),
        Increment(int(first), int(following)),
        CURRENCY,
        connection_picos=read_price(named.get("connect", "0")),
        minimum_picos=read_price(named.get("least", "0")),
    )
    return rate.charge(read_quantity(usage)).money


def _monthly(price: str, usage: str) -> Money:
    count, _, held, _, month, zone = usage.split(" ")
    begins, _, ends = held.partition("..")
    year, number = month.split("-")
    days = days_held(
        datetime.fromisoformat(begins).replace(tzinfo=UTC),
        datetime.fromisoformat(ends).replace(tzinfo=UTC) if ends else None,
        int(year),
        int(number),
        ZoneInfo(zone),
    )
    return MonthlyFee(_money(price)).charge(int(count), days).money


def _commitment(price: str, usage: str) -> Money:
    return shortfall(_money(price), _money(usage))


def _money(text: str) -> Money:
    return Money(read_quantity(text), CURRENCY)


KINDS: dict[str, Callable[[str, str], Money]] = {
    "per_unit": _per_unit,
    "graduated": _tiered(Graduated),
    "volume": _tiered(Volume),
    "call": _call,
    "monthly": _monthly,
    "commitment": _commitment,
}


def test_the_examples_cost_what_the_table_says() -> None:
    wrong = []
    for kind, price, usage, charge, reason in TABLE:
        got = KINDS[kind](price, usage)
        # The table shows six decimals always.
        whole, _, decimals = decimal_text(got).partition(".")
        if f"{whole}.{decimals:0<6}" != charge:
            wrong.append((kind, price, usage, charge, decimal_text(got), reason))
    assert wrong == []


def test_the_table_has_examples_of_every_kind_each_with_its_reason() -> None:
    counts = Counter(row[0] for row in TABLE)
    assert set(counts) == set(KINDS)
    assert min(counts.values()) >= 6
    assert len(set(TABLE)) == len(TABLE) >= 100
    assert all(row[4] for row in TABLE)


@pytest.mark.parametrize(
    ("text", "error", "sentence"),
    [
        (
            "",
            WrongNumber,
            '"" is not a decimal number. Write digits, with a dot before the decimals, as 12.5.',
        ),
        ("twelve", WrongNumber, '"twelve" is not a decimal number.'),
        ("1,5", WrongNumber, '"1,5" is not a decimal number.'),
        ("1e3", WrongNumber, '"1e3" is not a decimal number.'),
        ("NaN", WrongNumber, '"NaN" is not a decimal number.'),
        ("Infinity", WrongNumber, '"Infinity" is not a decimal number.'),
        (".5", WrongNumber, '".5" is not a decimal number.'),
        ("5.", WrongNumber, '"5." is not a decimal number.'),
        (" 5", WrongNumber, '" 5" is not a decimal number.'),
        ("5\n", WrongNumber, '"5\n" is not a decimal number.'),
        ("٥", WrongNumber, '"٥" is not a decimal number.'),
        ("+5", WrongNumber, '"+5" is not a decimal number.'),
        ("x" * 10_000, WrongNumber, f'"{"x" * 40}" is not'),
        ("-5", NegativeNumber, '"-5" is below zero.'),
        ("-0.000001", NegativeNumber, '"-0.000001" is below zero.'),
        ("0.0000001", NumberTooPrecise, '"0.0000001" has more than 6 decimals.'),
        ("1.0000000", NumberTooPrecise, '"1.0000000" has more than 6 decimals.'),
        ("1" + "0" * 12, NumberTooLarge, '"1000000000000" is too large: at most 12 digits'),
        ("9" * 100_000, NumberTooLarge, "is too large"),
    ],
    ids=range(19),
)
def test_what_is_not_a_quantity_is_refused(text: str, error: type[WrongNumber], sentence: str) -> None:
    with pytest.raises(WrongNumber) as refusal:
        read_quantity(text)
    assert type(refusal.value) is error
    assert sentence in str(refusal.value.message)
    assert (refusal.value.status, refusal.value.field) == (422, "quantity")


def test_a_quantity_is_read_to_its_last_digit() -> None:
    assert read_quantity("0.000001") == 1
    assert read_quantity("0012.5") == 12_500_000
    assert read_quantity("999999999999.999999") == 10**18 - 1
    assert read_price("0.000000000001") == 1
    with pytest.raises(NumberTooPrecise) as refusal:
        read_price("0.0000000000001", "per_minute")
    assert refusal.value.field == "per_minute"
    with pytest.raises(TypeError):
        read_quantity(1.5)  # type: ignore[arg-type]


def test_a_charge_keeps_what_rounding_left() -> None:
    charge = PerUnit(read_price("0.0000004"), CURRENCY).charge(read_quantity("1"))
    assert charge == Charge(Money(0, CURRENCY), Fraction(2, 5))
    assert charge.rest_micros == Fraction(2, 5)


def test_a_charge_that_no_ledger_holds_is_refused() -> None:
    price = PerUnit(read_price("999999999999"), CURRENCY)
    assert price.charge(read_quantity("1")).money.micros < MICROS_MAX
    with pytest.raises(ChargeTooLarge):
        price.charge(read_quantity("2"))


@pytest.mark.parametrize(
    "ends", [(), (1,), (None, None), (None, 5), (5, 5, None), (5, 4, None), (0, None)], ids=str
)
def test_tiers_that_leave_a_hole_are_refused(ends: tuple[int | None, ...]) -> None:
    for kind in (Graduated, Volume):
        with pytest.raises(WrongTiers):
            kind(tuple(Tier(end, 1) for end in ends), CURRENCY)


def _at(day: int, second: int = 0) -> datetime:
    return datetime(2026, 4, day, 0, 0, second, tzinfo=UTC)


def test_an_event_costs_what_was_in_force_at_its_time() -> None:
    versions = Versions([Version("new", _at(10)), Version("old", _at(1)), Version("gone", _at(20), _at(21))])
    assert [versions.at(_at(day)) for day in (1, 9, 10, 20)] == ["old", "old", "new", "gone"]
    before = datetime(2026, 4, 9, 23, 59, 59, 999_999, tzinfo=UTC)
    assert versions.at(before) == "old"
    # Local times are moments: midnight of the 10th in Riyadh is before that of the 10th in UTC.
    assert versions.at(datetime(2026, 4, 10, tzinfo=ZoneInfo("Asia/Riyadh"))) == "old"
    for outside in (datetime(2026, 3, 31, 23, 59, 59, tzinfo=UTC), _at(21)):
        with pytest.raises(NoPriceInForce) as refusal:
            versions.at(outside)
        assert str(refusal.value.message) == f"No price is in force at {outside.isoformat()}."
    with pytest.raises(NoPriceInForce):
        list(versions.pieces(_at(19), _at(22)))


def test_a_moment_never_has_two_prices() -> None:
    with pytest.raises(EmptyVersion):
        Version("", _at(2), _at(2))
    with pytest.raises(VersionTwice):
        Versions([Version("a", _at(2)), Version("b", _at(2))])
    with pytest.raises(OverlappingVersions):
        Versions([Version("a", _at(2), _at(4)), Version("b", _at(3))])


def _foreign(source: str) -> list[str]:
    """Imports of anything with a database, a clock or a file in it, floats, and division that would make one."""
    allowed = {"raseed.money", "raseed.errors", "django.utils.translation", "django.utils.functional"}
    found = []
    for node in ast.walk(ast.parse(source)):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        found += [
            name
            for name in names
            if name.split(".")[0] in {"django", "raseed", "time", "os", "pathlib", "decimal", "math"}
            and name not in allowed
            and not name.startswith("raseed.rating.")
        ]
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            found.append(f"float {node.value}")
        if isinstance(node, ast.Name) and node.id in {"float", "open", "round"}:
            found.append(node.id)
        if isinstance(node, ast.Attribute) and node.attr in {"now", "today", "utcnow"}:
            found.append(node.attr)
    return found


def test_rating_is_arithmetic_only() -> None:
    modules = sorted(Path(raseed.rating.__file__).parent.glob("*.py"))
    assert len(modules) > 5
    assert {module.name: _foreign(module.read_text(encoding="utf-8")) for module in modules} == {
        module.name: [] for module in modules
    }
    assert _foreign("import os\nfrom raseed.db import queue\nx = 1.5\nround(float(x))\ndatetime.now()") == [
        "os",
        "raseed.db",
        "float 1.5",
        "round",
        "now",
        "float",
    ]


def test_errors_have_a_code_of_their_own() -> None:
    nouns = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, RaseedError)]
    codes = [one.code for one in nouns if one is not RaseedError]
    assert len(set(codes)) == len(codes)
