"""What an account pays by the month: fees for each seat or number, by the days it was held, and a commitment.

Days are those of the account's zone: a day counts if the thing was held at any moment of it.
"""

import calendar
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from fractions import Fraction

from raseed.money import Money
from raseed.rating.charge import Charge


@dataclass(frozen=True, slots=True)
class Days:
    """Days of a month of `of` days, counted from 0: from `first` up to, but not including, `after`."""

    first: int
    after: int
    of: int


def days_held(begins_at: datetime, ends_at: datetime | None, year: int, month: int, zone: tzinfo) -> Days:
    """The days of a month, in that zone, on which something was held from `begins_at` up to `ends_at` (None: still)."""
    of = calendar.monthrange(year, month)[1]
    opening = date(year, month, 1)
    first = min(max((begins_at.astimezone(zone).date() - opening).days, 0), of)
    if ends_at is None:
        return Days(first, of, of)
    # The last moment at which it was held: what ends at midnight is not held on the day that begins.
    last = (ends_at.astimezone(UTC) - datetime.resolution).astimezone(zone).date()
    return Days(first, max(min((last - opening).days + 1, of), first), of)


@dataclass(frozen=True, slots=True)
class MonthlyFee:
    """A fee for each piece and whole month."""

    fee: Money

    def charge(self, count: int, days: Days) -> Charge:
        """The charge for so many pieces on those days. Parts of a month add up to its whole fee. Raises ChargeTooLarge."""
        whole = Fraction(self.fee.micros * count, days.of)
        return Charge.between(whole * days.first, whole * days.after, self.fee.currency)


def shortfall(commitment: Money, consumed: Money) -> Money:
    """What is missing to the month's commitment; nothing once it is consumed. Raises CurrencyMismatch."""
    return max(commitment - consumed, Money.zero(commitment.currency))
