"""One limit for work of several owners (UK-11). Laws:

- a process that was taken over from decides nothing any more: it asks its successor for every slot (`Ask`), and tells it of
  every one that is free again (`Freed`), in whatever order the two happen;
- work that another owner still has on a node, a predecessor or a pool that had the node before, counts on the node;
- a successor that is gone leaves the decision to who is still there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lbkit.dataplane.core.commands import Ask, Assign, Command, Freed, Reason, Refuse
from lbkit.dataplane.core.node import NodeState
from lbkit.dataplane.core.ticket import Ticket
from lbkit.spec import Node

if TYPE_CHECKING:
    from lbkit.dataplane.core.pool import PoolState


class Succession:
    """The part of one pool in it."""

    def __init__(self, pool: PoolState) -> None:
        self._pool = pool
        self._asked: dict[Ticket, None] = {}
        self.begun = False
        """Whether a successor decides."""

    def hold(self, ticket: Ticket, node: NodeState, now: float) -> None:
        """Somebody else's work on this node counts from now on, even above a limit; `release` ends that."""
        pool = self._pool
        if node.rest != "awake":
            pool.sleepers.arise(node, now)
        ticket.node, ticket.arrived, ticket.assigned_at = node, now, now
        node.tickets.add(ticket)
        if node.able and not node.backup:
            pool.tiers.load += 1
        if node.rests:
            pool.sleepers.load(node)
        pool.tiers.moved(node)

    def begin(self) -> list[Command]:
        """A successor decides from now on: no node here gets work by our own choice, and who waits, waits there."""
        pool, self.begun = self._pool, True
        pool.sleepers_in_order = []
        for node in pool.nodes.values():
            pool.tiers.remove(node)
            node.leaving = True
        return [self.ask(ticket) for ticket in pool.waiting.dissolve()]

    def end(self, now: float) -> list[Command]:
        """The successor is gone: decide again."""
        pool, self.begun = self._pool, False
        asked, self._asked = list(self._asked), {}
        for node in pool.nodes.values():
            node.leaving = False
            pool.tiers.place(node)
        pool.sleepers_in_order = [node for node in pool.nodes.values() if node.rests]
        commands: list[Command] = []
        for ticket in asked:
            arrived = ticket.arrived
            commands += pool.arrive(ticket, now)
            ticket.arrived = arrived
        return commands

    def ask(self, ticket: Ticket) -> Command:
        self._asked[ticket], ticket.waited = None, True
        return Ask(ticket)

    def withdraw(self, ticket: Ticket) -> list[Command]:
        """Work that was asked for, and perhaps given meanwhile, is not wanted any more."""
        if ticket not in self._asked:
            return []
        del self._asked[ticket]
        return [Freed(ticket)]

    def granted(self, ticket: Ticket, name: str, address: str, port: int, now: float) -> list[Command]:
        """The successor gave it this node. Nothing for one that was withdrawn: the successor will hear of that."""
        if ticket not in self._asked:
            return []
        del self._asked[ticket]
        node = self._node(name, address, port)
        ticket.node, ticket.assigned_at = node, now
        node.tickets.add(ticket)
        node.requests += 1
        return [Assign(ticket)]

    def denied(self, ticket: Ticket, reason: Reason, retry_after: int | None) -> list[Command]:
        """The successor has no node for it."""
        if ticket not in self._asked:
            return []
        del self._asked[ticket]
        return [Refuse(ticket, reason, retry_after)]

    def _node(self, name: str, address: str, port: int) -> NodeState:
        """Ours, or one that only the successor's configuration has."""
        pool = self._pool
        for node in pool.all_nodes():
            if (node.address, node.port) == (address, port):
                return node
        made = NodeState(name, Node(address=address, port=port), pool.spec)
        made.leaving = True
        pool.leaving.append(made)
        return made
