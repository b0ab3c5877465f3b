"""Numbers of papers without a gap: one series for a kind of paper and year, counted under a row lock.

The number is taken inside the transaction that issues the paper, as its last lock, so that a rollback gives it back and
two papers never have the same one. A database sequence must never be used here: it forgets what a rollback gave up.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Final
from zoneinfo import ZoneInfo

from django.db import connection

from raseed.db.statements import row_of
from raseed.documents.models import PaperKind

PREFIXES: Final[dict[PaperKind, str]] = {PaperKind.RECEIPT_VOUCHER: "RV"}
DIGITS_MIN: Final = 6

# One statement locks the series' row, or makes it, and holds it until the transaction ends. A clock that went back
# never dates a paper before the one that has the number before it.
_TAKE: Final = """
INSERT INTO documents_numbercounter AS counter (series, last, issued_at, issued_on)
VALUES (%(series)s, 1, %(now)s, %(today)s)
ON CONFLICT (series) DO UPDATE
   SET last = counter.last + 1,
       issued_at = greatest(counter.issued_at, excluded.issued_at),
       issued_on = greatest(counter.issued_on, excluded.issued_on)
RETURNING last, issued_at, issued_on
"""


class NoTransaction(RuntimeError):
    """A number was about to be spent before its paper exists."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A number, with the moment (UTC) and the day in the operator's zone that its paper bears."""

    series: str
    number: int
    display: str
    issued_at: datetime
    issued_on: date


def take(kind: PaperKind, zone: ZoneInfo, now: datetime) -> Taken:
    """Give the next number of this kind and year. Call last in the transaction that issues the paper.

    Raises NoTransaction outside of one.
    """
    if not connection.in_atomic_block:
        raise NoTransaction("a number is taken only in the transaction that issues its paper")
    today = now.astimezone(zone).date()
    series = f"{PREFIXES[kind]}-{today.year}"
    row = row_of(_TAKE, {"series": series, "now": now, "today": today})
    if row is None:
        raise LookupError(f"the counter of {series} gave no row")
    number, issued_at, issued_on = row
    return Taken(
        series=series,
        number=number,
        display=f"{series}-{number:0{DIGITS_MIN}}",
        issued_at=moment_on(issued_on, issued_at, now, zone),
        issued_on=issued_on,
    )


def moment_on(day: date, latest: datetime, now: datetime, zone: ZoneInfo) -> datetime:
    """The moment for a paper that must bear `day`: the latest so far, else now, else the beginning of that day.

    They differ only after the operator moved to another time zone or its clock went back: the printed date is read
    from the moment, and must be the day that the series counts.
    """
    for moment in (latest, now):
        if moment.astimezone(zone).date() == day:
            return moment
    return datetime.combine(day, time.min, zone).astimezone(UTC)
