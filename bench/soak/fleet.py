"""The soak's nodes as processes, each on an address of its own, and what they counted."""

from __future__ import annotations

import signal
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.soak.node import COUNTS, SIZE
from bench.stage import PYTHON, Stage, free_ports, until
from bench.stage import answers as answers_at

HARD = (8, 1, 6)
"""Per node: the HTTP pool, the tight pool, the TCP pool."""
POOLS = ("web", "tight", "tcp")
NODES = ("a", "b", "c", "d")
FIRST_BYTE = 3
"""Seconds until a node that does not answer is given up."""


@dataclass
class Node:
    name: str
    address: str
    counters: Path
    process: subprocess.Popen[bytes] | None = None


class Fleet:
    """Nodes a to d; they share their ports, and differ by address."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.ports = free_ports(3)
        self.nodes = {
            name: Node(name, f"127.0.9.{i + 1}", stage.place / f"{name}.counts") for i, name in enumerate(NODES)
        }
        for node in self.nodes.values():
            node.counters.write_bytes(bytes(3 * SIZE))
            self.start(node)
        for node in self.nodes.values():
            self.ready(node)

    def start(self, node: Node) -> None:
        node.process = self._stage.start(
            [
                PYTHON, "-m", "bench.soak.node", "--name", node.name, "--address", node.address, "--counters", str(node.counters),
                "--ports", *map(str, self.ports), "--hard", *map(str, HARD),
            ],
            log="nodes.log",
        )  # fmt: skip

    def ready(self, node: Node) -> None:
        until(lambda: answers_at(self.ports[0], node.address, "/health"), f"node {node.name} answers")

    def kill(self, node: Node) -> None:
        assert node.process is not None
        node.process.kill()
        self._stage.end(node.process)

    def hang(self, node: Node, stopped: bool) -> None:
        assert node.process is not None
        node.process.send_signal(signal.SIGSTOP if stopped else signal.SIGCONT)

    def counts(self) -> dict[str, dict[str, dict[str, int]]]:
        """By node and pool."""
        found = {}
        for node in self.nodes.values():
            data = struct.unpack(f"{3 * len(COUNTS)}q", node.counters.read_bytes())
            found[node.name] = {
                pool: dict(zip(COUNTS, data[i * len(COUNTS) : (i + 1) * len(COUNTS)], strict=True))
                for i, pool in enumerate(POOLS)
            }
        return found


def document(fleet: Fleet, ports: tuple[int, int], **changes: Any) -> dict[str, Any]:
    """The balancer's configuration. `changes` go to the pool `web`."""
    check = {"path": "/health", "port": fleet.ports[0], "interval": 0.5, "timeout": 0.5, "rise": 1, "fall": 2}

    def pool(index: int, **more: Any) -> dict[str, Any]:
        nodes = {node.name: {"address": node.address} for node in fleet.nodes.values()}
        return {"port": fleet.ports[index], "nodes": nodes, "health_check": check, "drain": 8, "retries": 2, **more}

    def limits(index: int, size: int, timeout: float) -> dict[str, Any]:
        return {"hard": HARD[index], "queue": {"size": size, "timeout": timeout}}

    patient = {"first_byte": FIRST_BYTE, "connect": 2, "idle": 30}
    web = {"algorithm": "least_connections", "limits": limits(0, 1000, 20), "timeouts": patient, **changes}
    tight = {"algorithm": "random_two", "limits": limits(1, 2, 0.2), "timeouts": patient}
    tcp = {
        "algorithm": "source_hash",
        "protocol": "tcp",
        "limits": limits(2, 1000, 20),
        "timeouts": {"connect": 2, "idle": 30},
    }
    return {
        "version": 1,
        "name": "soak",
        "spec": {
            "pools": {"web": pool(0, **web), "tight": pool(1, **tight), "tcp": pool(2, **tcp)},
            "listeners": {
                "http": {"address": "127.0.0.1", "port": ports[0], "pool": "web", "routes": {"tight": {"path": "/tight", "pool": "tight"}}},
                "tcp": {"address": "127.0.0.1", "port": ports[1], "protocol": "tcp", "pool": "tcp"},
            },
        },
    }  # fmt: skip
