"""Loads: each knows how to put itself on a proxy for some seconds and what it saw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.loads import bulk, requests, streams
from bench.peers import Peer
from bench.report import Run
from bench.stage import Stage


@dataclass(slots=True, frozen=True)
class Load:
    """A load whose cost is processor time for a unit of work."""

    key: str
    name: str
    unit: str
    run: Callable[[Stage, Peer, float], Run]


LOADS = (
    Load("get", "GET, 100 B answer", "req", requests.get),
    Load("post", "POST, 1.2 kB body", "req", requests.post),
    Load("same", "POST, same head", "req", requests.same),
    Load("connect", "new connection", "req", requests.connect),
    Load("sse", "SSE, 400 streams", "chunk", streams.steady),
    Load("tokens", "POST, then 32 tokens", "token", streams.short),
    Load("bulk", "10 MB bodies", "GB", bulk.bodies),
)
