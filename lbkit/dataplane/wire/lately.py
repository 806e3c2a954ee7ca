"""What was read lately, by the octets it was read from: the same octets mean the same, and need not be read again."""

from __future__ import annotations

from typing import Generic, TypeVar

Read = TypeVar("Read")
_PATIENCE, _SELDOM = 256, 15
"""After so many misses in a row, one in sixteen is still looked for and kept."""


class Lately(Generic[Read]):
    """At most `most` things, each of at most `length` octets; when it is full it begins anew.

    Where nothing comes twice, most is neither looked for nor kept: both cost more than they bring then.
    """

    __slots__ = ("_known", "_length", "_missed", "_most")

    def __init__(self, most: int, length: int) -> None:
        self._most, self._length = most, length
        self._known: dict[bytes, Read] = {}
        self._missed = 0

    def get(self, octets: bytes) -> Read | None:
        """What was read from these octets, if that is known."""
        if self._missed > _PATIENCE and self._missed & _SELDOM:
            self._missed += 1
            return None
        found = self._known.get(octets)
        self._missed = self._missed + 1 if found is None else 0
        return found

    def add(self, octets: bytes, found: Read) -> None:
        """Keep what was just not found."""
        if len(octets) <= self._length and (self._missed <= _PATIENCE or not self._missed - 1 & _SELDOM):
            if len(self._known) >= self._most:
                self._known.clear()
            self._known[octets] = found
