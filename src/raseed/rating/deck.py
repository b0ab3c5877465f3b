"""A rate deck: what calls cost by the prefix of the called number, their direction and their time.

Of the rates in force at the call's time the one with the longest prefix counts. A prefix that is not in force yet, or no longer,
does not hide the shorter one beneath it: a deck for next month can be loaded today.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from raseed.rating.calls import CallRate
from raseed.rating.errors import NoPriceInForce, NotPhoneNumber, UnknownDestination
from raseed.rating.prefixes import Prefixes
from raseed.rating.versions import Version, Versions

_E164: Final = re.compile(r"\+?([1-9][0-9]{0,14})")
_SHOWN_MAX: Final = 40


class Direction(StrEnum):
    """Which way a call goes, as the operator's customer sees it. The called number counts in both."""

    OUTBOUND = "outbound"
    INBOUND = "inbound"


@dataclass(frozen=True, slots=True)
class Rate:
    """A price of calls to numbers that begin with `prefix` (digits, no plus); `destination` names them for people."""

    prefix: str
    direction: Direction
    price: CallRate
    destination: str = ""


class RateDeck:
    """Rates, each with its time, by direction and prefix. Raises VersionTwice or OverlappingVersions."""

    __slots__ = ("_by_direction",)

    def __init__(self, rates: Iterable[Version[Rate]]) -> None:
        found: dict[Direction, dict[str, list[Version[Rate]]]] = {
            direction: defaultdict(list) for direction in Direction
        }
        for version in rates:
            found[version.price.direction][version.price.prefix].append(version)
        self._by_direction = {
            direction: Prefixes({prefix: Versions(versions) for prefix, versions in by_prefix.items()})
            for direction, by_prefix in found.items()
        }

    def __len__(self) -> int:
        """How many prefixes there are, those of each direction counted by themselves."""
        return sum(map(len, self._by_direction.values()))

    def rate_of(self, number: str, direction: Direction, at: datetime) -> Rate:
        """The rate for calls to a number, as +966500000000 or without its plus, at that moment.

        Raises NotPhoneNumber, UnknownDestination, or NoPriceInForce if its prefixes are all of another time.
        """
        match = _E164.fullmatch(number)
        if match is None:
            raise NotPhoneNumber(text=number[:_SHOWN_MAX])
        is_known = False
        for versions in self._by_direction[direction].of(match[1]):
            version = versions.find(at)
            if version is not None:
                return version.price
            is_known = True
        if is_known:
            raise NoPriceInForce(time=at.isoformat())
        raise UnknownDestination(number=f"+{match[1]}")
