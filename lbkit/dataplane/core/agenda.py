"""What is due when. One time a key; a key that is set again moves."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator
from heapq import heappop, heappush
from typing import Generic, TypeVar

NEVER = math.inf
Key = TypeVar("Key", bound=Hashable)


class Agenda(Generic[Key]):
    """Times by key; the next one costs nothing to know."""

    def __init__(self) -> None:
        self._times: dict[Key, float] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._added = 0

    def __bool__(self) -> bool:
        return bool(self._times)

    def __contains__(self, key: Key) -> bool:
        return key in self._times

    def set(self, key: Key, at: float) -> None:
        self._times[key] = at
        self._added += 1
        heappush(self._heap, (at, self._added, key))

    def drop(self, key: Key) -> None:
        """Harmless when it is not there."""
        self._times.pop(key, None)

    @property
    def next(self) -> float:
        """The earliest time, or NEVER."""
        while self._heap and self._times.get(self._heap[0][2]) != self._heap[0][0]:
            heappop(self._heap)
        return self._heap[0][0] if self._heap else NEVER

    def due(self, now: float) -> Iterator[Key]:
        """Every key whose time has come, earliest first; each is dropped."""
        while self.next <= now:
            key = heappop(self._heap)[2]
            del self._times[key]
            yield key
