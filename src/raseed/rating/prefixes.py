"""Which of many prefixes begin a number, the longest first.

A table of the prefixes, and for each beginning of three digits the lengths that prefixes under it have: a number is looked up at
those lengths only. A country has few of them, the world has all.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Final, Generic, TypeVar

Thing = TypeVar("Thing")

HEAD_DIGITS: Final = 3
# Under a head that nothing longer begins with.
_SHORTER: Final = (2, 1)


class Prefixes(Generic[Thing]):
    """Things by their prefix, of one digit at least. Made once; it does not change."""

    __slots__ = ("_lengths", "_of")

    def __init__(self, things: Mapping[str, Thing]) -> None:
        under = defaultdict[str, set[int]](set)
        for prefix in things:
            under[prefix[:HEAD_DIGITS]].add(len(prefix))
        self._lengths = {head: (*sorted(lengths, reverse=True), *_SHORTER) for head, lengths in under.items()}
        # For each prefix what it stands for, and after it what the shorter prefixes stand for that begin it: they sort first.
        self._of = dict[str, tuple[Thing, ...]]()
        for prefix in sorted(things):
            self._of[prefix] = (things[prefix], *self.of(prefix))

    def __len__(self) -> int:
        return len(self._of)

    def of(self, number: str) -> tuple[Thing, ...]:
        """The things whose prefix begins the number, the longest prefix first; () if none does."""
        for length in self._lengths.get(number[:HEAD_DIGITS], _SHORTER):
            # A slice beyond the number's end is the number itself, which is as long a prefix as there can be.
            found = self._of.get(number[:length])
            if found is not None:
                return found
        return ()
