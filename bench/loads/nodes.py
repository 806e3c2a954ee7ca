"""4 nodes against 1,000: what the number of nodes costs for each request, and the probes of so many.

With 1,000 nodes every connection to a node is cold when its turn comes, which costs HAProxy, too: compare the two.
"""

from __future__ import annotations

import time

from bench import peers
from bench.loads import requests
from bench.peers import Node, Peer
from bench.report import Row, Run, rows
from bench.stage import Stage, cpu, free_ports, origin

FEW, MANY = 4, 1_000
_SETTLED = 6.0
"""Seconds until every node was probed once."""


def compare(stage: Stage, period: int, rounds: int, seconds: float) -> list[Row]:
    """One origin plays all nodes: it listens on every address of the loopback."""
    port = free_ports(1)[0]
    origin(stage, period, port, "0.0.0.0")
    contenders = [
        peers.start(stage, kind, addresses(count, port), name=f"{kind}, {count}")
        for kind in ("haproxy", "lbkit")
        for count in (FEW, MANY)
    ]
    for peer in contenders:
        requests.get(stage, peer, 1)  # opens the connections to the nodes
    probing = _probing(contenders, max(3.0, seconds))
    runs: dict[str, list[Run]] = {}
    for _ in range(rounds):
        for peer in contenders:
            run = requests.get(stage, peer, seconds)
            runs.setdefault(peer.name, []).append(run)
            less = Run(run.cpu - probing[peer.name] * run.seconds, run.units, run.seconds, run.errors)
            runs.setdefault(f"{peer.name}, work", []).append(less)
    for peer in contenders:
        stage.end(peer.process)
    return rows("GET, number of nodes", "req", runs, {name: _base(name) for name in runs})


def _probing(contenders: list[Peer], seconds: float) -> dict[str, float]:
    """Share of a core that each spends with nothing to do but its probes; `work` is what is left without it."""
    time.sleep(_SETTLED)
    before, began = {peer.name: cpu(peer.pid) for peer in contenders}, time.monotonic()
    time.sleep(seconds)
    return {peer.name: (cpu(peer.pid) - before[peer.name]) / (time.monotonic() - began) for peer in contenders}


def _base(name: str) -> str:
    return name.replace(str(MANY), str(FEW))


def addresses(count: int, port: int) -> list[Node]:
    return [Node(f"127.0.{1 + i // 250}.{1 + i % 250}", port) for i in range(count)]
