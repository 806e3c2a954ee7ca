"""What was read lately, by the octets it was read from: the same octets mean the same, and need not be read again."""

from __future__ import annotations

from typing import Generic, TypeVar

Read = TypeVar("Read")


class Lately(Generic[Read]):
    """At most `most` things, each of at most `length` octets; when it is full it begins anew."""

    __slots__ = ("_known", "_length", "_most", "get")

    def __init__(self, most: int, length: int) -> None:
        self._most, self._length = most, length
        self._known: dict[bytes, Read] = {}
        self.get = self._known.get

    def add(self, octets: bytes, found: Read) -> None:
        if len(octets) <= self._length:
            if len(self._known) >= self._most:
                self._known.clear()
            self._known[octets] = found
