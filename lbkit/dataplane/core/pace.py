"""How fast slots come free, measured, so that a refused client is told when to come again (LB-8)."""

from __future__ import annotations

import math

_JITTER = 0.25
_MEMORY = 0.9
_LONGEST = 3600


class Pace:
    """A moving average of the time between two slots that came free."""

    __slots__ = ("_before", "_gap")

    def __init__(self) -> None:
        self._gap: float | None = None
        self._before: float | None = None

    def freed(self, now: float) -> None:
        """A slot came free."""
        if self._before is not None:
            gap = now - self._before
            self._gap = gap if self._gap is None else _MEMORY * self._gap + (1 - _MEMORY) * gap
        self._before = now

    def retry_after(self, ahead: int, chance: float) -> int | None:
        """Whole seconds until there may be room behind so many others, with jitter; None when nothing was measured."""
        if self._gap is None:
            return None
        return min(_LONGEST, max(1, math.ceil(self._gap * (ahead + 1) * (1 + _JITTER * chance))))
