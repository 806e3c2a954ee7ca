"""One unit of work, as the core sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lbkit.dataplane.core.node import NodeState


class Ticket:
    """One unit of work: an HTTP request or a TCP connection. It holds at most one slot, on `node`."""

    __slots__ = ("arrived", "assigned_at", "deadline", "key", "node", "tried", "waited", "wanted")

    def __init__(self, key: bytes = b"", wanted: bytes = b"") -> None:
        self.key = key
        """The client's address, for `source_hash`."""
        self.wanted = wanted
        """Mark of the node that the client had before, for sticky sessions."""
        self.node: NodeState | None = None
        self.tried: tuple[NodeState, ...] = ()
        """Nodes that failed this work already."""
        self.arrived = self.deadline = self.assigned_at = 0.0
        self.waited = False
        """Whether it was in the queue."""
