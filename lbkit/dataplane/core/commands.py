"""What the core tells the shell to do, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lbkit.dataplane.core.node import NodeState
from lbkit.dataplane.core.ticket import Ticket

Reason = Literal["overflow", "queue", "no_node", "waking", "drain", "maintenance"]


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
class Wake:
    """Wake a standby node, and say how that went."""

    node: NodeState


@dataclass(slots=True)
class Rest:
    """Let a standby node rest, and say how that went."""

    node: NodeState


@dataclass(slots=True)
class Gone:
    """A removed node has nothing in flight any more: forget it."""

    node: NodeState


@dataclass(slots=True)
class Drained:
    """A node that was told to drain has nothing in flight any more."""

    node: NodeState


@dataclass(slots=True)
class Ask:
    """The successor decides which node this work gets; then say what it said."""

    ticket: Ticket


@dataclass(slots=True)
class Freed:
    """This work no longer counts here: it ended on a node that left or that a successor decides on, or it asks no more."""

    ticket: Ticket


Command = Assign | Refuse | Drop | Wake | Rest | Gone | Drained | Ask | Freed
