"""Standby nodes: woken when the running nodes reach their soft limit, at rest again as soon as the others can carry the load.

Laws: one wake per node in flight; a wake that fails or takes too long backs off and the next node is tried; a node
rests only with nothing in flight, never sooner than `min_awake` after it woke.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lbkit.dataplane.core.commands import Command, Rest, Wake
from lbkit.dataplane.core.node import NodeState

if TYPE_CHECKING:
    from lbkit.dataplane.core.pool import PoolState

PATIENCE = 60.0
"""Seconds a wake may take in a pool without a queue; with one, the queue's timeout is the deadline (LB-1)."""
_FIRST, _LONGEST = 1.0, 60.0
_REST_AGAIN = 30.0


class Sleepers:
    """The standby nodes of one pool."""

    def __init__(self, pool: PoolState) -> None:
        self._pool = pool
        self._idle: dict[NodeState, None] = {}
        self._failed: dict[NodeState, int] = {}
        self._answered: set[NodeState] = set()
        self.waking: set[NodeState] = set()

    @property
    def hopeful(self) -> bool:
        """Whether somebody is being woken or may be."""
        return bool(self.waking) or self._next() is not None or bool(self._failed)

    def step_in(self, now: float) -> NodeState | None:
        """A sleeping node that traffic itself wakes: awake from now on."""
        while (node := self._next()) is not None and node.wakes_by_traffic:
            self.arise(node, now)
            if node.open:
                return node
        return None

    def wake_for(self, demand: int, now: float) -> list[Command]:
        """Wake as many nodes as it takes to carry so many requests within their soft limits."""
        commands: list[Command] = []
        each = self._pool.spec.limits.soft or 1
        while demand > len(self.waking) * each and (node := self._next()):
            commands += self.wake(node, now)
        return commands

    def wake(self, node: NodeState, now: float) -> list[Command]:
        """Wake this node; nothing if it is not asleep."""
        if node.rest != "asleep":
            return []
        if node.wakes_by_traffic:
            self.arise(node, now)
            return []
        queue = self._pool.spec.limits.queue
        node.rest = "waking"
        self.waking.add(node)
        self._pool.agenda.drop(("retry", node))
        self._pool.agenda.set(("wake", node), now + (queue.timeout if queue else PATIENCE))
        return [Wake(node)]

    def woke(self, node: NodeState, error: str, now: float) -> None:
        """The hook ended; an empty error is success. With a health check the node still has to pass it."""
        if node.rest != "waking":
            return
        if error:
            self.failed(node, error, now)
        elif self._pool.spec.health_check is None:
            self.arise(node, now)
        else:
            self._answered.add(node)

    def probed(self, node: NodeState, now: float) -> None:
        """A good probe of a node that is being woken."""
        if node in self._answered and node.usable:
            self.arise(node, now)

    def failed(self, node: NodeState, error: str, now: float) -> None:
        """Not awake in time, or the hook failed: asleep again, and left alone for a while."""
        count = self._failed[node] = self._failed.get(node, 0) + 1
        self._forget_wake(node)
        node.rest, node.last_error = "asleep", error
        self._pool.agenda.set(("retry", node), now + min(_LONGEST, _FIRST * 2 ** (count - 1)))

    def settle(self, now: float) -> list[Command]:
        """Let rest who need not be awake, last in order first."""
        commands: list[Command] = []
        for node in sorted(self._idle, key=lambda node: -node.order):
            if not self._dispensable(node):
                break
            since = self._may_rest_at(node)
            if since > now:
                if ("rest", node) not in self._pool.agenda:
                    self._pool.agenda.set(("rest", node), since)
            else:
                commands += self._rest(node)
        return commands

    def rested(self, node: NodeState, error: str, now: float) -> None:
        """The hook ended; a node that would not rest is awake and asked again later."""
        if node.rest != "resting":
            return
        if error:
            node.rest, node.last_error = "awake", error
            node.woken = now + _REST_AGAIN - self._pool.spec.standby.min_awake
            self._idle[node] = None
            self._pool.agenda.set(("rest", node), now + _REST_AGAIN)
            self._pool.members.place(node, now)
        else:
            node.rest = "asleep"

    def load(self, node: NodeState) -> None:
        """The load of a standby node changed."""
        if node.tickets or node.rest != "awake":
            self._idle.pop(node, None)
        else:
            self._idle[node] = None

    def forget(self, node: NodeState) -> None:
        """It is no standby node any more, or none of this pool."""
        self._pool.agenda.drop(("rest", node))
        self._pool.agenda.drop(("retry", node))
        self._idle.pop(node, None)
        self._failed.pop(node, None)
        self._forget_wake(node)

    # -- inside ------------------------------------------------------------------------------------------------------

    def _next(self) -> NodeState | None:
        """The first node in order that sleeps, may be used, and did not just fail to wake."""
        agenda = self._pool.agenda
        for node in self._pool.sleepers_in_order:
            if node.rest == "asleep" and node.admin == "ready" and ("retry", node) not in agenda:
                return node
        return None

    def arise(self, node: NodeState, now: float) -> None:
        self._forget_wake(node)
        self._failed.pop(node, None)
        node.rest, node.woken, node.served = "awake", now, node.requests
        self._pool.members.place(node, now)
        self.load(node)

    def _dispensable(self, node: NodeState) -> bool:
        pool = self._pool
        soft = pool.spec.limits.soft or 1
        return not pool.waiting and node.able and pool.tiers.load <= soft * self._others(node)

    def _may_rest_at(self, node: NodeState) -> float:
        """The only awake node waits for those who were refused while it woke: they come again."""
        unused = node.requests == node.served and not self._others(node)
        return node.woken + max(self._pool.spec.standby.min_awake, PATIENCE if unused else 0)

    def _others(self, node: NodeState) -> int:
        return self._pool.tiers.able - (1 if node.able else 0)

    def _rest(self, node: NodeState) -> list[Command]:
        self._idle.pop(node, None)
        self._pool.agenda.drop(("rest", node))
        by_itself = self._pool.spec.standby.rest is None
        node.rest = "asleep" if by_itself else "resting"
        self._pool.tiers.place(node)
        return [] if by_itself else [Rest(node)]

    def _forget_wake(self, node: NodeState) -> None:
        self.waking.discard(node)
        self._answered.discard(node)
        self._pool.agenda.drop(("wake", node))
