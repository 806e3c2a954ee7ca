"""The state of a running balancer as plain data, for the control API, the status page and `lbkit top`."""

from __future__ import annotations

import os
from time import monotonic
from typing import TYPE_CHECKING, Any

from lbkit.dataplane.core.node import NodeState
from lbkit.dataplane.shell.dispatch import Dispatcher
from lbkit.dataplane.shell.listening import Listening
from lbkit.dataplane.shell.metrics import Histogram, quantile
from lbkit.release import VERSION

if TYPE_CHECKING:
    from lbkit.dataplane.shell.server import Server


def status(server: Server) -> dict[str, Any]:
    """Everything a person or a program wants to see. Times are seconds."""
    journal = server.journal
    return {
        "name": server.config.name if server.config else "",
        "version": VERSION,
        "pid": os.getpid(),
        "uptime": round(server.loop.time() - server.started, 3),
        "revision": server.revision,
        "stopping": server.stopping,
        "unready": server.unready(),
        "loop_lag": round(server.history.lag, 6),
        "loop_lags": server.history.lags,
        "access_log_dropped": journal.dropped if journal else 0,
        "listeners": {name: _listener(listening) for name, listening in server.listeners.items()},
        "pools": {name: _pool(server, name, dispatcher) for name, dispatcher in server.pools.items()},
    }


def _listener(listening: Listening) -> dict[str, Any]:
    spec, metrics = listening.spec, listening.metrics
    return {
        "address": spec.address, "port": spec.port, "protocol": spec.protocol, "connections": listening.connections,
        "most_connections": spec.limits.connections, "accepted": metrics.accepted, "denied": metrics.denied,
        "bad_requests": sum(metrics.bad.values()),
    }  # fmt: skip


def _pool(server: Server, name: str, dispatcher: Dispatcher) -> dict[str, Any]:
    pool, metrics, limits = dispatcher.pool, dispatcher.metrics, dispatcher.spec.limits
    return {
        "algorithm": pool.spec.algorithm,
        "soft": limits.soft,
        "hard": limits.hard,
        "in_flight": pool.in_flight,
        "queued": len(pool.waiting),
        "queue_size": limits.queue.size if limits.queue else 0,
        "oldest_wait": round(monotonic() - pool.waiting.first.arrived, 3) if pool.waiting else 0,
        "requests": sum(metrics.answers.values()),
        "answers": {str(code): count for code, count in sorted(metrics.answers.items())},
        "refused": dict(metrics.refusals),
        "retries": metrics.retries,
        "cancelled": metrics.cancelled,
        "wait": _quantiles(metrics.wait),
        "first_byte": _quantiles(metrics.first_byte),
        "history": server.history.of(name),
        "nodes": {node.name: _node(node) for node in [*pool.leaving, *pool.nodes.values()]},
    }


def _node(node: NodeState) -> dict[str, Any]:
    return {
        "address": node.address, "port": node.port, "state": node.state, "health": node.health.state,
        "admin_state": node.admin, "standby": node.rest if node.rests else None, "backup": node.backup,
        "ejected": node.ejected, "leaving": node.leaving, "weight": node.weight, "in_flight": node.in_flight,
        "soft": node.soft, "hard": node.hard, "requests": node.requests, "failures": node.failures,
        "last_error": node.last_error,
    }  # fmt: skip


def _quantiles(histogram: Histogram) -> dict[str, float | None]:
    """Of all requests since the start; None where there is no value, or one above the last bound."""
    return {"p50": quantile(histogram.counts, 0.5), "p99": quantile(histogram.counts, 0.99)}
