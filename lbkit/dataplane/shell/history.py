"""The last minutes of each pool, sampled: what the status page draws. And how late the event loop is."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from lbkit.dataplane.shell.metrics import Histogram, quantile

if TYPE_CHECKING:
    from lbkit.dataplane.shell.dispatch import Dispatcher
    from lbkit.dataplane.shell.server import Server

EVERY = 5.0
"""Seconds between two samples."""
KEPT = 60
_LAG_EVERY = 0.25
_COLUMNS = ("requests", "errors", "in_flight", "queued", "first_byte_p50", "first_byte_p99", "wait_p99")


class History:
    """Samples of all pools, newest last."""

    def __init__(self, server: Server) -> None:
        self._server, self._loop = server, server.loop
        self._pools: dict[str, _Samples] = {}
        self._lags: deque[float] = deque(maxlen=KEPT)
        self.lag = 0.0
        """Seconds by which the loop came late at the last look."""
        self.late = Histogram()
        """All looks so far."""
        self._worst = 0.0
        self._due = self._loop.time()
        self._next_sample = self._due + EVERY
        self._handle = self._loop.call_at(self._due, self._look)

    def close(self) -> None:
        self._handle.cancel()

    @property
    def lags(self) -> list[float]:
        """The worst lag of each interval."""
        return list(self._lags)

    def of(self, pool: str) -> dict[str, Any]:
        """Requests and errors per interval, in flight and queued at its end, quantiles of what ended in it."""
        rows = self._pools[pool].rows if pool in self._pools else ()
        columns = list(zip(*rows, strict=True)) or [()] * len(_COLUMNS)
        return {"every": EVERY, **{name: list(column) for name, column in zip(_COLUMNS, columns, strict=True)}}

    def _look(self) -> None:
        now = self._loop.time()
        self.lag = max(0.0, now - self._due)
        self.late.observe(self.lag)
        self._worst = max(self._worst, self.lag)
        self._due = now + _LAG_EVERY
        self._handle = self._loop.call_at(self._due, self._look)
        if now >= self._next_sample:
            self._next_sample = now + EVERY
            self.sample()

    def sample(self) -> None:
        """Close an interval."""
        self._lags.append(round(self._worst, 6))
        self._worst = 0.0
        pools = self._server.pools
        for name in [name for name in self._pools if name not in pools]:
            del self._pools[name]
        for name, dispatcher in pools.items():
            if name not in self._pools:
                self._pools[name] = _Samples()
            self._pools[name].take(dispatcher)


class _Samples:
    """Of one pool: rows of _COLUMNS, and the counters at the last one."""

    def __init__(self) -> None:
        self.rows: deque[tuple[float | None, ...]] = deque(maxlen=KEPT)
        self._before: tuple[list[int], ...] = ()

    def take(self, dispatcher: Dispatcher) -> None:
        metrics, pool = dispatcher.metrics, dispatcher.pool
        now = (
            [sum(metrics.answers.values())], [sum(metrics.refusals.values())],
            metrics.first_byte.counts.copy(), metrics.wait.counts.copy(),
        )  # fmt: skip
        before = self._before or tuple([0] * len(counts) for counts in now)
        requests, errors, first_byte, wait = (
            [new - old for new, old in zip(*pair, strict=True)] for pair in zip(now, before, strict=True)
        )
        self._before = now
        self.rows.append(
            (
                requests[0], errors[0], pool.in_flight, len(pool.waiting),
                quantile(first_byte, 0.5), quantile(first_byte, 0.99), quantile(wait, 0.99),
            )
        )  # fmt: skip
