"""The last minutes of each pool, sampled: what the status page draws. And how late the event loop is."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lbkit.dataplane.shell.dispatch import Dispatcher
    from lbkit.dataplane.shell.server import Server

EVERY = 5.0
"""Seconds between two samples."""
KEPT = 60
_LAG_EVERY = 0.25


class History:
    """Samples of all pools, newest last."""

    def __init__(self, server: Server) -> None:
        self._server, self._loop = server, server.loop
        self._samples: dict[str, deque[tuple[int, int, int, int]]] = {}
        self._before: dict[str, tuple[int, int]] = {}
        self.lag = self.worst_lag = 0.0
        """Seconds by which the loop came late: at the last look, and at most so far."""
        self._due = self._loop.time()
        self._next_sample = self._due + EVERY
        self._handle = self._loop.call_at(self._due, self._look)

    def close(self) -> None:
        self._handle.cancel()

    def of(self, pool: str) -> dict[str, Any]:
        """Requests and errors per interval, in flight and queued at its end."""
        columns = list(zip(*self._samples.get(pool, ()), strict=True)) or [()] * 4
        requests, errors, in_flight, queued = map(list, columns)
        return {"every": EVERY, "requests": requests, "errors": errors, "in_flight": in_flight, "queued": queued}

    def _look(self) -> None:
        now = self._loop.time()
        self.lag = now - self._due
        self.worst_lag = max(self.worst_lag, self.lag)
        self._due = now + _LAG_EVERY
        self._handle = self._loop.call_at(self._due, self._look)
        if now >= self._next_sample:
            self._next_sample = now + EVERY
            self._sample()

    def _sample(self) -> None:
        pools = self._server.pools
        for name in [name for name in self._samples if name not in pools]:
            del self._samples[name]
            self._before.pop(name, None)
        for name, dispatcher in pools.items():
            requests, errors = counts(dispatcher)
            before = self._before.get(name, (0, 0))
            self._before[name] = (requests, errors)
            pool = dispatcher.pool
            samples = self._samples.setdefault(name, deque(maxlen=KEPT))
            samples.append((requests - before[0], errors - before[1], pool.in_flight, len(pool.waiting)))


def counts(dispatcher: Dispatcher) -> tuple[int, int]:
    """(finished requests, those of them that the balancer had to answer with an error)."""
    metrics = dispatcher.metrics
    return sum(metrics.answers.values()), sum(metrics.refusals.values())
