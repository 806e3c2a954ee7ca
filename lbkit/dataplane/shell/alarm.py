"""Timers that are cheap to set, to move and to let go of: every request moves some, and hardly one ever rings.

They ring up to a tick late, never early.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from heapq import heappop, heappush
from math import inf
from time import monotonic
from typing import Protocol

log = logging.getLogger("lbkit.loop")
_TICKS = 64
"""Of a second."""


class Timers(Protocol):
    """What a wheel asks of the loop that turns it."""

    def call_at(self, when: float, callback: Callable[[], None], /) -> asyncio.TimerHandle: ...


class Turned(Protocol):
    """A loop with a wheel."""

    @property
    def wheel(self) -> Wheel: ...


class Wheel:
    """The alarms of one loop by the tick in which they ring. One timer of the loop's serves them all."""

    def __init__(self, loop: Timers) -> None:
        self._loop = loop
        self._alarms: dict[int, set[Alarm]] = {}
        self._order: list[int] = []
        self._next: float = inf
        self._handle: asyncio.TimerHandle | None = None

    def add(self, alarm: Alarm, due: float) -> int:
        """Ring in the tick that this gives."""
        tick = int(due * _TICKS) + 1
        alarms = self._alarms.get(tick)
        if alarms is None:
            alarms = self._alarms[tick] = set()
            heappush(self._order, tick)
            if tick < self._next:
                self._wait_for(tick)
        alarms.add(alarm)
        return tick

    def drop(self, alarm: Alarm, tick: int) -> None:
        """Don't ring. Harmless when it rang."""
        alarms = self._alarms.get(tick)
        if alarms is not None:
            alarms.discard(alarm)

    def _wait_for(self, tick: int) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._next = tick
        self._handle = self._loop.call_at(tick / _TICKS, self._turn)

    def _turn(self) -> None:
        now = monotonic() * _TICKS
        while self._order and self._order[0] <= now:
            alarms = self._alarms.pop(heappop(self._order))
            while alarms:
                try:
                    alarms.pop().ring()
                except Exception:
                    log.exception("a timer's handler failed")
        self._next = inf
        if self._order:
            self._wait_for(self._order[0])


class Alarm:
    """Calls back once its time has come, unless it was moved or cleared in the meantime."""

    __slots__ = ("_callback", "_tick", "_wheel", "due", "rings")

    def __init__(self, loop: Turned, callback: Callable[[], None]) -> None:
        self._wheel, self._callback = loop.wheel, callback
        self.due = inf
        self.rings = inf
        """When the wheel calls; never later than `due`, but for a tick."""
        self._tick = 0

    @property
    def armed(self) -> bool:
        return self.due < inf

    def set(self, seconds: float) -> None:
        self.at(monotonic() + seconds)

    def at(self, due: float) -> None:
        """Ring at this time of the loop's clock. Later than before it costs an assignment."""
        self.due = due
        if due < self.rings:
            if self.rings < inf:
                self._wheel.drop(self, self._tick)
            self.rings = due
            self._tick = self._wheel.add(self, due)

    def clear(self) -> None:
        self.due = inf

    def cancel(self) -> None:
        """Clear for good, and let go of the callback."""
        if self.rings < inf:
            self._wheel.drop(self, self._tick)
        self.due = self.rings = inf
        self._callback = _nothing

    def ring(self) -> None:
        """The wheel calls."""
        self.rings = inf
        if self.due == inf:
            return
        if monotonic() < self.due:
            self.at(self.due)
            return
        self.due = inf
        self._callback()


def _nothing() -> None:
    """What a cancelled alarm calls."""
