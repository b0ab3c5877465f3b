"""Versions of a price: each in force from its beginning up to, but not including, its end.

An event is priced by the version in force at the event's own time, however late it comes. All times carry their zone.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import Generic, TypeVar

from raseed.rating.errors import EmptyVersion, NoPriceInForce, OverlappingVersions, VersionTwice

Price = TypeVar("Price")


@dataclass(frozen=True, slots=True)
class Version(Generic[Price]):
    """A price and when it is in force; without an end, until the next version begins. Raises EmptyVersion."""

    price: Price
    begins_at: datetime
    ends_at: datetime | None = None

    def __post_init__(self) -> None:
        if self.ends_at is not None and self.ends_at <= self.begins_at:
            raise EmptyVersion


class Versions(Generic[Price]):
    """All versions of one price. Raises VersionTwice or OverlappingVersions where a moment would have two."""

    __slots__ = ("_newest_first",)

    def __init__(self, versions: Iterable[Version[Price]]) -> None:
        ordered = sorted(versions, key=lambda version: version.begins_at)
        for place, (one, following) in enumerate(pairwise(ordered)):
            starts = following.begins_at
            if one.begins_at == starts:
                raise VersionTwice(time=starts.isoformat())
            if one.ends_at is None:
                ordered[place] = replace(one, ends_at=starts)
            elif one.ends_at > starts:
                raise OverlappingVersions(time=starts.isoformat())
        # Most events are of now.
        self._newest_first = tuple(reversed(ordered))

    def find(self, at: datetime) -> Version[Price] | None:
        """The version in force at that moment, or None."""
        for version in self._newest_first:
            if version.begins_at <= at:
                return version if version.ends_at is None or at < version.ends_at else None
        return None

    def at(self, at: datetime) -> Price:
        """The price in force at that moment. Raises NoPriceInForce."""
        version = self.find(at)
        if version is None:
            raise NoPriceInForce(time=at.isoformat())
        return version.price

    def pieces(self, begins_at: datetime, ends_at: datetime) -> Iterator[Version[Price]]:
        """Cut the time from `begins_at` to `ends_at` where the price changes, in order, without a hole.

        Raises NoPriceInForce where no price is in force.
        """
        at = begins_at
        while at < ends_at:
            version = self.find(at)
            if version is None:
                raise NoPriceInForce(time=at.isoformat())
            until = ends_at if version.ends_at is None else min(ends_at, version.ends_at)
            yield Version(version.price, at, until)
            at = until
