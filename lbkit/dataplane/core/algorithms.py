"""Which of the open nodes gets the next piece of work. Every choice is fair among equals and deterministic."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lbkit.dataplane.core.node import NodeState

Pick = Callable[[Sequence[NodeState]], NodeState]


def round_robin(nodes: Sequence[NodeState]) -> NodeState:
    """In turn, smoothly when weights differ: 5,1,1 gives a a b a c a a. Blind to load (SA-2).

    nginx's smooth weighted round robin: every node gains its weight, the richest pays the sum.
    """
    best, total = nodes[0], 0
    for node in nodes:
        node.turn += node.weight
        total += node.weight
        if node.turn > best.turn:
            best = node
    best.turn -= total
    return best


def least_connections() -> Pick:
    """Fewest in flight for its weight; within the set of equals in turn, so that no node is favoured (UK-14..16)."""
    last = -1

    def pick(nodes: Sequence[NodeState]) -> NodeState:
        nonlocal last
        lowest = min(node.in_flight / node.weight for node in nodes)
        equals = [node for node in nodes if node.in_flight / node.weight == lowest]
        best = next((node for node in equals if node.order > last), equals[0])
        last = best.order
        return best

    return pick


def algorithm(name: str) -> Pick:
    """A fresh picker with its own memory."""
    if name == "round_robin":
        return round_robin
    if name == "least_connections":
        return least_connections()
    raise ValueError(f"no algorithm {name!r}")
