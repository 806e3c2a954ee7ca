"""Connections to nodes: one carries one request at a time, and is kept for the next only when nothing is left on it."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from typing import Protocol, cast

from lbkit.dataplane.core.node import NodeState
from lbkit.dataplane.shell.alarm import Alarm


class User(Protocol):
    """Whoever uses a connection at present."""

    def node_data(self, data: bytes) -> None: ...
    def node_lost(self, clean: bool, error: str) -> None: ...
    def node_paused(self, paused: bool) -> None: ...


class NodeConnection(asyncio.Protocol):
    """A TCP connection to a node."""

    def __init__(self, node: NodeState) -> None:
        self.node = node
        self.user: User | None = None
        self.transport: asyncio.Transport = cast(asyncio.Transport, None)
        self.reused = False
        self.idle_since = 0.0
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        if self.user is None:
            self.close()  # nothing was asked: never read it as an answer to the next request
        else:
            self.user.node_data(data)

    def eof_received(self) -> bool:
        self._lost(True, "the node closed the connection")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost(exc is None, f"the node broke the connection: {exc}" if exc else "the node closed the connection")

    def pause_writing(self) -> None:
        if self.user:
            self.user.node_paused(True)

    def resume_writing(self) -> None:
        if self.user:
            self.user.node_paused(False)

    def close(self) -> None:
        """At once, whatever is still unsent."""
        self.user, self.lost = None, True
        self.transport.abort()

    def _lost(self, clean: bool, error: str) -> None:
        if self.lost:
            return
        self.lost = True
        user, self.user = self.user, None
        if user:
            user.node_lost(clean, error)


class NodeConnections:
    """The unused connections of one pool's nodes, newest first out."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._idle: dict[NodeState, deque[NodeConnection]] = {}
        self._keep_alive = 0.0
        self._sweep = Alarm(loop, self._drop_old)

    def take(self, node: NodeState) -> NodeConnection | None:
        """A live unused connection, if there is one."""
        idle = self._idle.get(node)
        while idle:
            connection = idle.pop()
            if not connection.lost and not connection.transport.is_closing():
                connection.reused = True
                return connection
        return None

    async def open(self, node: NodeState, timeout: float, kind: type[NodeConnection]) -> NodeConnection:
        """A new connection. Raises OSError, TimeoutError."""
        async with asyncio.timeout(timeout):
            _, connection = await self._loop.create_connection(lambda: kind(node), node.address, node.port)
        return connection

    def give(self, connection: NodeConnection, keep_alive: float) -> None:
        """Keep for `keep_alive` seconds, unless something is left on it or its node is going."""
        transport = connection.transport
        connection.user = None
        going = connection.node.leaving or connection.node.admin == "maintenance"
        if connection.lost or keep_alive <= 0 or going or transport.is_closing() or transport.get_write_buffer_size():
            connection.close()
            return
        transport.resume_reading()
        connection.idle_since = self._loop.time()
        self._keep_alive = keep_alive
        idle = self._idle.setdefault(connection.node, deque())
        idle.append(connection)
        if len(idle) == 1:
            self._sweep.set(keep_alive)

    def forget(self, node: NodeState) -> None:
        for connection in self._idle.pop(node, ()):
            connection.close()

    def close(self) -> None:
        self._sweep.cancel()
        for node in list(self._idle):
            self.forget(node)

    def _drop_old(self) -> None:
        limit = self._loop.time() - self._keep_alive
        oldest = None
        for idle in self._idle.values():
            while idle and (idle[0].lost or idle[0].idle_since <= limit):
                idle.popleft().close()
            if idle:
                oldest = min(oldest or idle[0].idle_since, idle[0].idle_since)
        if oldest is not None:
            self._sweep.at(oldest + self._keep_alive)


def reset(transport: asyncio.Transport) -> None:
    """Close with RST: the peer can't take what it has for the whole."""
    sock = transport.get_extra_info("socket")
    if sock is not None and not transport.is_closing():
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    transport.abort()
