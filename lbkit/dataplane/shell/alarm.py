"""A timer that is cheap to move: setting it later costs an assignment, not a heap operation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf
from time import monotonic


def _nothing() -> None:
    """What a cancelled alarm calls."""


class Alarm:
    """Calls back once its time has come, unless it was moved or cleared in the meantime."""

    __slots__ = ("_callback", "_handle", "_loop", "due", "rings")

    def __init__(self, loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
        self._loop, self._callback = loop, callback
        self.due = inf
        self.rings = inf
        """When the loop's own timer calls; never later than `due`."""
        self._handle: asyncio.TimerHandle | None = None

    @property
    def armed(self) -> bool:
        return self.due < inf

    def set(self, seconds: float) -> None:
        self.at(monotonic() + seconds)

    def at(self, due: float) -> None:
        """Ring at this time of the loop's clock."""
        self.due = due
        if due < self.rings:
            if self._handle is not None:
                self._handle.cancel()
            self.rings = due
            self._handle = self._loop.call_at(due, self._ring)

    def clear(self) -> None:
        self.due = inf

    def cancel(self) -> None:
        """Clear for good, and let go of the callback."""
        self.due = self.rings = inf
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        self._callback = _nothing

    def _ring(self) -> None:
        self._handle, self.rings = None, inf
        if self.due == inf:
            return
        if monotonic() < self.due:
            self.at(self.due)
            return
        self.due = inf
        self._callback()
