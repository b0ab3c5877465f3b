"""A charge: what is deducted, in whole micros, beside what it is exactly.

The one rule of rounding: what a price is counted over has a running total; the total is rounded to the nearest micro, halves up;
a charge is the difference of two rounded totals. A call or a message is counted over itself, so its total begins at zero; tiers
are counted over the period and a monthly fee over the month, so their parts add up to the whole without a rest.
Nothing else in rating rounds.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Self

from raseed.money import TYPED_MICROS_MAX, Money
from raseed.rating.errors import ChargeTooLarge

NOTHING: Final = Fraction(0)


@dataclass(frozen=True, slots=True)
class Charge:
    """`money` is deducted; `exact_micros` is what the price says, before rounding."""

    money: Money
    exact_micros: Fraction

    @classmethod
    def of(cls, exact_micros: Fraction, currency: str) -> Self:
        """The charge for what stands alone. Raises ChargeTooLarge."""
        if exact_micros > TYPED_MICROS_MAX:
            raise ChargeTooLarge
        return cls(Money.nearest(exact_micros, currency), exact_micros)

    @classmethod
    def between(cls, before_micros: Fraction, after_micros: Fraction, currency: str) -> Self:
        """The charge that takes a running total from one to the other. Raises ChargeTooLarge."""
        if max(before_micros, after_micros) > TYPED_MICROS_MAX:
            raise ChargeTooLarge
        money = Money.nearest(after_micros, currency) - Money.nearest(before_micros, currency)
        return cls(money, after_micros - before_micros)

    @property
    def rest_micros(self) -> Fraction:
        """What rounding left: exact less deducted, between -1 and 1."""
        return self.exact_micros - self.money.micros
