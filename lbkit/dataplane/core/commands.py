"""What the core tells the shell to do, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from lbkit.dataplane.core.node import NodeState

Reason = Literal["overflow", "queue", "no_node", "drain", "maintenance"]


@dataclass(slots=True, eq=False)
class Ticket:
    """One unit of work: an HTTP request or a TCP connection. It holds at most one slot, on `node`."""

    owner: Any = None
    """Whoever the shell must tell; the core never looks at it."""
    node: NodeState | None = None
    deadline: float = 0.0
    """When the wait in the queue ends."""
    arrived: float = 0.0
    tried: list[NodeState] = field(default_factory=list)
    """Nodes that failed this work already."""


@dataclass(slots=True)
class Assign:
    """Send the work to `ticket.node`; its slot is held from now on."""

    ticket: Ticket


@dataclass(slots=True)
class Refuse:
    """Answer with an error; the ticket holds nothing."""

    ticket: Ticket
    reason: Reason
    retry_after: int | None = None
    """Seconds, from the measured pace at which slots come free; None when nothing was measured."""


@dataclass(slots=True)
class Drop:
    """Cut running work and release its slot."""

    ticket: Ticket
    reason: Reason


@dataclass(slots=True)
class Gone:
    """A removed node has nothing in flight any more: forget it."""

    node: NodeState


Command = Assign | Refuse | Drop | Gone
