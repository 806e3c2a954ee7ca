"""A pool's decisions. Laws:

- a ticket holds at most one slot, and gives it back once, whatever happens to its request or its node;
- no node ever holds more tickets than its hard limit;
- nobody waits while a slot that could serve him is free; who waits, waits in order of arrival.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator

from lbkit.dataplane.core.algorithms import algorithm
from lbkit.dataplane.core.commands import Assign, Command, Drop, Gone, Reason, Refuse, Ticket
from lbkit.dataplane.core.node import Admin, NodeState
from lbkit.spec import Pool

NEVER = math.inf


class PoolState:
    """A running pool. Every method takes `now` in seconds and returns what is to be done."""

    def __init__(self, spec: Pool, now: float) -> None:
        self.spec = spec
        self.nodes: dict[str, NodeState] = {}
        self.leaving: list[NodeState] = []
        self.waiting: OrderedDict[int, Ticket] = OrderedDict()
        self.cuts: dict[NodeState, float] = {}
        """When the drain of a node that still has work ends."""
        self._pick = algorithm(spec.algorithm)
        self._pace: float | None = None
        self._freed_at: float | None = None
        self.configure(spec, now)

    def __repr__(self) -> str:
        return f"<pool waiting={len(self.waiting)} {' '.join(map(repr, self.all_nodes()))}>"

    def all_nodes(self) -> Iterator[NodeState]:
        yield from self.nodes.values()
        yield from self.leaving

    # -- work --------------------------------------------------------------------------------------------------------

    def arrive(self, ticket: Ticket, now: float) -> list[Command]:
        """New work: assigned, queued (no command yet) or refused."""
        ticket.arrived = now
        if node := self._choose(ticket):
            return [self._assign(ticket, node)]
        queue = self.spec.limits.queue
        hopeful = any(n.eligible or (n.health.state == "checking" and n.admin == "ready") for n in self.nodes.values())
        if not hopeful:
            return [Refuse(ticket, "no_node")]
        if queue is None or len(self.waiting) >= queue.size:
            return [Refuse(ticket, "overflow", self.retry_after())]
        ticket.deadline = now + queue.timeout
        self.waiting[id(ticket)] = ticket
        return []

    def release(self, ticket: Ticket, now: float) -> list[Command]:
        """The work ended or was given up, in whatever phase. Harmless when repeated."""
        self.waiting.pop(id(ticket), None)
        node, ticket.node = ticket.node, None
        if node is None:
            return []
        node.tickets.discard(ticket)
        self._measure(now)
        return [*self._settle(node), *self._serve()]

    def again(self, ticket: Ticket, now: float) -> list[Command]:
        """The node failed before anything reached it: try another one, or the same if there is no other."""
        if ticket.node is not None:
            ticket.tried.append(ticket.node)
        commands = self.release(ticket, now)
        if node := self._choose(ticket):
            return [*commands, self._assign(ticket, node)]
        return [*commands, *self.arrive(ticket, now)]

    # -- nodes -------------------------------------------------------------------------------------------------------

    def probed(self, node: NodeState, good: bool, error: str, now: float) -> list[Command]:
        """A probe's result; `error` says what went wrong."""
        node.last_error = "" if good else error
        return self._serve() if node.health.observe(good) else []

    def set_admin(self, name: str, state: Admin, now: float) -> list[Command]:
        """Drain, maintain or readmit a node. A drain is reversible and bounded by the pool's `drain`."""
        node = self.nodes[name]
        node.admin = state
        self.cuts.pop(node, None)
        if state == "drain" and node.tickets:
            self.cuts[node] = now + self.spec.drain
        cut = _cut(node, "maintenance") if state == "maintenance" else []
        return [*cut, *self._serve()]

    def configure(self, spec: Pool, now: float) -> list[Command]:
        """Take a new spec in place: nodes that stay keep their counts, nodes that go are drained."""
        if spec.algorithm != self.spec.algorithm:
            self._pick = algorithm(spec.algorithm)
        before, self.spec, self.nodes = self.nodes, spec, {}
        commands: list[Command] = []
        for order, (name, wanted) in enumerate(spec.nodes.items()):
            node = before.get(name)
            if node is not None and node.is_still(wanted, spec):
                del before[name]
                node.configure(wanted, spec)
            else:
                node = NodeState(name, wanted, spec)
            node.order = order
            self.nodes[name] = node
            if node.admin != "ready" and node not in self.cuts:
                commands += self.set_admin(name, node.admin, now)
        for node in before.values():
            commands += self._leave(node, now)
        self._reschedule(now)
        return [*commands, *self._overfull(), *self._serve()]

    def retire(self, now: float) -> list[Command]:
        """The whole pool goes: nobody new, the waiting are refused, running work has until the drain's deadline."""
        waiting = list(self.waiting.values())
        self.waiting.clear()
        nodes, self.nodes = list(self.nodes.values()), {}
        return [*(Refuse(t, "drain") for t in waiting), *(c for node in nodes for c in self._leave(node, now))]

    # -- time --------------------------------------------------------------------------------------------------------

    @property
    def deadline(self) -> float:
        """When `expire` wants to be called next."""
        first = next(iter(self.waiting.values()), None)
        return min(first.deadline if first else NEVER, min(self.cuts.values(), default=NEVER))

    def expire(self, now: float) -> list[Command]:
        """Everything whose time has come."""
        commands: list[Command] = []
        while (first := next(iter(self.waiting.values()), None)) and first.deadline <= now:
            del self.waiting[id(first)]
            commands.append(Refuse(first, "queue"))
        for node in [node for node, at in self.cuts.items() if at <= now]:
            del self.cuts[node]
            commands += _cut(node, "drain")
        return commands

    def retry_after(self) -> int | None:
        """Whole seconds until a refused client may find room, at the measured pace; None when nothing was measured."""
        if self._pace is None:
            return None
        return min(3600, max(1, math.ceil(self._pace * (len(self.waiting) + 1))))

    # -- inside ------------------------------------------------------------------------------------------------------

    def _choose(self, ticket: Ticket) -> NodeState | None:
        room = [node for node in self.nodes.values() if node.open]
        fresh = [node for node in room if node not in ticket.tried] if ticket.tried else room
        return self._pick(fresh or room) if room else None

    def _assign(self, ticket: Ticket, node: NodeState) -> Command:
        ticket.node = node
        node.tickets.add(ticket)
        node.requests += 1
        return Assign(ticket)

    def _serve(self) -> list[Command]:
        """Give what room there is to those who wait."""
        commands: list[Command] = []
        while self.waiting:
            first = next(iter(self.waiting.values()))
            node = self._choose(first)
            if node is None:
                break
            del self.waiting[id(first)]
            commands.append(self._assign(first, node))
        return commands

    def _leave(self, node: NodeState, now: float) -> list[Command]:
        node.leaving = True
        if not node.tickets:
            return [Gone(node)]
        self.cuts[node] = now + self.spec.drain
        self.leaving.append(node)
        return []

    def _settle(self, node: NodeState) -> list[Command]:
        """A node that runs empty while it drains is done with draining."""
        if node.tickets:
            return []
        self.cuts.pop(node, None)
        if not node.leaving or node not in self.leaving:
            return []
        self.leaving.remove(node)
        return [Gone(node)]

    def _reschedule(self, now: float) -> None:
        """A new queue timeout holds for those who wait already, counted from their arrival."""
        timeout = self.spec.limits.queue.timeout if self.spec.limits.queue else 0.0
        for ticket in self.waiting.values():
            ticket.deadline = ticket.arrived + timeout

    def _overfull(self) -> list[Command]:
        """A shorter queue refuses those at its end."""
        size = self.spec.limits.queue.size if self.spec.limits.queue else 0
        late: list[Command] = []
        while len(self.waiting) > size:
            late.append(Refuse(self.waiting.popitem()[1], "overflow", self.retry_after()))
        return late

    def _measure(self, now: float) -> None:
        if self._freed_at is not None:
            gap = now - self._freed_at
            self._pace = gap if self._pace is None else 0.9 * self._pace + 0.1 * gap
        self._freed_at = now


def _cut(node: NodeState, reason: Reason) -> list[Command]:
    return [Drop(ticket, reason) for ticket in list(node.tickets)]
