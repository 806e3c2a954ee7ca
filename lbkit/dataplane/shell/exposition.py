"""The metrics in Prometheus' text form (exposition format 0.0.4). Label values are names of the spec and fixed words."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from lbkit.dataplane.core.node import NodeState
from lbkit.dataplane.shell.dispatch import Dispatcher
from lbkit.dataplane.shell.listening import Listening
from lbkit.dataplane.shell.metrics import SECONDS, Histogram
from lbkit.release import VERSION

if TYPE_CHECKING:
    from lbkit.dataplane.shell.server import Server

Labels = Mapping[str, object]
Sample = tuple[Labels, float]
_STATES = ("up", "checking", "down", "ejected", "drain", "maintenance", "asleep", "waking", "resting", "leaving")


def text(server: Server) -> str:
    """All metrics of a running balancer."""
    pools, listeners = list(server.pools.items()), list(server.listeners.items())
    lines = [*_process(server), *_listeners(listeners), *_pools(pools), *_nodes(pools)]
    return "\n".join(lines) + "\n"


def _process(server: Server) -> Iterator[str]:
    yield from _metric("lbkit_info", "gauge", "The balancer.", [({"version": VERSION}, 1)])
    yield from _metric(
        "lbkit_config_revision", "gauge", "Configurations applied since the start.", [({}, server.revision)]
    )
    yield from _metric("lbkit_ready", "gauge", "Whether every pool can serve.", [({}, not server.unready())])
    yield from _metric(
        "lbkit_event_loop_lag_seconds",
        "gauge",
        "How late the event loop was at its last look.",
        [({}, server.history.lag)],
    )
    dropped = server.journal.dropped if server.journal else 0
    yield from _metric("lbkit_access_log_dropped_total", "counter", "Lines of the access log lost.", [({}, dropped)])
    with open("/proc/self/statm") as file:
        resident = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    yield from _metric("process_resident_memory_bytes", "gauge", "Memory in use.", [({}, resident)])
    descriptors = len(os.listdir("/proc/self/fd"))
    yield from _metric("process_open_fds", "gauge", "Open file descriptors.", [({}, descriptors)])
    times = os.times()
    yield from _metric(
        "process_cpu_seconds_total", "counter", "Processor time spent.", [({}, times.user + times.system)]
    )


def _listeners(listeners: list[tuple[str, Listening]]) -> Iterator[str]:
    def each(name: str, kind: str, text: str, value: str) -> Iterator[str]:
        samples: list[Sample] = [({"listener": key}, float(getattr(item.metrics, value))) for key, item in listeners]
        yield from _metric(name, kind, text, samples)

    yield from _metric(
        "lbkit_connections",
        "gauge",
        "Open client connections.",
        [({"listener": k}, v.connections) for k, v in listeners],
    )
    yield from each("lbkit_connections_accepted_total", "counter", "Client connections accepted.", "accepted")
    yield from each("lbkit_connections_denied_total", "counter", "Connections that were not let in.", "denied")
    for name, kind, help_text in (
        ("bad", "lbkit_bad_requests_total", "What was no proper request or handshake, by answer."),
        ("routed", "lbkit_answered_here_total", "Redirects and fixed answers."),
    ):
        samples: list[Sample] = [
            ({"listener": key, "code": code}, count)
            for key, item in listeners for code, count in sorted(getattr(item.metrics, name).items())
        ]  # fmt: skip
        yield from _metric(kind, "counter", help_text, samples)


def _pools(pools: list[tuple[str, Dispatcher]]) -> Iterator[str]:
    def counted(name: str, text: str, label: str, value: str) -> Iterator[str]:
        samples: list[Sample] = [
            ({"pool": key, label: which}, count)
            for key, item in pools for which, count in sorted(getattr(item.metrics, value).items())
        ]  # fmt: skip
        yield from _metric(name, "counter", text, samples)

    def plain(name: str, text: str, value: str) -> Iterator[str]:
        yield from _metric(name, "counter", text, [({"pool": k}, getattr(v.metrics, value)) for k, v in pools])

    def spread(name: str, text: str, value: str) -> Iterator[str]:
        yield from _histogram(name, text, [({"pool": key}, getattr(item.metrics, value)) for key, item in pools])

    queued: list[Sample] = [({"pool": key}, len(item.pool.waiting)) for key, item in pools]
    yield from _metric("lbkit_queue_length", "gauge", "Requests that wait for a node.", queued)
    yield from counted("lbkit_requests_total", "Finished requests by status; TCP connections as 0.", "code", "answers")
    yield from counted("lbkit_refusals_total", "The balancer's own errors.", "reason", "refusals")
    yield from plain("lbkit_retries_total", "Further attempts on another node.", "retries")
    yield from plain("lbkit_cancelled_total", "Requests whose client left.", "cancelled")
    yield from plain("lbkit_received_bytes_total", "Octets of bodies from clients.", "bytes_in")
    yield from plain("lbkit_sent_bytes_total", "Octets to clients.", "bytes_out")
    hooks: list[Sample] = [
        ({"pool": key, "hook": what, "result": result}, count)
        for key, item in pools for (what, result), count in sorted(item.metrics.hooks.items())
    ]  # fmt: skip
    yield from _metric("lbkit_standby_hooks_total", "counter", "Wakes and rests of standby nodes.", hooks)
    yield from spread("lbkit_queue_wait_seconds", "Time in the queue.", "wait")
    yield from spread(
        "lbkit_first_byte_seconds", "From a request's head to the first byte of its answer.", "first_byte"
    )
    yield from spread("lbkit_request_seconds", "From a request's head to the end of its answer.", "duration")


def _nodes(pools: list[tuple[str, Dispatcher]]) -> Iterator[str]:
    nodes: list[tuple[Labels, NodeState]] = [
        ({"pool": key, "node": node.name}, node) for key, item in pools for node in item.pool.all_nodes()
    ]
    yield from _metric("lbkit_node_in_flight", "gauge", "Slots held.", [(labels, n.in_flight) for labels, n in nodes])
    yield from _metric(
        "lbkit_node_limit", "gauge", "The hard limit.", [(labels, n.hard) for labels, n in nodes if n.hard]
    )
    yield from _metric(
        "lbkit_node_requests_total", "counter", "Work given to a node.", [(labels, n.requests) for labels, n in nodes]
    )
    yield from _metric(
        "lbkit_node_failures_total",
        "counter",
        "Connections that failed.",
        [(labels, n.failures) for labels, n in nodes],
    )
    states: list[Sample] = [({**labels, "state": s}, node.state == s) for labels, node in nodes for s in _STATES]
    yield from _metric("lbkit_node_state", "gauge", "1 for the state a node is in.", states)


def _metric(name: str, kind: str, text: str, samples: Iterable[Sample]) -> Iterator[str]:
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"
    for labels, value in samples:
        yield f"{name}{_labels(labels)} {_number(value)}"


def _histogram(name: str, text: str, samples: Iterable[tuple[Labels, Histogram]]) -> Iterator[str]:
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} histogram"
    for labels, histogram in samples:
        total = 0
        for bound, count in zip(SECONDS, histogram.counts, strict=False):
            total += count
            yield f"{name}_bucket{_labels({**labels, 'le': f'{bound:g}'})} {total}"
        yield f"{name}_bucket{_labels({**labels, 'le': '+Inf'})} {histogram.count}"
        yield f"{name}_sum{_labels(labels)} {histogram.sum:.6f}"
        yield f"{name}_count{_labels(labels)} {histogram.count}"


def _labels(labels: Labels) -> str:
    inside = ",".join(f'{key}="{value}"' for key, value in labels.items())
    return f"{{{inside}}}" if inside else ""


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))
