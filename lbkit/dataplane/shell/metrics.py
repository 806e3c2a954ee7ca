"""What is counted, at the price of a list access per event. `exposition` writes it down in Prometheus' text form.

Own counters, not prometheus_client: docs/dataplane.md has the measured price of both, `python -m bench.counters` measures it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000)
"""Upper bounds of the histograms' buckets: from a cache's answer to a long generation."""


class Histogram:
    """Counts of values by bucket; the last is for what is above all bounds."""

    __slots__ = ("counts", "sum")

    def __init__(self) -> None:
        self.counts = [0] * (len(SECONDS) + 1)
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(SECONDS, seconds)] += 1
        self.sum += seconds

    @property
    def count(self) -> int:
        return sum(self.counts)


def quantile(counts: Sequence[int], share: float) -> float | None:
    """As Prometheus' histogram_quantile: linear inside a bucket. None without a value, or above the last bound."""
    wanted, below, low = sum(counts) * share, 0, 0.0
    for bound, count in zip(SECONDS, counts, strict=False):
        if count and below + count >= wanted:
            return round(low + (bound - low) * (wanted - below) / count, 6)
        below, low = below + count, bound
    return None


class PoolMetrics:
    """Of one pool."""

    __slots__ = (
        "answers", "bytes_in", "bytes_out", "cancelled", "duration", "first_byte", "hooks", "refusals", "retries", "wait",
    )  # fmt: skip

    def __init__(self) -> None:
        self.answers: dict[int, int] = {}
        """Finished requests by status; a TCP connection counts as 0."""
        self.refusals: Counter[str] = Counter()
        """The balancer's own errors by reason."""
        self.hooks: Counter[tuple[str, str]] = Counter()
        """Wakes and rests by (what, how it went)."""
        self.wait, self.first_byte, self.duration = Histogram(), Histogram(), Histogram()
        self.retries = self.cancelled = self.bytes_in = self.bytes_out = 0


class ListenerMetrics:
    """Of one listener."""

    __slots__ = ("accepted", "bad", "denied", "routed")

    def __init__(self) -> None:
        self.accepted = self.denied = 0
        self.bad: Counter[int] = Counter()
        """Answers to what was no proper request, by status."""
        self.routed: Counter[int] = Counter()
        """Redirects and fixed answers, by status."""
