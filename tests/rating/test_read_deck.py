"""A rate deck from CSV: every fault with its line and column, and what is read when there is none."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from raseed.cli import app
from raseed.rating import read_deck as module
from raseed.rating.calls import CallRate, Increment
from raseed.rating.deck import Direction, Rate, RateDeck
from raseed.rating.read_deck import COLUMNS, NEEDED, read_deck
from raseed.rating.versions import Version

RIYADH = ZoneInfo("Asia/Riyadh")
HEADER = ",".join(NEEDED)
WHOLE = ",".join(COLUMNS)
GOOD = "966,USD,0.04,60/60,2026-01-01"


def faults(*lines: str) -> list[tuple[int, str, str]]:
    """Line, column and code of each fault."""
    return [(fault.line, fault.column, fault.error.code) for fault in read_deck(_ended(lines), RIYADH).faults]


def _ended(lines: Sequence[str]) -> list[str]:
    return [f"{line}\r\n" for line in lines]


def test_a_deck_is_read_to_its_last_field() -> None:
    reading = read_deck(
        _ended(
            [
                " Prefix,CURRENCY,per_minute,increment,effective_from,direction,destination,connection_fee,minimum,effective_until",
                '+9665,usd,0.12,30/6,2026-01-01,Inbound,"Saudi  Arabia, mobile",0.05,0.10,2026-02-01T12:00:00Z',
                "",
                "1,USD,0,1/1,2026-01-01T00:00:00+00:00,,,,,",
            ]
        ),
        RIYADH,
    )
    assert reading.faults == ()
    mobile = CallRate(12 * 10**10, Increment(30, 6), "USD", connection_picos=5 * 10**10, minimum_picos=10**11)
    assert reading.rates == (
        Version(
            Rate("9665", Direction.INBOUND, mobile, "Saudi Arabia, mobile"),
            # Midnight in Riyadh.
            datetime(2025, 12, 31, 21, tzinfo=UTC),
            datetime(2026, 2, 1, 12, tzinfo=UTC),
        ),
        Version(
            Rate("1", Direction.OUTBOUND, CallRate(0, Increment(1, 1), "USD")),
            datetime(2026, 1, 1, tzinfo=UTC),
        ),
    )


def test_a_day_without_a_midnight_begins_at_its_first_moment() -> None:
    """Egypt's clocks go from 24 April 00:00 to 01:00."""
    reading = read_deck(_ended([HEADER, "20,EGP,1,60/60,2026-04-24"]), ZoneInfo("Africa/Cairo"))
    assert reading.rates[0].begins_at == datetime(2026, 4, 23, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("prefix,currency,per_minute,effective_from", [(1, "increment", "deck_column_missing")]),
        (f"{HEADER},connection_fees", [(1, "", "deck_column_unknown")]),
        (f"{HEADER},prefix", [(1, "prefix", "deck_column_twice")]),
        (f"{HEADER},", [(1, "", "deck_column_unknown")]),
        (
            HEADER.replace(",", ";"),
            [*((1, name, "deck_column_missing") for name in NEEDED), (1, "", "deck_column_unknown")],
        ),
    ],
    ids=range(5),
)
def test_a_wrong_header_is_said_before_any_line(header: str, found: list[tuple[int, str, str]]) -> None:
    assert faults(header, "nonsense") == found


@pytest.mark.parametrize(
    ("line", "column", "code"),
    [
        ("x66,USD,0.04,60/60,2026-01-01", "prefix", "deck_prefix_wrong"),
        ("0966,USD,0.04,60/60,2026-01-01", "prefix", "deck_prefix_wrong"),
        ("9.66E+11,USD,0.04,60/60,2026-01-01", "prefix", "deck_prefix_wrong"),
        ("1234567890123456,USD,0.04,60/60,2026-01-01", "prefix", "deck_prefix_wrong"),
        (",USD,0.04,60/60,2026-01-01", "prefix", "deck_value_missing"),
        ("966,,0.04,60/60,2026-01-01", "currency", "deck_value_missing"),
        ("966,XYZ,0.04,60/60,2026-01-01", "currency", "currency_unknown"),
        ("966,EUR,0.04,60/60,2026-01-01", "currency", "deck_currency_mixed"),
        ("966,USD,,60/60,2026-01-01", "per_minute", "deck_value_missing"),
        ("966,USD,four,60/60,2026-01-01", "per_minute", "number_not_decimal"),
        ("966,USD,-0.04,60/60,2026-01-01", "per_minute", "number_negative"),
        ("966,USD,0.0000000000001,60/60,2026-01-01", "per_minute", "number_too_precise"),
        ("966,USD,1000000000000,60/60,2026-01-01", "per_minute", "number_too_large"),
        ('966,USD,"0,04",60/60,2026-01-01', "per_minute", "number_not_decimal"),
        ("966,USD,0.04,,2026-01-01", "increment", "deck_value_missing"),
        ("966,USD,0.04,60,2026-01-01", "increment", "deck_increment_wrong"),
        ("966,USD,0.04,0/60,2026-01-01", "increment", "deck_increment_wrong"),
        ("966,USD,0.04,60/0,2026-01-01", "increment", "deck_increment_wrong"),
        ("966,USD,0.04,30-Jun,2026-01-01", "increment", "deck_increment_wrong"),
        ("966,USD,0.04,60/60,", "effective_from", "deck_value_missing"),
        ("966,USD,0.04,60/60,1/2/2026", "effective_from", "deck_moment_wrong"),
        ("966,USD,0.04,60/60,2026-02-30", "effective_from", "deck_moment_wrong"),
        ("966,USD,0.04,60/60,20260101", "effective_from", "deck_moment_wrong"),
        ("966,USD,0.04,60/60,0001-01-01", "effective_from", "deck_moment_wrong"),
        ("966,USD,0,04,60/60,2026-01-01", "", "deck_line_length"),
        ("966,USD", "", "deck_line_length"),
        ('966,USD,0.04,60/60,"2026-01-01', "", "deck_not_csv"),
        ("1,USD,0.04,60/60,2026-01-01", "effective_from", "deck_rate_twice"),
        ("+1,USD,9,1/1,2025-12-31T21:00:00Z", "effective_from", "deck_rate_twice"),
    ],
)
def test_a_fault_has_its_line_and_its_column(line: str, column: str, code: str) -> None:
    assert faults(HEADER, "1,USD,0.04,60/60,2026-01-01", line) == [(3, column, code)]


@pytest.mark.parametrize(
    ("fields", "column", "code"),
    [
        ("sideways,,,,", "direction", "deck_direction_wrong"),
        (f",{'x' * 101},,,", "destination", "deck_destination_too_long"),
        (",,free,,", "connection_fee", "number_not_decimal"),
        (",,,-1,", "minimum", "number_negative"),
        (",,,,tomorrow", "effective_until", "deck_moment_wrong"),
        (",,,,2026-01-01", "effective_until", "version_empty"),
    ],
)
def test_so_has_one_in_a_column_that_may_be_empty(fields: str, column: str, code: str) -> None:
    assert faults(WHOLE, f"{GOOD},{fields}") == [(2, column, code)]


def test_all_faults_are_found_in_one_reading_and_good_lines_are_kept() -> None:
    lines = [
        HEADER,
        "966,USD,x,60,2026-01-01",
        "9665,USD,0.12,60/60,2026-01-01",
        "966,USD,0.05,60/60,2026-01-01",
        '"9661\n",USD,0.12,0/0,2026-01-01',
        "9662,USD,0.12,7,2026-01-01",
    ]
    reading = read_deck("".join(_ended(lines)).splitlines(keepends=True), RIYADH)
    assert [(fault.line, fault.column, fault.error.code) for fault in reading.faults] == [
        (2, "per_minute", "number_not_decimal"),
        (2, "increment", "deck_increment_wrong"),
        # A line at fault is a rate all the same to the line that repeats it.
        (4, "effective_from", "deck_rate_twice"),
        (5, "increment", "deck_increment_wrong"),
        # The record before it has two lines.
        (7, "increment", "deck_increment_wrong"),
    ]
    assert [version.price.prefix for version in reading.rates] == ["9665", "966"]
    assert (
        str(reading.faults[2].error.message)
        == "Line 2 has a rate for this prefix and direction from the same moment."
    )


def test_versions_that_overlap_are_named_with_both_lines() -> None:
    def line(begins: str, ends: str, direction: str = "") -> str:
        return f"966,USD,0.04,60/60,{begins},{direction},,,,{ends}"

    # In any order of the file; without an end, a rate lasts until the next one begins; the other direction is another rate.
    fine = [line("2026-03-01", "2026-04-01"), line("2026-01-01", ""), line("2026-02-01", "2026-03-01")]
    assert faults(WHOLE, *fine, line("2026-03-15", "", "inbound")) == []
    # The same moment twice is one fault, not an overlap too; what follows is compared with the first.
    twice = line("2026-01-01", "2026-02-01")
    assert faults(WHOLE, twice, twice, line("2026-02-01", "")) == [(3, "effective_from", "deck_rate_twice")]
    reading = read_deck(_ended([WHOLE, *fine, line("2026-02-28", "")]), RIYADH)
    assert [(fault.line, fault.column, str(fault.error.message)) for fault in reading.faults] == [
        (
            4,
            "effective_until",
            "This rate ends after the one in line 5 begins, for the same prefix and direction.",
        )
    ]


@pytest.mark.parametrize("lines", [(), ("",), (HEADER,), (HEADER, "", " , ,,,")], ids=range(4))
def test_a_file_without_a_rate_is_a_fault(lines: tuple[str, ...]) -> None:
    assert faults(*lines) == [(1, "", "deck_without_rates")]


def test_a_file_of_too_many_lines_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LINES_MAX", 3)
    lines = [HEADER, *(f"{n},USD,0.04,60/60,2026-01-01" for n in (1, 2))]
    assert faults(*lines) == []
    assert faults(*lines, GOOD) == [(3, "", "deck_too_long")]


@given(st.lists(st.text('0123456789./-,"\n USD\x00é', max_size=40), max_size=5))
def test_no_file_is_an_accident(lines: list[str]) -> None:
    reading = read_deck([HEADER, *lines], UTC)
    assert reading.rates or reading.faults
    # What is without a fault makes a deck.
    if not reading.faults:
        assert len(RateDeck(reading.rates)) > 0


def _check(file: Path, content: bytes, *words: str) -> Result:
    file.write_bytes(content)
    return CliRunner().invoke(app, ["prices", "check", str(file), *words])


def test_the_command_says_how_many_prefixes_load(tmp_path: Path) -> None:
    content = f"\ufeff{HEADER}\r\n{GOOD}\r\n966,USD,0.05,60/60,2026-02-01\r\n1,USD,0.05,60/60,2026-02-01\r\n"
    done = _check(tmp_path / "deck.csv", content.encode())
    assert (done.exit_code, done.output) == (
        0,
        "No fault: 2 prefixes with 3 rates in USD. Nothing was kept.\n",
    )


def test_the_command_prints_each_fault_and_ends_with_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("raseed.cli.FAULTS_SHOWN_MAX", 2)
    lines = [HEADER, "966,USD,\x1b[2J,60/60,2026-01-01", "1,USD,0.05", "2,USD,0.05"]
    done = _check(tmp_path / "deck.csv", "\n".join(lines).encode(), "--time-zone", "Asia/Riyadh")
    assert done.exit_code == 1
    assert done.output.splitlines() == [
        'line 2, per_minute: "?[2J" is not a decimal number. Write digits, with a dot before the decimals, as 12.5.',
        "line 3: This line has 3 fields, the header has 5.",
        "3 faults; the first 2 are shown.",
    ]


def test_the_command_refuses_what_is_not_utf_8_and_a_zone_that_is_none(tmp_path: Path) -> None:
    done = _check(tmp_path / "deck.csv", f"{HEADER}\nprefixe é".encode("latin-1"))
    assert (done.exit_code, done.output.split(":")[0]) == (1, "line 2")
    assert _check(tmp_path / "deck.csv", b"", "--time-zone", "Riyadh").exit_code == 2
