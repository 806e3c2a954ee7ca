"""Connections to nodes: one carries one request at a time, and is kept for the next only when nothing is left on it."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from lbkit.dataplane.core.node import NodeState
from lbkit.dataplane.shell import descriptors
from lbkit.dataplane.shell.alarm import Alarm
from lbkit.dataplane.shell.loop import WRITE, Loop
from lbkit.dataplane.shell.stream import Stream

if TYPE_CHECKING:
    from lbkit.dataplane.shell.tls import NodeSecurity


class Bearer(Protocol):
    """The work that a connection carries at present."""

    def prologue(self) -> bytes:
        """What goes before everything else, TLS too: a PROXY header."""

    def opened(self, connection: NodeConnection) -> None: ...
    def unreached(self, reason: str, error: str) -> None: ...
    def node_data(self, data: bytes) -> None: ...
    def node_eof(self) -> bool: ...
    def node_lost(self, clean: bool, error: str) -> None: ...
    def node_paused(self, paused: bool) -> None: ...


class NodeConnection:
    """A connection to a node, from the first SYN on."""

    __slots__ = ("_loop", "_security", "age", "bearer", "idle_since", "lost", "node", "port", "sock", "stream")

    def __init__(
        self, loop: Loop, node: NodeState, bearer: Bearer, security: NodeSecurity | None, port: int | None = None
    ) -> None:
        """`port`: another one than that for traffic."""
        self._loop, self.node, self._security = loop, node, security
        self.port = port or node.port
        self.bearer: Bearer | None = bearer
        self.stream: Stream | None = None
        self.sock: socket.socket | None = None
        self.idle_since = 0.0
        self.lost = False
        self.age = 0
        """Under which settings it was made."""

    def open(self) -> None:
        """Begin to connect; the bearer is told how that went, perhaps at once."""
        family = socket.AF_INET6 if ":" in self.node.address else socket.AF_INET
        try:
            self.sock = sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        except OSError as error:
            self._unreached(error.errno or 0)
            return
        if sock.fileno() >= descriptors.numbers.for_nodes:
            self._unreached(errno.EMFILE)
            return
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        code = sock.connect_ex((self.node.address, self.port))
        if code not in (0, errno.EINPROGRESS):
            self._unreached(code)
        else:
            self._loop.poller.watch(sock.fileno(), self, WRITE)

    def ready(self, mask: int) -> None:
        """The connect ended."""
        assert self.sock is not None
        code = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        self._loop.poller.forget(self.sock.fileno())
        prologue = b"" if code or self.bearer is None else self.bearer.prologue()
        if prologue:
            try:
                self.sock.send(prologue)  # an empty socket takes so little
            except OSError as error:
                code = error.errno or errno.EPIPE
        if code:
            self._unreached(code)
        elif self._security is not None:
            self.stream = self._security.stream(self._loop, self.sock, self, self.received, self.node.address)
            self.stream.start()
        else:
            self.stream = Stream(self._loop, self.sock, self, self.received)
            self.stream.start()
            self.secured()

    def secured(self) -> None:
        """The connection stands, and is encrypted where it has to be."""
        if self.bearer is not None:
            self.bearer.opened(self)

    def received(self, data: bytes) -> None:
        if self.bearer is None:
            self.close()  # nothing was asked: never read it as an answer to the next request
        else:
            self.bearer.node_data(data)

    def eof_received(self) -> bool:
        if self.bearer is not None and self.bearer.node_eof():
            return True
        self._lost(True, "the node closed the connection")
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self._lost(
            error is None, f"the node broke the connection: {error}" if error else "the node closed the connection"
        )

    def insecure(self, error: str) -> None:
        """TLS could not be agreed on, or the node's certificate is not right."""
        bearer, self.bearer, self.lost = self.bearer, None, True
        if bearer is not None:
            bearer.unreached("refused", error)

    def pause_writing(self) -> None:
        if self.bearer is not None:
            self.bearer.node_paused(True)

    def resume_writing(self) -> None:
        if self.bearer is not None:
            self.bearer.node_paused(False)

    def close(self) -> None:
        """At once, whatever is still unsent."""
        self.bearer, self.lost = None, True
        if self.stream is not None:
            self.stream.abort()
        elif self.sock is not None:
            self._loop.poller.forget(self.sock.fileno())
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)
            self._loop.call_soon(self.sock.close)

    def _unreached(self, code: int) -> None:
        bearer = self.bearer
        self.close()
        if bearer is not None:
            full = code in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL)
            bearer.unreached("exhausted" if full else "refused", os.strerror(code))

    def _lost(self, clean: bool, error: str) -> None:
        if self.lost:
            return
        self.lost = True
        bearer, self.bearer = self.bearer, None
        if bearer is not None:
            bearer.node_lost(clean, error)


class NodeConnections:
    """The unused connections of one pool's nodes, newest first out."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._idle: dict[NodeState, deque[NodeConnection]] = {}
        self._keep_alive = 0.0
        self._age = 0
        self._sweep = Alarm(loop, self._drop_old)
        self.security: NodeSecurity | None = None
        """TLS to the nodes; None: they speak in the clear."""

    def take(self, node: NodeState) -> NodeConnection | None:
        """A live unused connection, if there is one."""
        idle = self._idle.get(node)
        while idle:
            connection = idle.pop()
            if not connection.lost:
                return connection
        return None

    def open(self, node: NodeState, bearer: Bearer) -> NodeConnection:
        """A new connection, about to be made: call its `open`."""
        made = NodeConnection(self._loop, node, bearer, self.security)
        made.age = self._age
        return made

    def give(self, connection: NodeConnection, keep_alive: float, now: float) -> None:
        """Keep for `keep_alive` seconds, unless something is left on it or its node is going."""
        connection.bearer = None
        stream, node = connection.stream, connection.node
        if (
            keep_alive <= 0 or stream is None or stream.unsent or stream.closing or connection.lost
            or node.leaving or node.admin == "maintenance" or connection.age != self._age
        ):  # fmt: skip
            connection.close()
            return
        stream.receive = connection.received
        if stream.paused:
            stream.resume_reading()
        connection.idle_since = now
        self._keep_alive = keep_alive
        idle = self._idle.get(node)
        if idle is None:
            idle = self._idle[node] = deque()
        idle.append(connection)
        if not self._sweep.armed:
            self._sweep.set(keep_alive)

    def forget(self, node: NodeState) -> None:
        for connection in self._idle.pop(node, ()):
            connection.close()

    def close(self) -> None:
        self._sweep.cancel()
        for node in list(self._idle):
            self.forget(node)

    def renew(self) -> None:
        """Keep none of those that were made under other settings."""
        self._age += 1
        for node in list(self._idle):
            self.forget(node)

    def _drop_old(self) -> None:
        limit = monotonic() - self._keep_alive
        oldest = None
        for idle in self._idle.values():
            while idle and (idle[0].lost or idle[0].idle_since <= limit):
                idle.popleft().close()
            if idle:
                oldest = min(oldest or idle[0].idle_since, idle[0].idle_since)
        if oldest is not None:
            self._sweep.at(oldest + self._keep_alive)
