"""A TCP relay: bytes pass unmodified both ways, each direction ends by itself (CR-1). One connection is one ticket.

A client that can't be served gets RST, so that it knows at once.
"""

from __future__ import annotations

from math import inf
from time import monotonic
from typing import TYPE_CHECKING

from lbkit.dataplane.shell.alarm import Alarm
from lbkit.dataplane.shell.dispatch import Dispatcher
from lbkit.dataplane.shell.loop import Loop
from lbkit.dataplane.shell.stream import Stream
from lbkit.dataplane.shell.upstream import NodeConnection
from lbkit.dataplane.shell.work import Work
from lbkit.dataplane.wire import proxy

if TYPE_CHECKING:
    from lbkit.dataplane.shell.listening import Listening


class TcpSession:
    """One connection of a client."""

    def __init__(self, listening: Listening, loop: Loop) -> None:
        self.listening, self._loop = listening, loop
        self.closing = False
        self.stream: Stream
        self.relay: Relay | None = None

    def begin(self, peer: proxy.Address, local: proxy.Address, dispatcher: Dispatcher) -> None:
        """The connection stands; `peer` is the client's address and port, `local` ours."""
        self.relay = Relay(self, dispatcher, self._loop, peer, local)
        self.stream.pause_reading()
        self.relay.start()

    def received(self, data: bytes) -> None:
        if self.relay is not None:
            self.relay.client_data(data)

    def eof_received(self) -> bool:
        if self.relay is not None:
            self.relay.client_eof()
        return True  # keep the other direction open

    def connection_lost(self, error: Exception | None) -> None:
        self.listening.left(self)
        relay, self.relay = self.relay, None
        if relay is not None and not relay.over:
            relay.cause = "cancelled"
            relay.end()

    def pause_writing(self) -> None:
        if self.relay is not None:
            self.relay.client_paused(True)

    def resume_writing(self) -> None:
        if self.relay is not None:
            self.relay.client_paused(False)

    def drain(self) -> None:
        """Running connections end by themselves, or at the drain's deadline."""
        self.closing = True

    def cut(self) -> None:
        self.stream.reset()

    @property
    def busy(self) -> bool:
        return self.relay is not None


class Relay(Work):
    """The ticket of one connection."""

    __slots__ = (
        "_alarm", "_client_done", "_connecting", "_local", "_node_done", "_peer", "_total_due", "bytes_in", "bytes_out", "cause",
        "served_by", "session", "stream",
    )  # fmt: skip

    def __init__(
        self, session: TcpSession, dispatcher: Dispatcher, loop: Loop, peer: proxy.Address, local: proxy.Address
    ) -> None:
        super().__init__(dispatcher, peer[0].encode())
        self.session, self._peer, self._local = session, peer, local
        self.stream: Stream | None = None
        self._client_done = self._node_done = self._connecting = False
        self.bytes_in = self.bytes_out = 0
        self.cause = self.served_by = ""
        self._alarm = Alarm(loop, self._late)
        self._total_due = monotonic() + dispatcher.terms.total
        if self._total_due < inf:
            self._alarm.at(self._total_due)

    def connecting(self, seconds: float) -> None:
        self._connecting = True
        self._alarm.at(min(monotonic() + seconds, self._total_due))

    def prologue(self) -> bytes:
        version = self.dispatcher.spec.proxy_protocol
        return proxy.write(version, self._peer, self._local) if version is not None else b""

    def opened(self, connection: NodeConnection) -> None:
        self._connecting = False
        stream = self.stream = connection.stream
        assert stream is not None
        stream.receive = self.node_data
        self._moved()
        self.session.stream.resume_reading()

    def client_data(self, data: bytes) -> None:
        if self.stream is not None:
            self.bytes_in += len(data)
            self.dispatcher.metrics.bytes_in += len(data)
            self.stream.write(data)
            self._moved()

    def client_eof(self) -> None:
        self._client_done = True
        if self.stream is not None:
            self.stream.write_eof()
        self._maybe_over()

    def client_paused(self, paused: bool) -> None:
        if self.stream is not None and paused:
            self.stream.pause_reading()
        elif self.stream is not None and not self._node_done:
            self.stream.resume_reading()

    def node_data(self, data: bytes) -> None:
        self.bytes_out += len(data)
        self.dispatcher.metrics.bytes_out += len(data)
        self.session.stream.write(data)
        self._moved()

    def node_eof(self) -> bool:
        self._node_done = True
        self.session.stream.write_eof()
        self._maybe_over()
        return True

    def node_lost(self, clean: bool, error: str) -> None:
        if clean and self._node_done:
            self._done()
            return
        if self.node is not None and not clean:
            self.dispatcher.failed(self.node, error)
        self.failed("died")

    def node_paused(self, paused: bool) -> None:
        if paused:
            self.session.stream.pause_reading()
        elif not self._client_done:
            self.session.stream.resume_reading()

    def failed(self, reason: str, retry_after: int | None = None) -> None:
        if self.over:
            return
        self.cause = reason
        if self.stream is None:
            self.dispatcher.metrics.refusals[reason] += 1
        self.end()
        self.session.stream.reset()

    def end(self, keep_alive: float = 0, now: float = 0) -> float:
        if self.over:
            return self.arrived
        self._alarm.cancel()
        metrics = self.dispatcher.metrics
        if self.stream is not None:
            metrics.answers[0] = metrics.answers.get(0, 0) + 1
            metrics.duration.observe(monotonic() - self.arrived)
        if self.assigned_at:
            metrics.wait.observe(self.assigned_at - self.arrived if self.waited else 0.0)
        self.stream = None
        self.served_by = self.node.name if self.node is not None else ""
        now = super().end()
        self.session.listening.relayed(self.session, self, now)
        return now

    def _late(self) -> None:
        if monotonic() >= self._total_due:
            self.failed("total")
        elif self._connecting:
            self.connect_late()
        else:
            self.failed("idle")

    def _moved(self) -> None:
        due = monotonic() + self.dispatcher.terms.idle
        self._alarm.at(due if due < self._total_due else self._total_due)

    def _maybe_over(self) -> None:
        if self._client_done and self._node_done:
            self._done()

    def _done(self) -> None:
        """Both directions ended: what was written still leaves."""
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.bearer, connection.lost = None, True
            if connection.stream is not None:
                connection.stream.close()
        self.end()
        self.session.stream.close()
