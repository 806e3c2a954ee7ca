"""A pool's decisions. Laws:

- a ticket holds at most one slot, and gives it back once, whatever happens to its request or its node;
- no node ever holds more tickets than its hard limit;
- nobody waits while a slot that could serve him is free; who waits, waits in order of arrival.
"""

from __future__ import annotations

from collections.abc import Iterator

from lbkit.dataplane.core.agenda import Agenda
from lbkit.dataplane.core.algorithms import Random
from lbkit.dataplane.core.commands import Assign, Command, Drained, Drop, Gone, Reason, Refuse
from lbkit.dataplane.core.node import Admin, NodeState
from lbkit.dataplane.core.pace import Pace
from lbkit.dataplane.core.queue import Waiting
from lbkit.dataplane.core.standby import Sleepers
from lbkit.dataplane.core.ticket import Ticket
from lbkit.dataplane.core.tiers import Tiers
from lbkit.spec import Node, Pool

_STEPS = 10


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
        self._random = random
        self.tiers = Tiers(spec.algorithm, random)
        self._sleepers = Sleepers(self)
        self._growing: dict[NodeState, int] = {}
        self._pace = Pace()
        self._started = False
        self.configure(spec, now)
        self._started = True

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
            return []
        ticket.node = None
        self._unload(ticket, node)
        self._pace.freed(now)
        if not node.tickets and (node.leaving or node.admin != "ready"):
            return [*self._settle(node), *self._serve(now)]
        if self.waiting or self.sleepers_in_order:
            return self._serve(now)
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
            self._sleepers.probed(node, now)
        elif not changed:
            return []
        self.place(node, now)
        return self._serve(now)

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
            self.place(node, now)
        return []

    def set_admin(self, name: str, state: Admin, now: float) -> list[Command]:
        """Drain, maintain or readmit a node. A drain is reversible and bounded by the pool's `drain` (UK-13)."""
        node = self.nodes[name]
        node.admin = state
        self.agenda.drop(("cut", node))
        if state == "drain" and node.tickets:
            self.agenda.set(("cut", node), now + self.spec.drain)
        cut: list[Command] = _cut(node, "maintenance") if state == "maintenance" else []
        if state != "ready" and not node.tickets:
            cut.append(Drained(node))
        self.place(node, now)
        return [*cut, *self._serve(now)]

    def wake(self, name: str, now: float) -> list[Command]:
        """Wake a standby node by hand."""
        return [*self._sleepers.wake(self.nodes[name], now), *self._serve(now)]

    def woke(self, node: NodeState, error: str, now: float) -> list[Command]:
        """How a Wake went; an empty error is success."""
        self._sleepers.woke(node, error, now)
        return self._serve(now)

    def rested(self, node: NodeState, error: str, now: float) -> list[Command]:
        """How a Rest went; an empty error is success."""
        self._sleepers.rested(node, error, now)
        return self._serve(now)

    def configure(self, spec: Pool, now: float) -> list[Command]:
        """Take a new spec in place: nodes that stay keep their counts, nodes that go are drained."""
        able = {node for node in self.nodes.values() if node.able}
        for node in self.nodes.values():
            self.tiers.remove(node)
        if spec.algorithm != self.spec.algorithm:
            self.tiers = Tiers(spec.algorithm, self._random)
        known = {(node.address, node.port): node for node in (*self.leaving, *self.nodes.values())}
        before, self.spec, self.nodes = set(self.nodes.values()), spec, {}
        commands: list[Command] = []
        for order, (name, wanted) in enumerate(spec.nodes.items()):
            server = known.get((str(wanted.address), wanted.port or spec.port))
            if server is not None:
                before.discard(server)
                self._keep(server, name, wanted)
            node = server or NodeState(name, wanted, spec)
            node.order = order
            self.nodes[name] = node
        self.by_mark = {node.mark: node for node in self.nodes.values()}
        self.sleepers_in_order = [node for node in self.nodes.values() if node.rests]
        for node in self.nodes.values():
            if node in able:
                self.tiers.place(node)  # it worked before: no slow start
            else:
                self.place(node, now)
            if node.rests:
                self._sleepers.load(node)
            if node.admin != "ready" and ("cut", node) not in self.agenda:
                commands += self.set_admin(node.name, node.admin, now)
        for node in sorted(before):
            commands += self._leave(node, now)
        commands += [Refuse(late, "overflow", self.retry_after()) for late in self.waiting.configure(spec.limits.queue)]
        return [*commands, *self._serve(now)]

    def retire(self, now: float) -> list[Command]:
        """The whole pool goes: nobody new, the waiting are refused, running work has until the drain's deadline."""
        waiting = self.waiting.dissolve()
        nodes, self.nodes, self.sleepers_in_order = list(self.nodes.values()), {}, []
        return [*(Refuse(t, "drain") for t in waiting), *(c for node in nodes for c in self._leave(node, now))]

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
                commands += _cut(node, "drain")
            elif what == "wake":
                self._sleepers.failed(node, "it did not wake in time", now)
            elif what == "return":
                node.ejected = False
                self.place(node, now)
            elif what == "grow":
                self._grow(node, now)
        return [*commands, *self._serve(now)]

    def retry_after(self) -> int | None:
        """Whole seconds until a refused client may find room; None when nothing was measured."""
        return self._pace.retry_after(len(self.waiting), self._random())

    # -- inside ------------------------------------------------------------------------------------------------------

    def place(self, node: NodeState, now: float) -> None:
        """Put a node where it belongs; one that comes back begins with a small share (slow start)."""
        if self.spec.slow_start and self._started and node.eligible and not node.able:
            self._growing[node] = 0
            self._grow(node, now)
        self.tiers.place(node)

    def _grow(self, node: NodeState, now: float) -> None:
        step = self._growing[node] = self._growing.get(node, 0) + 1
        node.share = node.weight * min(1.0, step / _STEPS)
        if step < _STEPS:
            self.agenda.set(("grow", node), now + self.spec.slow_start / _STEPS)
        else:
            del self._growing[node]
        self.tiers.moved(node)

    def _choose(self, ticket: Ticket, now: float) -> NodeState | None:
        if ticket.wanted:
            had = self.by_mark.get(ticket.wanted)
            if had is not None and had.open and had not in ticket.tried:
                return had
        node = self.tiers.below_soft(ticket)
        if node is None and self.sleepers_in_order:
            node = self._sleepers.step_in(now)
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
            self._sleepers.load(node)
        if load == node.hard or load == node.soft or node.rests or ticket.wanted or ticket.tried:
            self.tiers.moved(node)  # else its picker counted this one when it chose the node
        return Assign(ticket)

    def _unload(self, ticket: Ticket, node: NodeState) -> None:
        node.tickets.discard(ticket)
        if node.able and not node.backup:
            self.tiers.load -= 1
        if node.leaving:
            return
        if node.rests:
            self._sleepers.load(node)
        self.tiers.moved(node)

    def _wait(self, ticket: Ticket, now: float) -> list[Command]:
        asleep = bool(self.sleepers_in_order) and self._sleepers.hopeful
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
        return self._sleepers.wake_for(max(self._demand(), 0 if self.tiers.able else 1), now)

    def _demand(self) -> int:
        return len(self.waiting) + max(0, self.tiers.load - (self.spec.limits.soft or 1) * self.tiers.able)

    def _serve(self, now: float) -> list[Command]:
        """Give what room there is to those who wait; wake for the rest, or let rest who is not needed."""
        commands: list[Command] = []
        while self.waiting and (found := self._next(now)):
            ticket, node = found
            self.waiting.leave(ticket)
            commands.append(self._assign(ticket, node, now))
        if self.sleepers_in_order:
            commands += self._sleepers.wake_for(self._demand(), now)
            commands += self._sleepers.settle(now)
        return commands

    def _keep(self, node: NodeState, name: str, wanted: Node) -> None:
        """A server that was there, under whatever name, or that was removed and still works: its slots stay counted."""
        if node.leaving:
            self.leaving.remove(node)
            self.agenda.drop(("cut", node))
            node.leaving, node.health.state, node.health.contrary = False, "checking", 0
            node.admin = node.asked = wanted.admin_state
        if node.rests != wanted.standby:
            self._sleepers.forget(node)
        node.name = name
        node.configure(wanted, self.spec)
        if node in self._growing:
            node.share = node.weight * min(1.0, self._growing[node] / _STEPS)

    def _leave(self, node: NodeState, now: float) -> list[Command]:
        self._sleepers.forget(node)
        self.tiers.remove(node)
        node.leaving = True
        if not node.tickets:
            return [Gone(node)]
        self.agenda.set(("cut", node), now + self.spec.drain)
        self.leaving.append(node)
        return []

    def _settle(self, node: NodeState) -> list[Command]:
        """A node that runs empty while it drains is done with draining."""
        self.agenda.drop(("cut", node))
        if not node.leaving:
            return [Drained(node)]
        if node not in self.leaving:
            return []
        self.leaving.remove(node)
        return [Gone(node)]


def _cut(node: NodeState, reason: Reason) -> list[Command]:
    return [Drop(ticket, reason) for ticket in list(node.tickets)]
