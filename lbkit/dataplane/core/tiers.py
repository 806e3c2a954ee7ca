"""Which nodes are asked first: those below their soft limit, then those above it, then backups.

Always-on nodes are spread over by the pool's algorithm. Woken standby nodes are filled in order, so that the last ones
run empty and rest. Above the soft limit work is spread by least connections (UK-9).
"""

from __future__ import annotations

from lbkit.dataplane.core.algorithms import InOrder, LeastConnections, Random, picker
from lbkit.dataplane.core.node import NodeState
from lbkit.dataplane.core.picker import Picker
from lbkit.dataplane.core.ticket import Ticket


class Tiers:
    """The nodes of one pool, each in the tier where it belongs now."""

    def __init__(self, algorithm: str, random: Random) -> None:
        self._nodes: set[NodeState] = set()
        self.able = 0
        """Nodes that may get new work and are no backups."""
        self.load = 0
        """Work in flight on those."""
        self.ready = picker(algorithm, random, lambda: self._counted(False))
        """Always-on nodes with room, below their soft limit."""
        self._backup = picker(algorithm, random, lambda: self._counted(True))
        self._packed, self._over = InOrder(), LeastConnections()

    def place(self, node: NodeState) -> None:
        """Put the node where it belongs after a change of health, admin state, rest or membership."""
        if node.eligible != node.able:
            node.able = not node.able
            if not node.backup:
                self.able += 1 if node.able else -1
                self.load += len(node.tickets) if node.able else -len(node.tickets)
            if node.able:
                self._nodes.add(node)
            else:
                self._nodes.discard(node)
            self.ready.renew()
            self._backup.renew()
        self._put(node)

    def remove(self, node: NodeState) -> None:
        """Forget the node, until it is placed again."""
        if node.picker is not None:
            node.picker.remove(node)
            node.picker = None
        if node.able:
            node.able = False
            if not node.backup:
                self.able -= 1
                self.load -= len(node.tickets)
            self._nodes.discard(node)
            self.ready.renew()
            self._backup.renew()

    def moved(self, node: NodeState) -> None:
        """The node's load or share changed, and nothing else."""
        before = node.picker
        if before is self.ready and node.soft is None and (node.hard is None or len(node.tickets) < node.hard):
            before.changed(node)
        else:
            self._put(node)

    def below_soft(self, ticket: Ticket) -> NodeState | None:
        """A node with room that no limit advises against."""
        tried = ticket.tried
        node = self.ready.pick(ticket.key, tried) if len(self.ready) else None
        return node or (self._packed.pick(ticket.key, tried) if len(self._packed) else None)

    def above_soft(self, ticket: Ticket) -> NodeState | None:
        """A node with room above its soft limit; a backup, if nobody else is healthy."""
        if len(self._over):
            return self._over.pick(ticket.key, ticket.tried)
        if not self.able and len(self._backup):
            return self._backup.pick(ticket.key, ticket.tried)
        return None

    def _put(self, node: NodeState) -> None:
        before, after = node.picker, self._belongs(node)
        if before is after:
            if after is not None:
                after.changed(node)
            return
        if before is not None:
            before.remove(node)
        if after is not None:
            after.add(node)
        node.picker = after

    def _belongs(self, node: NodeState) -> Picker | None:
        load = len(node.tickets)
        if not node.able or (node.hard is not None and load >= node.hard):
            return None
        if node.backup:
            return self._backup
        if node.soft is not None and load >= node.soft:
            return self._over
        return self._packed if node.rests else self.ready

    def _counted(self, backup: bool) -> list[NodeState]:
        return [node for node in self._nodes if node.backup is backup and not (node.rests and not backup)]
