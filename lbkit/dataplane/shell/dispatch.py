"""The one dispatch: it carries every command of a pool's core to whom it concerns.

Slots are taken and given back here and nowhere else. Commands that arise while others are carried out wait their
turn, so an owner may call back at any time.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Protocol

from lbkit.dataplane.core.commands import Assign, Command, Drop, Gone, Reason, Refuse, Ticket
from lbkit.dataplane.core.node import Admin, NodeState
from lbkit.dataplane.core.pool import NEVER, PoolState
from lbkit.dataplane.shell.alarm import Alarm
from lbkit.dataplane.shell.upstream import NodeConnections
from lbkit.spec import Pool

log = logging.getLogger("lbkit.pool")


class Owner(Protocol):
    """Whoever holds a ticket."""

    def assigned(self, node: NodeState) -> None: ...
    def refused(self, reason: Reason, retry_after: int | None) -> None: ...
    def dropped(self, reason: Reason) -> None: ...


class Dispatcher:
    """One running pool: the core's state, its timer and its connections to nodes."""

    def __init__(self, name: str, spec: Pool, loop: asyncio.AbstractEventLoop) -> None:
        self.name, self.loop = name, loop
        self.pool = PoolState(spec, loop.time())
        self.connections = NodeConnections(loop)
        self._todo: deque[Command] = deque()
        self._busy = False
        self._alarm = Alarm(loop, self._expire)

    @property
    def spec(self) -> Pool:
        return self.pool.spec

    def submit(self, ticket: Ticket) -> None:
        """New work: its owner is told when there is a node for it, or why there is none."""
        self._do(self.pool.arrive(ticket, self.loop.time()))

    def release(self, ticket: Ticket) -> None:
        """The work is over. Harmless when repeated."""
        self._do(self.pool.release(ticket, self.loop.time()))

    def again(self, ticket: Ticket) -> None:
        """The node failed before anything reached it: find another."""
        self._do(self.pool.again(ticket, self.loop.time()))

    def failed(self, node: NodeState, error: str) -> None:
        """Real traffic met an error on this node; seen in the status, without a say in its health."""
        node.failures += 1
        node.last_error = error

    def probed(self, node: NodeState, good: bool, error: str = "") -> None:
        """A probe's result."""
        before = node.health.state
        self._do(self.pool.probed(node, good, error, self.loop.time()))
        if node.health.state != before:
            log.info("node %s/%s is %s%s", self.name, node.name, node.health.state, f": {error}" if error else "")

    def set_admin(self, node: str, state: Admin) -> None:
        """Raises KeyError for a node that is not there."""
        self._do(self.pool.set_admin(node, state, self.loop.time()))
        log.info("node %s/%s: admin state %s", self.name, node, state)

    def configure(self, spec: Pool) -> None:
        self._do(self.pool.configure(spec, self.loop.time()))

    def retire(self) -> None:
        self._do(self.pool.retire(self.loop.time()))

    def close(self) -> None:
        self._alarm.cancel()
        self.connections.close()

    def _expire(self) -> None:
        self._do(self.pool.expire(self.loop.time()))

    def _do(self, commands: list[Command]) -> None:
        self._todo.extend(commands)
        if self._busy:
            return
        self._busy = True
        try:
            while self._todo:
                self._carry_out(self._todo.popleft())
        finally:
            self._busy = False
        deadline = self.pool.deadline
        if deadline < NEVER:
            self._alarm.at(deadline)
        else:
            self._alarm.clear()

    def _carry_out(self, command: Command) -> None:
        match command:
            case Assign(ticket):
                if ticket.node is not None:
                    ticket.owner.assigned(ticket.node)
            case Refuse(ticket, reason, retry_after):
                ticket.owner.refused(reason, retry_after)
            case Drop(ticket, reason):
                ticket.owner.dropped(reason)
            case Gone(node):
                self.connections.forget(node)
