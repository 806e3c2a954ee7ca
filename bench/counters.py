"""What one request's counting costs: lbkit's own counters beside prometheus_client's, in this Python, on this machine."""

from __future__ import annotations

import timeit
from bisect import bisect_left

from prometheus_client import CollectorRegistry, Counter, Histogram

from lbkit.dataplane.shell.metrics import SECONDS, PoolMetrics

COUNT = 200_000


def ours(metrics: PoolMetrics) -> None:
    """As `Listening.record` counts a request."""
    metrics.answers[200] += 1
    metrics.bytes_in += 10
    metrics.bytes_out += 1000
    for histogram in (metrics.duration, metrics.first_byte):
        histogram.sum += 0.02
        histogram.counts[bisect_left(SECONDS, 0.02)] += 1
    metrics.wait.counts[0] += 1


def theirs() -> object:
    """The same with prometheus_client, its children looked up beforehand as its documents advise."""
    registry = CollectorRegistry()

    def counter(name: str, *labels: str) -> Counter:
        return Counter(name, name, ["pool", *labels], registry=registry)

    def histogram(name: str) -> Histogram:
        return Histogram(name, name, ["pool"], buckets=SECONDS, registry=registry).labels("p")

    answers = counter("answers", "code").labels("p", "200")
    received, sent = counter("received").labels("p"), counter("sent").labels("p")
    times = [histogram("duration"), histogram("first_byte")]
    wait = histogram("wait")

    def count() -> None:
        answers.inc()
        received.inc(10)
        sent.inc(1000)
        for each in times:
            each.observe(0.02)
        wait.observe(0)

    return count


def main() -> None:
    metrics = PoolMetrics()
    for name, call in (("lbkit", lambda: ours(metrics)), ("prometheus_client", theirs())):
        best = min(timeit.repeat(call, number=COUNT, repeat=5)) / COUNT * 1e6  # type: ignore[arg-type]
        print(f"{name:<18} {best:.2f} microseconds a request")


if __name__ == "__main__":
    main()
