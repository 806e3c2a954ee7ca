"""A TCP relay: bytes pass unmodified both ways, each direction ends by itself (CR-1). One connection is one ticket.

A client that can't be served gets RST, so that it knows at once.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, cast

from lbkit.dataplane.shell.alarm import Alarm
from lbkit.dataplane.shell.dispatch import Dispatcher
from lbkit.dataplane.shell.upstream import NodeConnection, reset
from lbkit.dataplane.shell.work import Work

if TYPE_CHECKING:
    from lbkit.dataplane.shell.listening import Listening


class TcpSession(asyncio.Protocol):
    """One connection of a client."""

    def __init__(self, listening: Listening, loop: asyncio.AbstractEventLoop) -> None:
        self.listening, self._loop = listening, loop
        self.closing = False
        self.transport = cast(asyncio.Transport, None)
        self.relay: Relay | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.listening.sessions.add(self)
        self.relay = Relay(self, self.listening.pool(), self._loop)
        self.transport.pause_reading()
        self.relay.start()

    def data_received(self, data: bytes) -> None:
        if self.relay:
            self.relay.client_data(data)

    def eof_received(self) -> bool:
        if self.relay:
            self.relay.client_eof()
        return True  # keep the other direction open

    def connection_lost(self, exc: Exception | None) -> None:
        self.listening.left(self)
        relay, self.relay = self.relay, None
        if relay:
            relay.end()

    def pause_writing(self) -> None:
        if self.relay:
            self.relay.client_paused(True)

    def resume_writing(self) -> None:
        if self.relay:
            self.relay.client_paused(False)

    def drain(self) -> None:
        """Running connections end by themselves, or at the drain's deadline."""
        self.closing = True

    def cut(self) -> None:
        reset(self.transport)

    @property
    def busy(self) -> bool:
        return self.relay is not None


class RelayConnection(NodeConnection):
    """A connection to a node whose two directions end separately."""

    user: Relay | None

    def eof_received(self) -> bool:
        if self.user:
            self.user.node_eof()
        return True


class Relay(Work):
    """Owner of one connection's ticket."""

    kind = RelayConnection

    def __init__(self, session: TcpSession, dispatcher: Dispatcher, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(dispatcher)
        self.session = session
        self._client_done = self._node_done = False
        self._idle = Alarm(loop, lambda: self.failed("first_byte"))
        self._total = Alarm(loop, lambda: self.failed("total"))
        if dispatcher.spec.timeouts.total is not None:
            self._total.set(dispatcher.spec.timeouts.total)

    def connected(self, connection: NodeConnection) -> None:
        connection.user = self
        self._moved()
        self.session.transport.resume_reading()

    def client_data(self, data: bytes) -> None:
        if self.connection:
            self.connection.transport.write(data)
            self._moved()

    def client_eof(self) -> None:
        self._client_done = True
        if self.connection and self.connection.transport.can_write_eof():
            self.connection.transport.write_eof()
        self._maybe_over()

    def client_paused(self, paused: bool) -> None:
        if self.connection and paused:
            self.connection.transport.pause_reading()
        elif self.connection:
            self.connection.transport.resume_reading()

    def node_data(self, data: bytes) -> None:
        self.session.transport.write(data)
        self._moved()

    def node_eof(self) -> None:
        self._node_done = True
        if not self.session.transport.is_closing() and self.session.transport.can_write_eof():
            self.session.transport.write_eof()
        self._maybe_over()

    def node_lost(self, clean: bool, error: str) -> None:
        if clean and self._node_done:
            self._done()
            return
        if self.ticket.node is not None and not clean:
            self.dispatcher.failed(self.ticket.node, error)
        self.failed("died")

    def node_paused(self, paused: bool) -> None:
        if paused:
            self.session.transport.pause_reading()
        else:
            self.session.transport.resume_reading()

    def failed(self, reason: str, retry_after: int | None = None) -> None:
        if self.over:
            return
        self.end()
        reset(self.session.transport)

    def end(self, keep_alive: float = 0) -> None:
        self._idle.cancel()
        self._total.cancel()
        super().end()

    def _moved(self) -> None:
        self._idle.set(self.dispatcher.spec.timeouts.idle)

    def _maybe_over(self) -> None:
        if self._client_done and self._node_done:
            self._done()

    def _done(self) -> None:
        """Both directions ended: what was written still leaves."""
        connection, self.connection = self.connection, None
        if connection:
            connection.user, connection.lost = None, True
            connection.transport.close()
        self.end()
        self.session.transport.close()
