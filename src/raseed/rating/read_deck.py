"""Read a rate deck from the lines of a CSV file, and say of each line what is wrong with it.

It keeps nothing and never guesses: a column that it does not know, a date that can be read in two ways, a price with one decimal too
many is a fault with its line and its column. All faults of a file are found in one reading.
"""

import csv
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Final, TypeVar

from raseed.errors import RaseedError
from raseed.money import currency_of
from raseed.rating.calls import CallRate, Increment
from raseed.rating.decimals import read_price
from raseed.rating.deck import Direction, Rate
from raseed.rating.errors import (
    ColumnMissing,
    ColumnTwice,
    ColumnUnknown,
    CurrencyMixed,
    DeckTooLong,
    DeckWithoutRates,
    DestinationTooLong,
    NotCsv,
    NotDirection,
    NotIncrement,
    NotMoment,
    NotPrefix,
    OtherLength,
    RatesOverlap,
    RateTwice,
    ValueMissing,
)
from raseed.rating.versions import Version

Value = TypeVar("Value")

NEEDED: Final = ("prefix", "currency", "per_minute", "increment", "effective_from")
COLUMNS: Final = (*NEEDED, "direction", "destination", "connection_fee", "minimum", "effective_until")
# What tells a rate from the others of a deck.
KEY: Final = frozenset({"prefix", "direction", "effective_from", "effective_until"})
LINES_MAX: Final = 1_000_000
DESTINATION_LENGTH_MAX: Final = 100
_SHOWN_MAX: Final = 40
_PREFIX: Final = re.compile(r"\+?([1-9][0-9]{0,14})")
_INCREMENT: Final = re.compile(r"([1-9][0-9]{0,3})/([1-9][0-9]{0,3})")
_MOMENT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2})?(Z|[+-][0-9]{2}:[0-9]{2})?)?"
)


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong in a line of the file (the header is 1), and in which column; "" is the whole line."""

    line: int
    column: str
    error: RaseedError


@dataclass(frozen=True, slots=True)
class Reading:
    """The rates of the lines without a fault, and all faults in the order of their lines."""

    rates: tuple[Version[Rate], ...]
    faults: tuple[Fault, ...]


def read_deck(lines: Iterable[str], zone: tzinfo) -> Reading:
    """Read the lines of a CSV file, its header first; a date without an offset is local to `zone`. Raises nothing."""
    faults = list[Fault]()
    records = _records(iter(lines), faults)
    line, header = next(records, (1, []))
    columns = [name.strip().lower() for name in header]
    if columns:
        faults += _faults_of_header(line, columns)
    if faults:
        return Reading((), tuple(faults))
    good, placed = list[Version[Rate]](), list[tuple[int, Version[Rate]]]()
    currency = ""
    for line, fields in records:
        if len(fields) != len(columns):
            faults.append(Fault(line, "", OtherLength(count=len(fields), expected=len(columns))))
            continue
        row = _Row(line, dict(zip(columns, fields, strict=True)))
        version = row.rate(zone, currency)
        currency = currency or row.currency
        if version is not None:
            placed.append((line, version))
            if not row.faults:
                good.append(version)
        faults += row.faults
    if not (placed or faults):
        faults.append(Fault(line, "", DeckWithoutRates()))
    faults += _clashes(placed)
    return Reading(tuple(good), tuple(sorted(faults, key=lambda fault: fault.line)))


def _records(lines: Iterator[str], faults: list[Fault]) -> Iterator[tuple[int, list[str]]]:
    """Each record with the line on which it begins; empty lines are passed over."""
    reader = csv.reader(lines, strict=True)
    while reader.line_num < LINES_MAX:
        line = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error:
            faults.append(Fault(line, "", NotCsv()))
            return
        if any(field.strip() for field in fields):
            yield line, fields
    if next(lines, None) is not None:
        faults.append(Fault(LINES_MAX, "", DeckTooLong(limit=f"{LINES_MAX:,}")))


def _faults_of_header(line: int, columns: list[str]) -> Iterator[Fault]:
    for name in NEEDED:
        if name not in columns:
            yield Fault(line, name, ColumnMissing(column=name, columns=", ".join(NEEDED)))
    for place, name in enumerate(columns):
        if name not in COLUMNS:
            yield Fault(line, "", ColumnUnknown(column=name[:_SHOWN_MAX], columns=", ".join(COLUMNS)))
        elif name in columns[:place]:
            yield Fault(line, name, ColumnTwice(column=name))


class _Row:
    """One line; reading its fields gathers their faults."""

    def __init__(self, line: int, fields: dict[str, str]) -> None:
        self.faults = list[Fault]()
        self.currency = ""
        self._line, self._fields = line, fields

    def rate(self, zone: tzinfo, currency: str) -> Version[Rate] | None:
        """The rate, with stand-ins for prices at fault; None if it is not known for what and when it is.

        `currency` is that of the deck, "" if no line has said it yet.
        """
        self.currency = self._read("currency", lambda text: currency_of(text.upper()).code, "")
        if self.currency and currency and self.currency != currency:
            self._fault("currency", CurrencyMixed(currency=currency))
        price = CallRate(
            self._price("per_minute"),
            self._read("increment", _increment, Increment(1, 1)),
            self.currency,
            connection_picos=self._price("connection_fee"),
            minimum_picos=self._price("minimum"),
        )
        rate = Rate(
            self._read("prefix", _prefix, ""),
            self._read("direction", _direction, Direction.OUTBOUND),
            price,
            self._read("destination", _destination, ""),
        )
        begins_at = self._read("effective_from", lambda text: _moment(text, zone), None)
        ends_at = self._read("effective_until", lambda text: _moment(text, zone), None)
        if begins_at is None or any(fault.column in KEY for fault in self.faults):
            return None
        try:
            return Version(rate, begins_at, ends_at)
        except RaseedError as error:
            self._fault("effective_until", error)
            return None

    def _price(self, column: str) -> int:
        return self._read(column, lambda text: read_price(text, column), 0)

    def _read(self, column: str, reader: Callable[[str], Value], otherwise: Value) -> Value:
        """What the field says; `otherwise` if it is empty or at fault."""
        text = self._fields.get(column, "").strip()
        if not text:
            if column in NEEDED:
                self._fault(column, ValueMissing())
            return otherwise
        try:
            return reader(text)
        except RaseedError as error:
            self._fault(column, error)
            return otherwise

    def _fault(self, column: str, error: RaseedError) -> None:
        self.faults.append(Fault(self._line, column, error))


def _clashes(placed: list[tuple[int, Version[Rate]]]) -> Iterator[Fault]:
    """Where rates of one prefix and direction begin at the same moment, or the one ends after the next begins."""

    ordered = sorted(placed, key=lambda one: (_what(one[1]), one[1].begins_at, one[0]))
    if not ordered:
        return
    earlier_line, earlier = ordered[0]
    for line, version in ordered[1:]:
        if _what(version) == _what(earlier):
            if version.begins_at == earlier.begins_at:
                yield Fault(line, "effective_from", RateTwice(line=earlier_line))
                continue
            if earlier.ends_at is not None and earlier.ends_at > version.begins_at:
                yield Fault(earlier_line, "effective_until", RatesOverlap(line=line))
        earlier_line, earlier = line, version


def _what(version: Version[Rate]) -> tuple[str, str]:
    return version.price.direction, version.price.prefix


def _prefix(text: str) -> str:
    match = _PREFIX.fullmatch(text)
    if match is None:
        raise NotPrefix(text=text[:_SHOWN_MAX])
    return match[1]


def _increment(text: str) -> Increment:
    match = _INCREMENT.fullmatch(text)
    if match is None:
        raise NotIncrement(text=text[:_SHOWN_MAX])
    return Increment(int(match[1]), int(match[2]))


def _direction(text: str) -> Direction:
    try:
        return Direction(text.lower())
    except ValueError:
        raise NotDirection(text=text[:_SHOWN_MAX]) from None


def _destination(text: str) -> str:
    name = " ".join(text.split())
    if len(name) > DESTINATION_LENGTH_MAX:
        raise DestinationTooLong(limit=DESTINATION_LENGTH_MAX)
    return name


def _moment(text: str, zone: tzinfo) -> datetime | None:
    """A moment in UTC. A day begins at its midnight in `zone`, or where it has none at its first moment."""
    if _MOMENT.fullmatch(text):
        try:
            moment = datetime.fromisoformat(text)
            return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise NotMoment(text=text[:_SHOWN_MAX])
