"""What was read lately, by the octets it was read from: the same octets mean the same, and need not be read again."""

from __future__ import annotations

from typing import Generic, TypeVar

Read = TypeVar("Read")
_SELDOM = 15


class Lately(Generic[Read]):
    """At most `most` things, each of at most `length` octets; when it is full it begins anew.

    After some rounds one in sixteen is kept: what comes again and again gets in, what never does costs little.
    """

    __slots__ = ("_known", "_length", "_most", "_seen", "get")

    def __init__(self, most: int, length: int) -> None:
        self._most, self._length, self._seen = most, length, 0
        self._known: dict[bytes, Read] = {}
        self.get = self._known.get

    def add(self, octets: bytes, found: Read) -> None:
        """Keep what was not found."""
        self._seen += 1
        if len(octets) > self._length or (self._seen > 2 * self._most and self._seen & _SELDOM):
            return
        if len(self._known) >= self._most:
            self._known.clear()
        self._known[octets] = found
