"""A balancer of glass: a real session, exchange and core between a client and nodes that are no sockets.

Everything happens inside the call that causes it, so thousands of conversations run in seconds and every octet is seen.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterable
from typing import Any, cast

import h11

from lbkit.dataplane.core.node import NodeState
from lbkit.dataplane.shell.alarm import Wheel
from lbkit.dataplane.shell.dispatch import Dispatcher
from lbkit.dataplane.shell.exchange import Exchange
from lbkit.dataplane.shell.http import HttpSession
from lbkit.dataplane.shell.loop import Loop
from lbkit.dataplane.shell.metrics import ListenerMetrics
from lbkit.dataplane.shell.stream import Stream
from lbkit.dataplane.shell.terms import ListenerTerms
from lbkit.dataplane.shell.upstream import NodeConnection, NodeConnections
from lbkit.dataplane.wire.request import Reader
from lbkit.spec import Route
from tests.dataplane.specs import spec

PEER = ("192.0.2.1", 5000)


class FakeLoop:
    """Timers that never ring; what is called soon is called by `settle`."""

    def __init__(self) -> None:
        self.soon: list[Callable[[], None]] = []
        self.wheel = Wheel(self)

    def call_at(self, when: float, callback: Callable[..., None], *args: Any) -> asyncio.TimerHandle:
        return asyncio.TimerHandle(when, callback, args, cast(Any, self))

    def call_soon(self, callback: Callable[..., None], *args: Any) -> None:
        self.soon.append(lambda: callback(*args))

    def _timer_handle_cancelled(self, handle: object) -> None: ...

    def get_debug(self) -> bool:
        return False


class _Socket:
    def getsockname(self) -> tuple[str, int]:
        return ("192.0.2.9", 80)


class FakeStream:
    """Has the face of a Stream. `out`: what the other side got; it gets nothing while `stuck`."""

    def __init__(self, user: Any, receive: Callable[[bytes], None]) -> None:
        self.user, self.receive, self.sock = user, receive, _Socket()
        self.out, self.unsent, self._coming = bytearray(), b"", b""
        self.closing = self.closed = self.paused = self.full = self.ended = self.broken = self.stuck = False
        self.copied = 0
        """Octets that were copied to be held: the work of writing."""

    def arrive(self, data: bytes) -> None:
        """The peer sent this."""
        self._coming += data
        while self._coming and not self.paused and not self.closing:
            data, self._coming = self._coming, b""
            self.receive(data)

    def write(self, data: bytes) -> None:
        if self.closing or self.ended:
            return
        self.unsent += data
        self.copied += len(self.unsent)
        if not self.stuck:
            self.flush()

    def flush(self) -> None:
        if not self.stuck:
            self.out += self.unsent
            self.unsent = b""
        if self.full != (len(self.unsent) > 65_536):
            self.full = not self.full
            (self.user.pause_writing if self.full else self.user.resume_writing)()

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        if self.paused:
            self.paused = False
            self.user_loop.soon.append(lambda: self.arrive(b""))

    user_loop: FakeLoop

    def write_eof(self) -> None:
        self.ended = True

    def close(self) -> None:
        self.closing = self.closed = self.ended = True

    abort = close

    def reset(self) -> None:
        self.close()
        self.broken = True


class GlassNode:
    """One connection of a node, read by h11 as a server."""

    def __init__(self, house: Glass, connection: NodeConnection) -> None:
        self.house, self.connection = house, connection
        self.stream = cast(FakeStream, connection.stream)
        self._oracle = h11.Connection(h11.SERVER, max_incomplete_event_size=200_000)
        self._read = 0
        self._request: h11.Request | None = None
        self._body = b""

    @property
    def got(self) -> bytes:
        return bytes(self.stream.out)

    def look(self) -> None:
        """Read what came; answer every whole request. Raises RemoteProtocolError for what h11 refuses."""
        if self._read == len(self.got):
            return
        self._oracle.receive_data(self.got[self._read :])
        self._read = len(self.got)
        while (event := self._oracle.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
            if isinstance(event, h11.Request):
                self._request, self._body = event, b""
            elif isinstance(event, h11.Data):
                self._body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                self._whole()

    def _whole(self) -> None:
        request = self._request
        assert request is not None
        self.house.requests.append((request.method, request.target, self._body))
        self.house.fields.append(list(request.headers.raw_items()))
        if self.house.reply is None:
            return
        reply = self.house.reply
        self._oracle.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
        self._oracle.send(h11.EndOfMessage())
        self._oracle.start_next_cycle()
        self.say(reply)

    def say(self, data: bytes) -> None:
        self.stream.arrive(data)

    def leave(self, clean: bool = True) -> None:
        if clean:
            self.connection.eof_received()
        else:
            self.connection.connection_lost(ConnectionResetError())


class _Connections(NodeConnections):
    """Every connection that is asked for stands at once."""

    house: Glass

    def take(self, node: NodeState) -> NodeConnection | None:
        found = super().take(node)
        if found is None and not self.house.closed:
            found = NodeConnection(cast(Loop, self.house.loop), node, cast(Any, None), None)
            stream = FakeStream(found, found.received)
            stream.user_loop = self.house.loop
            found.stream = cast(Stream, stream)
            self.house.nodes.append(GlassNode(self.house, found))
        return found


class _Listening:
    """What a session asks of its listening."""

    def __init__(self, house: Glass, listener: Any) -> None:
        self.house, self.spec, self.terms = house, listener, ListenerTerms(listener)
        self.metrics = ListenerMetrics()
        self.default: Dispatcher | Route | None = None
        self.routed = False
        self.reader = Reader(listener.limits)

    def trusts(self, peer: bytes) -> bool:
        return bool(self.spec.trust_forwarded)

    def left(self, session: HttpSession) -> None: ...

    def record(self, session: HttpSession, exchange: Exchange, now: float) -> None:
        self.house.ended.append(exchange)


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nDate: d\r\n\r\n"


class Glass:
    """One client's connection. `requests`: what h11 read at the nodes; `ended`: the exchanges that are over."""

    def __init__(self, listener: Any = None, reply: bytes | None = OK, closed: bool = False, **pool: Any) -> None:
        settings = spec(80, {"a": 1}, listener=listener, health_check=None, **pool)
        self.loop, self.reply, self.closed = FakeLoop(), reply, closed
        self.nodes: list[GlassNode] = []
        self.requests: list[tuple[bytes, bytes, bytes]] = []
        self.fields: list[list[tuple[bytes, bytes]]] = []
        self.ended: list[Exchange] = []
        self.dispatcher = Dispatcher("p", settings.pools["p"], cast(Loop, self.loop))
        connections = _Connections(cast(Loop, self.loop))
        connections.house = self
        self.dispatcher.connections = connections
        self.listening = _Listening(self, settings.listeners["l"])
        self.listening.default = self.dispatcher
        self.session = HttpSession(cast(Any, self.listening), cast(Loop, self.loop))
        self.stream = FakeStream(self.session, self.session.received)
        self.stream.user_loop = self.loop
        self.session.stream = cast(Stream, self.stream)
        self.session.begin(PEER, False)

    def send(self, *pieces: bytes) -> Glass:
        """The client sends these pieces; nodes answer what is whole."""
        for piece in pieces:
            self.stream.arrive(piece)
            self.settle()
        return self

    def settle(self) -> None:
        """Until nothing more happens by itself."""
        before = -1
        while self.loop.soon or before != len(self.requests):
            before = len(self.requests)
            soon, self.loop.soon = self.loop.soon, []
            for callback in soon:
                callback()
            self.stream.flush()
            for node in list(self.nodes):
                node.look()

    @property
    def answer(self) -> bytes:
        """All that the client got."""
        return bytes(self.stream.out)

    @property
    def status(self) -> int:
        """Of the first answer; 0 while there is none."""
        return int(self.answer[9:12] or 0)

    @property
    def refused(self) -> bool:
        """Whether the balancer ends the connection."""
        return self.stream.ended

    @property
    def at_nodes(self) -> bytes:
        return b"".join(node.got for node in self.nodes)


def pieces(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    """The data cut at these places, each taken modulo its length."""
    at = [0, *sorted({cut % (len(data) + 1) for cut in cuts}), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(at) if a < b]
