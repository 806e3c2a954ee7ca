"""The metrics in Prometheus' text form (exposition format 0.0.4).

Label values are names of the spec and fixed words, so a balancer never has more series than its configuration explains.
"""

from __future__ import annotations

import os
import platform
import resource
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from time import time
from typing import TYPE_CHECKING

from lbkit.dataplane.core.node import NodeState
from lbkit.dataplane.shell.dispatch import Dispatcher
from lbkit.dataplane.shell.listening import Listening
from lbkit.dataplane.shell.metrics import SECONDS, Histogram
from lbkit.release import VERSION

if TYPE_CHECKING:
    from lbkit.dataplane.shell.server import Server

Labels = str
"""`name="value"` pairs with commas between, already escaped."""
Sample = tuple[Labels, float]
STATES = ("up", "checking", "down", "ejected", "drain", "maintenance", "asleep", "waking", "resting", "leaving")
_CODES = frozenset({0, 499, 524, *HTTPStatus})
_BOUNDS = tuple(f'le="{bound:g}"' for bound in SECONDS)


def text(server: Server) -> str:
    """All metrics of a running balancer."""
    pools, listeners = list(server.pools.items()), list(server.listeners.items())
    lines = [*_process(server), *_listeners(listeners), *_pools(pools), *_nodes(pools)]
    return "\n".join(lines) + "\n"


def labels(**pairs: object) -> Labels:
    """Escaped as the format wants it, whatever the names may hold one day."""
    return ",".join(f'{name}="{_escaped(str(value))}"' for name, value in pairs.items())


def _process(server: Server) -> Iterator[str]:
    python = platform.python_version()
    yield from _metric(
        "lbkit_build_info", "gauge", "Which release runs, always 1.", [(labels(version=VERSION, python=python), 1)]
    )
    yield from _one("lbkit_config_revision", "gauge", "Configurations applied since the start.", server.revision)
    yield from _one("lbkit_ready", "gauge", "1 where every pool can serve.", not server.unready())
    yield from _histogram(
        "lbkit_event_loop_lag_seconds",
        "How late the event loop came, four looks a second.",
        [("", server.history.late)],
    )
    dropped = server.journal.dropped if server.journal else 0
    yield from _one("lbkit_access_log_dropped_total", "counter", "Lines of the access log that were lost.", dropped)
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[1])
    yield from _one(
        "process_resident_memory_bytes", "gauge", "Memory in use.", pages * os.sysconf("SC_PAGE_SIZE")
    )  # fmt: skip
    yield from _one("process_open_fds", "gauge", "Open file descriptors.", len(os.listdir("/proc/self/fd")))
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    yield from _one("process_max_fds", "gauge", "File descriptors that may be open.", most)
    times = os.times()
    yield from _one("process_cpu_seconds_total", "counter", "Processor time spent.", times.user + times.system)
    began = time() - (server.loop.time() - server.started)
    yield from _one("process_start_time_seconds", "gauge", "Start, in seconds since 1970.", round(began, 2))


def _listeners(listeners: list[tuple[str, Listening]]) -> Iterator[str]:
    named = [(labels(listener=name), item) for name, item in listeners]
    yield from _metric(
        "lbkit_connections", "gauge", "Open client connections.", [(key, item.connections) for key, item in named]
    )
    yield from _metric(
        "lbkit_connections_limit", "gauge", "Client connections that may be open.",
        [(key, item.spec.limits.connections) for key, item in named],
    )  # fmt: skip
    yield from _metric(
        "lbkit_connections_accepted_total", "counter", "Client connections accepted.",
        [(key, item.metrics.accepted) for key, item in named],
    )  # fmt: skip
    yield from _metric(
        "lbkit_connections_denied_total", "counter", "Client connections that were not let in.",
        [(key, item.metrics.denied) for key, item in named],
    )  # fmt: skip
    for name, help_text, value in (
        ("lbkit_bad_requests_total", "What was no proper request or handshake (0), by answer.", "bad"),
        ("lbkit_answered_here_total", "Redirects, fixed answers and requests that no route fits, by answer.", "routed"),
    ):
        samples = [
            (f'{key},code="{code}"', count)
            for key, item in named for code, count in _by_code(getattr(item.metrics, value))
        ]  # fmt: skip
        yield from _metric(name, "counter", help_text, samples)


def _pools(pools: list[tuple[str, Dispatcher]]) -> Iterator[str]:
    named = [(labels(pool=name), item) for name, item in pools]

    def plain(name: str, text: str, value: str) -> Iterator[str]:
        yield from _metric(name, "counter", text, [(key, getattr(item.metrics, value)) for key, item in named])

    def spread(name: str, text: str, value: str) -> Iterator[str]:
        yield from _histogram(name, text, [(key, getattr(item.metrics, value)) for key, item in named])

    yield from _metric(
        "lbkit_queue_length", "gauge", "Requests that wait for a node.",
        [(key, len(item.pool.waiting)) for key, item in named],
    )  # fmt: skip
    queues = [(key, item.spec.limits.queue) for key, item in named]
    yield from _metric(
        "lbkit_queue_limit", "gauge", "Requests that may wait; 0 without a queue.",
        [(key, queue.size if queue else 0) for key, queue in queues],
    )  # fmt: skip
    yield from _metric(
        "lbkit_requests_total", "counter", "Requests that ended, by status; TCP connections as 0.",
        [(f'{key},code="{code}"', n) for key, item in named for code, n in _by_code(item.metrics.answers)],
    )  # fmt: skip
    yield from _metric(
        "lbkit_refusals_total", "counter", "The balancer's own error answers, by reason.",
        [(f"{key},{labels(reason=why)}", n) for key, item in named for why, n in sorted(item.metrics.refusals.items())],
    )  # fmt: skip
    yield from plain("lbkit_retries_total", "Further attempts on another node.", "retries")
    yield from plain("lbkit_cancelled_total", "Requests whose client left.", "cancelled")
    yield from plain("lbkit_received_bytes_total", "Octets of bodies from clients.", "bytes_in")
    yield from plain("lbkit_sent_bytes_total", "Octets of answers, without their heads.", "bytes_out")
    hooks = [
        (f"{key},{labels(hook=what, result=result)}", count)
        for key, item in named for (what, result), count in sorted(item.metrics.hooks.items())
    ]  # fmt: skip
    yield from _metric("lbkit_standby_hooks_total", "counter", "Wakes and rests of standby nodes.", hooks)
    yield from spread("lbkit_queue_wait_seconds", "Time in the queue; 0 for who did not wait.", "wait")
    yield from spread(
        "lbkit_first_byte_seconds", "From a request's head to the first byte of its answer.", "first_byte"
    )
    yield from spread("lbkit_request_duration_seconds", "From a request's head to its answer's end.", "duration")


def _nodes(pools: list[tuple[str, Dispatcher]]) -> Iterator[str]:
    nodes: list[tuple[Labels, NodeState]] = [
        (labels(pool=key, node=node.name), node) for key, item in pools for node in item.pool.all_nodes()
    ]
    yield from _metric("lbkit_node_in_flight", "gauge", "Slots held.", [(key, node.in_flight) for key, node in nodes])
    for kind in ("soft", "hard"):
        yield from _metric(
            f"lbkit_node_{kind}_limit", "gauge", f"The {kind} limit of its slots; absent where there is none.",
            [(key, limit) for key, node in nodes if (limit := getattr(node, kind))],
        )  # fmt: skip
    yield from _metric(
        "lbkit_node_requests_total", "counter", "Work given to a node.", [(key, node.requests) for key, node in nodes]
    )
    yield from _metric(
        "lbkit_node_failures_total", "counter", "Connections to a node that failed.",
        [(key, node.failures) for key, node in nodes],
    )  # fmt: skip
    yield "# HELP lbkit_node_state 1 for the state a node is in, 0 for the others."
    yield "# TYPE lbkit_node_state gauge"
    for key, node in nodes:
        now = node.state
        for state in STATES:
            yield f'lbkit_node_state{{{key},state="{state}"}} {int(state == now)}'


def _one(name: str, kind: str, text: str, value: float) -> Iterator[str]:
    return _metric(name, kind, text, [("", value)])


def _metric(name: str, kind: str, text: str, samples: Iterable[Sample]) -> Iterator[str]:
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"
    for inside, value in samples:
        yield f"{name}{{{inside}}} {value:.15g}" if inside else f"{name} {value:.15g}"


def _histogram(name: str, text: str, samples: Iterable[tuple[Labels, Histogram]]) -> Iterator[str]:
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} histogram"
    for inside, histogram in samples:
        total, lead = 0, f"{inside}," if inside else ""
        for bound, count in zip(_BOUNDS, histogram.counts, strict=False):
            total += count
            yield f"{name}_bucket{{{lead}{bound}}} {total}"
        count = histogram.count
        yield f'{name}_bucket{{{lead}le="+Inf"}} {count}'
        ends = f"{{{inside}}}" if inside else ""
        yield f"{name}_sum{ends} {histogram.sum:.6f}"
        yield f"{name}_count{ends} {count}"


def _by_code(counts: dict[int, int]) -> list[tuple[str, int]]:
    """A node may invent status codes; those that nobody knows are counted by their class."""
    found: dict[str, int] = {}
    for code, count in sorted(counts.items()):
        label = str(code) if code in _CODES else f"{code // 100}xx"
        found[label] = found.get(label, 0) + count
    return list(found.items())


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
