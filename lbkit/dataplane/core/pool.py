"""A pool's decisions. Laws:

- a ticket holds at most one slot, and gives it back once, whatever happens to its request or its node;
- no node ever holds more tickets than its hard limit;
- nobody waits while a slot that could serve him is free; who waits, waits in order of arrival.
"""

from __future__ import annotations

from collections.abc import Iterator

from lbkit.dataplane.core.agenda import Agenda
from lbkit.dataplane.core.algorithms import Random
from lbkit.dataplane.core.commands import Assign, Command, Freed, Refuse
from lbkit.dataplane.core.members import Members, cut
from lbkit.dataplane.core.node import Admin, NodeState
from lbkit.dataplane.core.pace import Pace
from lbkit.dataplane.core.queue import Waiting
from lbkit.dataplane.core.standby import Sleepers
from lbkit.dataplane.core.succession import Succession
from lbkit.dataplane.core.ticket import Ticket
from lbkit.dataplane.core.tiers import Tiers
from lbkit.spec import Pool


class PoolState:
    """A running pool. Every method takes `now` in seconds and returns what is to be done; `random` gives 0 to 1."""

    def __init__(self, spec: Pool, now: float, random: Random) -> None:
        self.spec = spec
        self.nodes: dict[str, NodeState] = {}
        self.leaving: list[NodeState] = []
        self.by_mark: dict[bytes, NodeState] = {}
        self.waiting = Waiting()
        self.agenda: Agenda[tuple[str, NodeState]] = Agenda()
        self.sleepers_in_order: list[NodeState] = []
        self.random = random
        self.tiers = Tiers(spec.algorithm, random)
        self.members = Members(self)
        self.sleepers = Sleepers(self)
        self.succession = Succession(self)
        self._pace = Pace()
        self.configure(spec, now)
        self.members.started = True

    def __repr__(self) -> str:
        return f"<pool waiting={len(self.waiting)} {' '.join(map(repr, self.all_nodes()))}>"

    @property
    def in_flight(self) -> int:
        """Slots held on all of its nodes."""
        return sum(len(node.tickets) for node in self.all_nodes())

    def all_nodes(self) -> Iterator[NodeState]:
        yield from self.nodes.values()
        yield from self.leaving

    # -- work --------------------------------------------------------------------------------------------------------

    def arrive(self, ticket: Ticket, now: float) -> list[Command]:
        """New work: assigned, queued (no command for it yet) or refused."""
        ticket.arrived = now
        node = self.tiers.ready.pick(ticket.key, ticket.tried) if not ticket.wanted else None
        if node is None:
            node = self._choose(ticket, now)
        if node is not None:
            command = self._assign(ticket, node, now)
            return [command, *self._wake(now)] if self.sleepers_in_order else [command]
        return [*self._wait(ticket, now), *self._wake(now)]

    def release(self, ticket: Ticket, now: float) -> list[Command]:
        """The work ended or was given up, in whatever phase. Harmless when repeated."""
        node = ticket.node
        if node is None:
            self.waiting.leave(ticket)
            return self.succession.withdraw(ticket)
        ticket.node = None
        if node.leaving:
            return self._ended(ticket, node, now)
        self._unload(ticket, node)
        self._pace.freed(now)
        if not node.tickets and node.admin != "ready":
            return [*self.members.settle(node), *self.serve(now)]
        if self.waiting or self.sleepers_in_order:
            return self.serve(now)
        return []

    def again(self, ticket: Ticket, now: float) -> list[Command]:
        """The node failed before anything reached it: try another one, or the same if there is no other."""
        arrived = ticket.arrived
        if ticket.node is not None:
            ticket.tried = (*ticket.tried, ticket.node)
        commands = self.release(ticket, now)
        commands += self.arrive(ticket, now)
        ticket.arrived = arrived
        self.waiting.advance(ticket, self.spec.limits.queue)
        return commands

    # -- nodes -------------------------------------------------------------------------------------------------------

    def probed(self, node: NodeState, good: bool, error: str, now: float) -> list[Command]:
        """A probe's result; `error` says what went wrong. One that comes after the node went to rest says nothing."""
        if not node.probed:
            return []
        node.last_error = "" if good else error
        changed = node.health.observe(good)
        if good and node.rest == "waking":
            self.sleepers.probed(node, now)
        elif not changed:
            return []
        self.members.place(node, now)
        return self.serve(now)

    def observed(self, node: NodeState, good: bool, error: str, now: float) -> list[Command]:
        """Real traffic's verdict on a node, for the passive check. The last node that works is never ejected."""
        check = self.spec.passive_check
        if good or check is None:
            node.errors = 0
            return []
        node.errors += 1
        if node.errors >= check.errors and node.able and self.tiers.able > 1:
            node.errors, node.ejected, node.last_error = 0, True, error
            self.agenda.set(("return", node), now + check.eject)
            self.members.place(node, now)
            return self.serve(now)
        return []

    def set_admin(self, name: str, state: Admin, now: float) -> list[Command]:
        """Drain, maintain or readmit a node. A drain is reversible and bounded by the pool's `drain` (UK-13)."""
        return [*self.members.administer(self.nodes[name], state, now), *self.serve(now)]

    def wake(self, name: str, now: float) -> list[Command]:
        """Wake a standby node by hand."""
        return [*self.sleepers.wake(self.nodes[name], now), *self.serve(now)]

    def woke(self, node: NodeState, error: str, now: float) -> list[Command]:
        """How a Wake went; an empty error is success."""
        self.sleepers.woke(node, error, now)
        return self.serve(now)

    def rested(self, node: NodeState, error: str, now: float) -> list[Command]:
        """How a Rest went; an empty error is success."""
        self.sleepers.rested(node, error, now)
        return self.serve(now)

    def configure(self, spec: Pool, now: float) -> list[Command]:
        """Take a new spec in place."""
        return [*self.members.reshape(spec, now), *self.serve(now)]

    # -- time --------------------------------------------------------------------------------------------------------

    @property
    def deadline(self) -> float:
        """When `expire` wants to be called next."""
        return min(self.waiting.deadline, self.agenda.next)

    def expire(self, now: float) -> list[Command]:
        """Everything whose time has come."""
        commands: list[Command] = [Refuse(ticket, "queue") for ticket in self.waiting.overdue(now)]
        for what, node in self.agenda.due(now):
            if what == "cut":
                commands += cut(node, "drain")
            elif what == "wake":
                self.sleepers.failed(node, "it did not wake in time", now)
            elif what == "return":
                node.ejected = False
                self.members.place(node, now)
            elif what == "grow":
                self.members.grow(node, now)
        return [*commands, *self.serve(now)]

    def retry_after(self) -> int | None:
        """Whole seconds until a refused client may find room; None when nothing was measured."""
        return self._pace.retry_after(len(self.waiting), self.random())

    # -- inside ------------------------------------------------------------------------------------------------------

    def _choose(self, ticket: Ticket, now: float) -> NodeState | None:
        if ticket.wanted:
            had = self.by_mark.get(ticket.wanted)
            if had is not None and had.open and had not in ticket.tried:
                return had
        node = self.tiers.below_soft(ticket)
        if node is None and self.sleepers_in_order:
            node = self.sleepers.step_in(now)
        if node is None:
            node = self.tiers.above_soft(ticket)
        if node is None and ticket.tried and not self._untried(ticket):
            tried, ticket.tried = ticket.tried, ()
            node, ticket.tried = self._choose(ticket, now), tried
        return node

    def _untried(self, ticket: Ticket) -> bool:
        """Whether a node that did not fail this work may get room: it waits for that rather than fail again."""
        backups = not self.tiers.able
        return any(n.able and n.backup is backups and n not in ticket.tried for n in self.nodes.values())

    def _next(self, now: float) -> tuple[Ticket, NodeState] | None:
        """Who is served next: the first in line, but who waits for other nodes than the free one keeps nobody from it."""
        for ticket in self.waiting:
            node = self._choose(ticket, now)
            if node is not None:
                return ticket, node
            if not ticket.tried:
                return None
        return None

    def _assign(self, ticket: Ticket, node: NodeState, now: float) -> Command:
        ticket.node, ticket.assigned_at = node, now
        tickets = node.tickets
        tickets.add(ticket)
        node.requests += 1
        if not node.backup:
            self.tiers.load += 1
        load = len(tickets)
        if node.rests:
            self.sleepers.load(node)
        if load == node.hard or load == node.soft or node.rests or ticket.wanted or ticket.tried:
            self.tiers.moved(node)  # else its picker counted this one when it chose the node
        return Assign(ticket)

    def _unload(self, ticket: Ticket, node: NodeState) -> None:
        node.tickets.discard(ticket)
        if node.able and not node.backup:
            self.tiers.load -= 1
        if node.rests:
            self.sleepers.load(node)
        self.tiers.moved(node)

    def _ended(self, ticket: Ticket, node: NodeState, now: float) -> list[Command]:
        """Work of a node that gets no more."""
        node.tickets.discard(ticket)
        self._pace.freed(now)
        return [Freed(ticket), *(self.members.settle(node) if not node.tickets else [])]

    def _wait(self, ticket: Ticket, now: float) -> list[Command]:
        if self.succession.begun:
            return [self.succession.ask(ticket)]
        asleep = bool(self.sleepers_in_order) and self.sleepers.hopeful
        hopeful = asleep or any(n.eligible or (n.state == "checking") for n in self.nodes.values())
        if not hopeful:
            return [Refuse(ticket, "no_node")]
        if self.waiting.join(ticket, self.spec.limits.queue):
            return []
        waking = asleep and not self.tiers.able
        return [Refuse(ticket, "waking" if waking else "overflow", self.retry_after())]

    def _wake(self, now: float) -> list[Command]:
        """Wake for what the awake nodes can't carry within their soft limits, and for the first request of all."""
        if not self.sleepers_in_order:
            return []
        return self.sleepers.wake_for(max(self._demand(), 0 if self.tiers.able else 1), now)

    def _demand(self) -> int:
        return len(self.waiting) + max(0, self.tiers.load - (self.spec.limits.soft or 1) * self.tiers.able)

    def serve(self, now: float) -> list[Command]:
        """Give what room there is to those who wait; wake for the rest, or let rest who is not needed."""
        commands: list[Command] = []
        while self.waiting and (found := self._next(now)):
            ticket, node = found
            self.waiting.leave(ticket)
            commands.append(self._assign(ticket, node, now))
        if self.sleepers_in_order:
            commands += self.sleepers.wake_for(self._demand(), now)
            commands += self.sleepers.settle(now)
        return commands
