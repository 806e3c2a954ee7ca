"""lbkit before 4 nodes and before 1,000: what the number of nodes costs for each request."""

from __future__ import annotations

from bench import peers
from bench.loads import requests
from bench.peers import Node
from bench.report import Row, Run, rows
from bench.stage import Stage, free_ports, origin

FEW, MANY = 4, 1_000


def compare(stage: Stage, period: int, rounds: int, seconds: float) -> list[Row]:
    """One origin plays all nodes: it listens on every address of the loopback."""
    port = free_ports(1)[0]
    origin(stage, period, port, "0.0.0.0")
    names = {count: f"lbkit, {count} nodes" for count in (FEW, MANY)}
    sizes = {count: peers.start(stage, "lbkit", addresses(count, port), name=names[count]) for count in (FEW, MANY)}
    runs: dict[str, list[Run]] = {name: [] for name in names.values()}
    for peer in sizes.values():
        requests.get(stage, peer, 1)  # opens the connections to the nodes
    for _ in range(rounds):
        for peer in sizes.values():
            runs[peer.name].append(requests.get(stage, peer, seconds))
    for peer in sizes.values():
        stage.end(peer.process)
    return rows("GET, number of nodes", "req", runs, dict.fromkeys(runs, names[FEW]))


def addresses(count: int, port: int) -> list[Node]:
    return [Node(f"127.0.{1 + i // 250}.{1 + i % 250}", port) for i in range(count)]
