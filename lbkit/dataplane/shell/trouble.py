"""What asyncio meets where nobody waits for it: one line, and at most one a minute of its kind, however often it comes."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from pathlib import Path
from time import monotonic
from typing import Any

log = logging.getLogger("lbkit.loop")
_EVERY = 60.0
_KINDS = 100

Kind = tuple[str, type[BaseException] | None]


class Trouble:
    """An asyncio loop's exception handler."""

    def __init__(self) -> None:
        self._again: dict[Kind, float] = {}
        self._untold: Counter[Kind] = Counter()

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error: BaseException | None = context.get("exception")
        kind = (str(context.get("message")), type(error) if error is not None else None)
        now = monotonic()
        if now < self._again.get(kind, 0.0):
            self._untold[kind] += 1
            return
        if len(self._again) >= _KINDS:
            self._again.clear()
        self._again[kind] = now + _EVERY
        untold = self._untold.pop(kind, 0)
        log.error(
            "%s%s%s", kind[0], f": {error!r}{_where(error)}" if error else "", f", {untold} times more" * bool(untold)
        )


def _where(error: BaseException) -> str:
    """The line that raised it."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f" in {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace is not None else ""
