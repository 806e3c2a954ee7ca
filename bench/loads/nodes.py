"""4 nodes against 1,000: what the number of nodes costs for each request, and the probes of so many.

With 1,000 nodes every connection to a node is cold in the kernel when its turn comes, which costs HAProxy, too: compare
the two. `work` is without the probes, `own` without the kernel as well.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from bench import peers
from bench.loads import requests
from bench.peers import Node, Peer
from bench.report import Row, Run, rows
from bench.stage import Stage, cpu, free_ports, origin, outside_the_kernel

Clock = Callable[[int], float]
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
            own = outside_the_kernel(peer.pid)
            run = requests.get(stage, peer, seconds)
            own = outside_the_kernel(peer.pid) - own
            work = run.cpu - probing[peer.name, cpu] * run.seconds
            own -= probing[peer.name, outside_the_kernel] * run.seconds
            for what, spent in {"": run.cpu, ", work": work, ", own": own}.items():
                runs.setdefault(peer.name + what, []).append(Run(spent, run.units, run.seconds, run.errors))
    for peer in contenders:
        stage.end(peer.process)
    return rows("GET, number of nodes", "req", runs, {name: _base(name) for name in runs})


def _probing(contenders: list[Peer], seconds: float) -> dict[tuple[str, Clock], float]:
    """Share of a core that each spends with nothing to do but its probes."""
    time.sleep(_SETTLED)
    pids = {peer.name: peer.pid for peer in contenders}
    before = {(name, clock): clock(pid) for name, pid in pids.items() for clock in (cpu, outside_the_kernel)}
    time.sleep(seconds)
    return {(name, clock): (clock(pids[name]) - spent) / seconds for (name, clock), spent in before.items()}


def _base(name: str) -> str:
    return name.replace(str(MANY), str(FEW))


def addresses(count: int, port: int) -> list[Node]:
    return [Node(f"127.0.{1 + i // 250}.{1 + i % 250}", port) for i in range(count)]
