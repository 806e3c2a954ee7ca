"""Short ways to write specs in tests."""

from __future__ import annotations

from typing import Any

from lbkit.spec import Pool, Spec


def pool(count: int = 2, **settings: Any) -> Pool:
    """A pool of nodes a, b, c... at 10.0.0.1 and on, which needs no probes."""
    nodes = {name: {"address": f"10.0.0.{i + 1}"} for i, name in enumerate("abcdefghijklmnop"[:count])}
    return Pool.load({"port": 8000, "health_check": None, "nodes": nodes, **settings})


def spec(port: int, nodes: dict[str, int], *, protocol: str = "http", listener: Any = None, **settings: Any) -> Spec:
    """One listener on `port` of 127.0.0.1 before one pool of local nodes, given by their ports."""
    members = {name: {"address": "127.0.0.1", "port": at} for name, at in nodes.items()}
    check = {"interval": 0.05, "timeout": 0.05, "rise": 2, "fall": 2}
    base = {"port": 1, "protocol": protocol, "health_check": check, "nodes": members}
    front = {"port": port, "protocol": protocol, "address": "127.0.0.1", "pool": "p"}
    return Spec.load({"pools": {"p": {**base, **settings}}, "listeners": {"l": {**front, **(listener or {})}}})


def random() -> float:
    """Chance that is none."""
    return 0.5
