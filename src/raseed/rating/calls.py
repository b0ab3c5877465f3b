"""What a call costs: seconds billed in increments, a connection fee, a minimum.

A call of no duration was not answered and costs nothing. Durations are quantities: millionths of a second.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from raseed.rating.charge import NOTHING, Charge
from raseed.rating.decimals import PICOS_PER_MICRO, QUANTITY_ONE

SECONDS_PER_MINUTE: Final = 60


@dataclass(frozen=True, slots=True)
class Increment:
    """Billed are `first_s` seconds at once, then every further `next_s` that has begun: 60/60, 30/6, 1/1. Both above zero."""

    first_s: int
    next_s: int

    def billed_s(self, duration: int) -> int:
        """Whole seconds billed for a duration in millionths of a second: never fewer than it had, 0 for 0."""
        if duration == 0:
            return 0
        beyond = max(duration - self.first_s * QUANTITY_ONE, 0)
        return self.first_s - (-beyond // (self.next_s * QUANTITY_ONE)) * self.next_s

    def __str__(self) -> str:
        return f"{self.first_s}/{self.next_s}"


@dataclass(frozen=True, slots=True)
class CallRate:
    """A price of calls, in picos of the currency: for a minute, for being connected, and the least that an answered call costs."""

    per_minute_picos: int
    increment: Increment
    currency: str
    connection_picos: int = 0
    minimum_picos: int = 0

    def charge(self, duration: int) -> Charge:
        """The charge for a call of that many millionths of a second. Raises ChargeTooLarge."""
        if duration == 0:
            return Charge.of(NOTHING, self.currency)
        # In picos for sixty: whole numbers up to the one division.
        for_talk = self.per_minute_picos * self.increment.billed_s(duration)
        total = max(
            self.connection_picos * SECONDS_PER_MINUTE + for_talk, self.minimum_picos * SECONDS_PER_MINUTE
        )
        return Charge.of(Fraction(total, SECONDS_PER_MINUTE * PICOS_PER_MICRO), self.currency)
