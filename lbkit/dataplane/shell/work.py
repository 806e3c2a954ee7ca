"""One piece of work, HTTP request or TCP connection: it gets a node, connects, tries another one, and gives its slot back.

`end` is the only way out, and the only place that releases a slot.
"""

from __future__ import annotations

from abc import abstractmethod
from time import monotonic

from lbkit.dataplane.core.commands import Reason
from lbkit.dataplane.core.node import NodeState
from lbkit.dataplane.core.ticket import Ticket
from lbkit.dataplane.shell.dispatch import Dispatcher
from lbkit.dataplane.shell.upstream import NodeConnection
from lbkit.spec import ErrorCodes

EXPLAINED: dict[str, str] = {
    "overflow": "Every node is at its limit.",
    "queue": "Every node stayed at its limit for as long as a request may wait.",
    "no_node": "No node of the pool is healthy.",
    "waking": "Every node of the pool is at rest; one is being woken.",
    "exhausted": "The balancer has no descriptors or ports left for a connection to a node.",
    "drain": "The node was removed and its time to finish is over.",
    "maintenance": "The node was taken into maintenance.",
    "refused": "The node refused the connection.",
    "connect": "The node did not accept the connection in time.",
    "first_byte": "The node did not begin to answer in time.",
    "idle": "Nothing moved for too long.",
    "total": "The request took longer than it may.",
    "died": "The node closed the connection before its answer began.",
    "garbage": "The node's answer is not HTTP, or has two readings.",
}


def status_of(reason: str, codes: ErrorCodes) -> int:
    """The status that a pool gives to a reason of EXPLAINED."""
    match reason:
        case "overflow" | "no_node" | "waking" | "exhausted":
            return codes.overflow
        case "queue":
            return codes.queue
        case "refused":
            return codes.refused
        case "connect":
            return codes.connect
        case "first_byte" | "idle" | "total":
            return codes.first_byte
    return codes.died


class Work(Ticket):
    """A ticket that knows what to do with its node."""

    __slots__ = ("connection", "dispatcher", "keeps", "over")

    def __init__(self, dispatcher: Dispatcher, key: bytes, wanted: bytes = b"", keeps: bool = False) -> None:
        Ticket.__init__(self, key, wanted)
        self.dispatcher = dispatcher
        self.connection: NodeConnection | None = None
        """To the assigned node; it may still be opening."""
        self.keeps = keeps
        """Whether connections are taken from and given to those that are kept."""
        self.over = False

    @abstractmethod
    def prologue(self) -> bytes:
        """What goes to the node before everything else."""

    @abstractmethod
    def opened(self, connection: NodeConnection) -> None:
        """The connection to the assigned node stands."""

    @abstractmethod
    def failed(self, reason: str, retry_after: int | None = None) -> None:
        """There will be no answer from a node; `reason` is a key of EXPLAINED. Must end the work."""

    @abstractmethod
    def connecting(self, seconds: float) -> None:
        """A connection is being made, which may take so long; then call `connect_late`."""

    def start(self) -> None:
        self.dispatcher.submit(self, monotonic())

    def assigned(self, node: NodeState) -> None:
        connections = self.dispatcher.connections
        if self.keeps and (kept := connections.take(node)) is not None:
            self.connection = kept
            kept.bearer = self  # type: ignore[assignment]
            self.opened(kept)
            return
        self.connection = connections.open(node, self)  # type: ignore[arg-type]
        self.connecting(self.dispatcher.terms.connect)
        self.connection.open()

    def unreached(self, reason: str, error: str) -> None:
        """The connection could not be made."""
        self.connection = None
        if not self.over and (reason == "exhausted" or not self.another(error)):
            self.failed(reason)

    def connect_late(self) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.close()
        if not self.another(EXPLAINED["connect"]):
            self.failed("connect")

    def refused(self, reason: Reason, retry_after: int | None) -> None:
        self.failed(reason, retry_after)

    def dropped(self, reason: Reason) -> None:
        self.failed(reason)

    def another(self, error: str) -> bool:
        """Nothing reached the node: try again if the pool's `retries` allow. Whether it is tried."""
        if self.node is not None:
            self.dispatcher.failed(self.node, error)
        if len(self.tried) >= self.dispatcher.spec.retries:
            return False
        self.dispatcher.again(self)
        return True

    def end(self, keep_alive: float = 0, now: float = 0) -> float:
        """Let go of node and slot; the time of that. The connection is kept for `keep_alive` seconds if it can be."""
        now = now or monotonic()
        if self.over:
            return now
        self.over = True
        connection, self.connection = self.connection, None
        if connection is not None:
            self.dispatcher.connections.give(connection, keep_alive, now)
        self.dispatcher.release(self, now)
        return now
