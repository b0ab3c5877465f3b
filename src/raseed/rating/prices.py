"""Prices of what is counted: messages, gigabytes, minutes of recording; one price for each, or by tiers of the period's quantity.

Quantities are in millionths of a unit, prices in picos of the currency for one unit.
"""

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Final

from raseed.rating.charge import Charge
from raseed.rating.decimals import PICOS_PER_MICRO, QUANTITY_ONE
from raseed.rating.errors import WrongTiers

# A quantity in millionths times a price in picos, over this, is micros.
_SCALE: Final = QUANTITY_ONE * PICOS_PER_MICRO


@dataclass(frozen=True, slots=True)
class PerUnit:
    """Every unit costs the same."""

    per_unit_picos: int
    currency: str

    def charge(self, quantity: int) -> Charge:
        """The charge for a quantity. Raises ChargeTooLarge."""
        return Charge.of(Fraction(quantity * self.per_unit_picos, _SCALE), self.currency)


@dataclass(frozen=True, slots=True)
class Tier:
    """The price of a unit up to and with the quantity `up_to`; None: without an end."""

    up_to: int | None
    per_unit_picos: int


@dataclass(frozen=True, slots=True)
class _Tiered:
    """Tiers in their order. Raises WrongTiers unless they cover every quantity exactly once."""

    tiers: tuple[Tier, ...]
    currency: str

    def __post_init__(self) -> None:
        ends = [tier.up_to for tier in self.tiers]
        bounds = [0, *(end for end in ends if end is not None)]
        if not ends or None in ends[:-1] or ends[-1] is not None:
            raise WrongTiers
        if any(lower >= upper for lower, upper in pairwise(bounds)):
            raise WrongTiers


@dataclass(frozen=True, slots=True)
class Graduated(_Tiered):
    """Each unit costs what the tier says into which it falls."""

    def charge(self, quantity: int, before: int = 0) -> Charge:
        """The charge for a quantity that comes after `before` in the same period. Raises ChargeTooLarge."""
        return Charge.between(self._total(before), self._total(before + quantity), self.currency)

    def _total(self, quantity: int) -> Fraction:
        total = lower = 0
        for tier in self.tiers:
            upper = quantity if tier.up_to is None else min(quantity, tier.up_to)
            total += (upper - lower) * tier.per_unit_picos
            lower = upper
        return Fraction(total, _SCALE)


@dataclass(frozen=True, slots=True)
class Volume(_Tiered):
    """All units of the period cost what the tier says that the whole quantity reaches."""

    def charge(self, quantity: int, before: int = 0) -> Charge:
        """The charge for a quantity that comes after `before` in the same period. Raises ChargeTooLarge.

        Below zero where it reaches a cheaper tier and the earlier units become cheaper by more than the new ones cost.
        """
        return Charge.between(self._total(before), self._total(before + quantity), self.currency)

    def _total(self, quantity: int) -> Fraction:
        tier = next(tier for tier in self.tiers if tier.up_to is None or quantity <= tier.up_to)
        return Fraction(quantity * tier.per_unit_picos, _SCALE)
