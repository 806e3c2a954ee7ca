"""Which nodes a pool has: they come, stay under other settings, and leave once they run empty. No slot is lost on the way."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from lbkit.dataplane.core.commands import Command, Drained, Drop, Freed, Gone, Reason, Refuse
from lbkit.dataplane.core.node import Admin, NodeState
from lbkit.dataplane.core.tiers import Tiers
from lbkit.spec import Node, Pool

if TYPE_CHECKING:
    from lbkit.dataplane.core.pool import PoolState

_STEPS = 10


class Members:
    """The nodes of one pool. Whoever calls lets the pool serve afterwards, for there may be room."""

    def __init__(self, pool: PoolState) -> None:
        self._pool = pool
        self._growing: dict[NodeState, int] = {}
        self._orders = count()
        self.started = False
        """Whether nodes that come from now on begin slowly."""

    def reshape(self, spec: Pool, now: float) -> list[Command]:
        """Take a new spec: nodes that stay keep their counts, nodes that go are drained."""
        pool = self._pool
        able = {node for node in pool.nodes.values() if node.able}
        for node in pool.nodes.values():
            pool.tiers.remove(node)
        if spec.algorithm != pool.spec.algorithm:
            pool.tiers = Tiers(spec.algorithm, pool.random)
        known = {(node.address, node.port): node for node in (*pool.leaving, *pool.nodes.values())}
        before, pool.spec, pool.nodes = set(pool.nodes.values()), spec, {}
        commands: list[Command] = []
        for name, wanted in spec.nodes.items():
            server = known.get((str(wanted.address), wanted.port or spec.port))
            if server is not None:
                before.discard(server)
                commands += self._keep(server, name, wanted)
            node = server or NodeState(name, wanted, spec)
            node.order = next(self._orders)  # never one that another node has or had
            pool.nodes[name] = node
        pool.by_mark = {node.mark: node for node in pool.nodes.values()}
        pool.sleepers_in_order = [node for node in pool.nodes.values() if node.rests]
        for node in pool.nodes.values():
            if node in able:
                pool.tiers.place(node)  # it worked before: no slow start
            else:
                self.place(node, now)
            if node.rests:
                pool.sleepers.load(node)
            if node.admin != "ready" and ("cut", node) not in pool.agenda:
                commands += self.administer(node, node.admin, now)
        for node in sorted(before, key=lambda node: node.order):
            commands += self._leave(node, now)
        commands += [Refuse(late, "overflow", pool.retry_after()) for late in pool.waiting.configure(spec.limits.queue)]
        return commands

    def retire(self, now: float) -> list[Command]:
        """The whole pool goes: nobody new, the waiting are refused, running work has until the drain's deadline."""
        pool = self._pool
        waiting = pool.waiting.dissolve()
        nodes, pool.nodes, pool.sleepers_in_order = list(pool.nodes.values()), {}, []
        return [*(Refuse(t, "drain") for t in waiting), *(c for node in nodes for c in self._leave(node, now))]

    def place(self, node: NodeState, now: float) -> None:
        """Put a node where it belongs; one that comes back begins with a small share (slow start)."""
        pool = self._pool
        if pool.spec.slow_start and self.started and node.eligible and not node.able:
            self._growing[node] = 0
            self.grow(node, now)
        pool.tiers.place(node)

    def grow(self, node: NodeState, now: float) -> None:
        """One step of a slow start."""
        pool = self._pool
        step = self._growing[node] = self._growing.get(node, 0) + 1
        node.share = node.weight * min(1.0, step / _STEPS)
        if step < _STEPS:
            pool.agenda.set(("grow", node), now + pool.spec.slow_start / _STEPS)
        else:
            del self._growing[node]
        pool.tiers.moved(node)

    def administer(self, node: NodeState, state: Admin, now: float) -> list[Command]:
        """Drain, maintain or readmit a node."""
        pool = self._pool
        node.admin = state
        pool.agenda.drop(("cut", node))
        if state == "drain" and node.tickets:
            pool.agenda.set(("cut", node), now + pool.spec.drain)
        commands = cut(node, "maintenance") if state == "maintenance" else []
        if state != "ready" and not node.tickets:
            commands.append(Drained(node))
        self.place(node, now)
        return commands

    def _keep(self, node: NodeState, name: str, wanted: Node) -> list[Command]:
        """A server that was there, under whatever name, or that was removed and still works: its slots stay counted."""
        pool = self._pool
        back: list[Command] = [Freed(ticket) for ticket in node.tickets] if node.leaving else []
        if node.leaving:
            pool.leaving.remove(node)
            pool.agenda.drop(("cut", node))
            node.leaving, node.health.state, node.health.contrary = False, "checking", 0
            node.admin = node.asked = wanted.admin_state
        if node.rests != wanted.standby:
            pool.sleepers.forget(node)
        node.name = name
        node.configure(wanted, pool.spec)
        if node in self._growing:
            node.share = node.weight * min(1.0, self._growing[node] / _STEPS)
        return back

    def _leave(self, node: NodeState, now: float) -> list[Command]:
        pool = self._pool
        pool.sleepers.forget(node)
        pool.tiers.remove(node)
        node.leaving = True
        if not node.tickets:
            return [Gone(node)]
        pool.agenda.set(("cut", node), now + pool.spec.drain)
        pool.leaving.append(node)
        return []

    def settle(self, node: NodeState) -> list[Command]:
        """A node that runs empty while it drains is done with draining."""
        pool = self._pool
        pool.agenda.drop(("cut", node))
        if not node.leaving:
            return [Drained(node)]
        if node not in pool.leaving:
            return []
        pool.leaving.remove(node)
        return [Gone(node)]


def cut(node: NodeState, reason: Reason) -> list[Command]:
    """End what runs on the node."""
    return [Drop(ticket, reason) for ticket in list(node.tickets)]
