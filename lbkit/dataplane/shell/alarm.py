"""A timer that is cheap to move: setting it later costs an assignment, not a heap operation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Alarm:
    """Calls back once its time has come, unless it was moved or cleared in the meantime."""

    __slots__ = ("_callback", "_due", "_handle", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
        self._loop, self._callback = loop, callback
        self._due: float | None = None
        self._handle: asyncio.TimerHandle | None = None

    @property
    def armed(self) -> bool:
        return self._due is not None

    def set(self, seconds: float) -> None:
        self.at(self._loop.time() + seconds)

    def at(self, due: float) -> None:
        """Ring at this time of the loop's clock."""
        self._due = due
        if self._handle is None:
            self._handle = self._loop.call_at(due, self._ring)
        elif self._handle.when() > due:
            self._handle.cancel()
            self._handle = self._loop.call_at(due, self._ring)

    def clear(self) -> None:
        self._due = None

    def cancel(self) -> None:
        """Clear for good, and let go of the callback."""
        self._due = None
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _ring(self) -> None:
        self._handle = None
        if self._due is None:
            return
        if self._loop.time() < self._due:
            self._handle = self._loop.call_at(self._due, self._ring)
            return
        self._due = None
        self._callback()
