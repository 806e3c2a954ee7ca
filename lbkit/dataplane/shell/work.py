"""One piece of work, HTTP request or TCP connection: it gets a node, connects, tries another one, and gives its slot back.

`end` is the only way out, and the only place that releases a slot.
"""

from __future__ import annotations

import asyncio
import os
from abc import ABC, abstractmethod

from lbkit.dataplane.core.commands import Reason, Ticket
from lbkit.dataplane.core.node import NodeState
from lbkit.dataplane.shell.dispatch import Dispatcher
from lbkit.dataplane.shell.upstream import NodeConnection

EXPLAINED: dict[str, str] = {
    "overflow": "Every node is at its limit.",
    "queue": "Every node stayed at its limit for as long as a request may wait.",
    "no_node": "No node of the pool is healthy.",
    "drain": "The node was removed and its time to finish is over.",
    "maintenance": "The node was taken into maintenance.",
    "refused": "The node refused the connection.",
    "connect": "The node did not accept the connection in time.",
    "first_byte": "The node did not begin to answer in time.",
    "total": "The request took longer than it may.",
    "died": "The node closed the connection before its answer began.",
}


class Work(ABC):
    """The owner of one ticket."""

    keeps = False
    """Whether connections to nodes are taken from and given to those that are kept."""

    kind: type[NodeConnection] = NodeConnection

    def __init__(self, dispatcher: Dispatcher) -> None:
        self.dispatcher = dispatcher
        self.ticket = Ticket(owner=self)
        self.connection: NodeConnection | None = None
        self.over = False
        self._opening: asyncio.Task[None] | None = None

    @abstractmethod
    def connected(self, connection: NodeConnection) -> None:
        """A connection to the assigned node stands."""

    @abstractmethod
    def failed(self, reason: str, retry_after: int | None = None) -> None:
        """There will be no answer from a node; `reason` is a key of EXPLAINED. Must end the work."""

    def start(self) -> None:
        self.dispatcher.submit(self.ticket)

    def assigned(self, node: NodeState) -> None:
        kept = self.dispatcher.connections.take(node) if self.keeps else None
        if kept:
            self._use(kept)
        else:
            self._opening = self.dispatcher.loop.create_task(self._open(node))

    def refused(self, reason: Reason, retry_after: int | None) -> None:
        self.failed(reason, retry_after)

    def dropped(self, reason: Reason) -> None:
        self.failed(reason)

    def another(self, error: str) -> bool:
        """Nothing reached the node: try again if the pool's `retries` allow. Whether it is tried."""
        if self.ticket.node is not None:
            self.dispatcher.failed(self.ticket.node, error)
        if len(self.ticket.tried) >= self.dispatcher.spec.retries:
            return False
        self.dispatcher.again(self.ticket)
        return True

    def end(self, keep_alive: float = 0) -> None:
        """Let go of node and slot. The connection is kept for `keep_alive` seconds if it can be."""
        if self.over:
            return
        self.over = True
        if self._opening is not None:
            self._opening.cancel()
        connection, self.connection = self.connection, None
        if connection is not None:
            self.dispatcher.connections.give(connection, keep_alive)
        self.dispatcher.release(self.ticket)

    async def _open(self, node: NodeState) -> None:
        try:
            connection = await self.dispatcher.connections.open(node, self.dispatcher.spec.timeouts.connect, self.kind)
        except TimeoutError:
            self._unreached("connect", EXPLAINED["connect"])
        except OSError as error:
            self._unreached("refused", os.strerror(error.errno) if error.errno else str(error))
        else:
            self._opening = None
            if self.over or self.ticket.node is not node:
                connection.close()
            else:
                self._use(connection)

    def _unreached(self, reason: str, error: str) -> None:
        self._opening = None
        if not self.over and not self.another(error):
            self.failed(reason)

    def _use(self, connection: NodeConnection) -> None:
        self.connection = connection
        self.connected(connection)
