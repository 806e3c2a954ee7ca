"""A listening port: it accepts clients, up to the listener's limit, and knows who is connected."""

from __future__ import annotations

import ipaddress
import socket
from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from lbkit.dataplane.core.routes import Routes
from lbkit.dataplane.shell.dispatch import Dispatcher
from lbkit.dataplane.shell.door import Door
from lbkit.dataplane.shell.http import HttpSession
from lbkit.dataplane.shell.loop import READ, Loop
from lbkit.dataplane.shell.metrics import SECONDS, ListenerMetrics
from lbkit.dataplane.shell.ports import bind
from lbkit.dataplane.shell.preamble import Preamble
from lbkit.dataplane.shell.stream import Stream
from lbkit.dataplane.shell.tcp import TcpSession
from lbkit.dataplane.shell.terms import ListenerTerms
from lbkit.dataplane.shell.tls import Certificates, TlsStream
from lbkit.dataplane.wire import proxy
from lbkit.dataplane.wire.answer import octets_of
from lbkit.dataplane.wire.request import Reader, Request
from lbkit.spec import Listener, Route
from lbkit.spec.balancer import uses

if TYPE_CHECKING:
    from lbkit.dataplane.shell.exchange import Exchange
    from lbkit.dataplane.shell.journal import Journal
    from lbkit.dataplane.shell.tcp import Relay

Session = HttpSession | TcpSession


class Listening:
    """One listener of the spec, bound."""

    def __init__(
        self, name: str, spec: Listener, find: Callable[[str], Dispatcher], loop: Loop, certificates: Certificates | None = None,
        journal: Journal | None = None,
    ) -> None:  # fmt: skip
        self.name, self._find, self._loop, self._journal = name, find, loop, journal
        self.metrics = ListenerMetrics()
        self.sessions: set[Session] = set()
        self._waiting: set[Preamble] = set()
        self._pools: dict[str, Dispatcher] = {}
        """Those that it names. A listener that closes keeps them, when the configuration has them no more."""
        self.default: Dispatcher | Route | None = None
        """Where requests go that no route takes."""
        self.door = Door(self, loop, bind(name, spec))
        self._set(spec, certificates)

    def target(self, request: Request) -> Dispatcher | Route | None:
        """Where a request goes, by the configuration of this moment; None when nowhere."""
        way = self._routes.find(request.host, request.target, request.method, request.value)
        if way is None:
            return self.default
        pool = way.pool()
        return way.route if pool is None else self._pools[pool]

    def configure(self, spec: Listener, certificates: Certificates | None) -> None:
        """New settings hold for the next request; the port and address are the same."""
        self._set(spec, certificates)
        self._pools = {pool: self._find(pool) for _, pool in uses(spec)}
        if spec.redirect is not None:
            self.default = Route.model_construct(redirect=spec.redirect)
        else:
            self.default = self._pools[spec.pool] if spec.pool is not None else None
        self.door.open()

    def trusts(self, peer: bytes) -> bool:
        """Whether this peer's X-Forwarded-* lines are believed."""
        return bool(self._trusted) and _within(peer.decode(), self._trusted)

    def rebind(self) -> None:
        """Take the port again."""
        self.door.rebind(bind(self.name, self.spec))

    def close(self) -> None:
        """No new clients; those connected are answered and go."""
        self.door.close()
        for session in list(self.sessions):
            session.drain()

    def cut(self) -> None:
        """End every connection at once."""
        for preamble in list(self._waiting):
            preamble.cut()
        for session in list(self.sessions):
            session.cut()

    def left(self, session: Session) -> None:
        self.sessions.discard(session)
        self.door.open()

    def record(self, session: HttpSession, exchange: Exchange, now: float) -> None:
        """Count and write down one request that ended."""
        metrics, began, first = exchange.dispatcher.metrics, exchange.began, exchange.first_byte_at
        answers, status = metrics.answers, exchange.status
        answers[status] = answers.get(status, 0) + 1
        metrics.bytes_in += exchange.bytes_in
        metrics.bytes_out += exchange.bytes_out
        spread, spent = metrics.duration, now - began
        bucket = bisect_left(SECONDS, spent)
        spread.sum += spent
        spread.counts[bucket] += 1
        if first:
            if first != now:  # else the answer came as a whole
                spent = first - began
                bucket = bisect_left(SECONDS, spent)
            spread = metrics.first_byte
            spread.sum += spent
            spread.counts[bucket] += 1
        if exchange.waited:
            metrics.wait.observe((exchange.assigned_at or now) - began)
        else:
            metrics.wait.counts[0] += 1
        if self._journal is not None:
            self._journal.request(session, exchange, began, now)

    def note(self, session: HttpSession, request: Request | None, status: int, reason: str, data: bytes) -> None:
        """Write down one request that reached no pool; None where it could not be read."""
        if self._journal is not None:
            self._journal.here(session, request, status, reason, octets_of(data))

    def relayed(self, session: TcpSession, relay: Relay, now: float) -> None:
        """Write down one TCP connection that ended."""
        if self._journal is not None:
            self._journal.connection(session, relay, now)

    @property
    def connections(self) -> int:
        """Open client connections."""
        return len(self.sessions) + len(self._waiting)

    # -- accepting ---------------------------------------------------------------------------------------------------

    def accepted(self, sock: socket.socket, peer: proxy.Address) -> None:
        """A client connected."""
        spec = self.spec
        self.metrics.accepted += 1
        denied = self._proxies and not _within(peer[0], self._proxies)
        denied = denied or (not self._proxies and self._allowed and not _within(peer[0], self._allowed))
        if denied:
            self._deny(sock)
        elif self._proxies or spec.protocol == "tls":
            preamble: Preamble

            def done(sock: socket.socket, client: proxy.Address | None, name: str) -> None:
                self._waiting.discard(preamble)
                client = client or peer
                if self._proxies and self._allowed and not _within(client[0], self._allowed):
                    self._deny(sock)
                else:
                    self._begin(sock, client, name)

            def failed(sock: socket.socket, reason: str) -> None:
                self._waiting.discard(preamble)
                self._deny(sock)

            preamble = Preamble(
                self._loop, sock, proxied=bool(self._proxies), named=spec.protocol == "tls",
                seconds=spec.timeouts.header, done=done, failed=failed,
            )  # fmt: skip
            self._waiting.add(preamble)
        else:
            self._begin(sock, peer, "")

    def room(self) -> bool:
        """Whether one more client may come."""
        return len(self.sessions) + len(self._waiting) < self.terms.connections

    # -- inside ------------------------------------------------------------------------------------------------------

    def _set(self, spec: Listener, certificates: Certificates | None) -> None:
        self.spec, self.certificates = spec, certificates
        self.terms = ListenerTerms(spec)
        self.reader = Reader(spec.limits)
        self._routes, self.routed = Routes(spec.routes), bool(spec.routes)
        self._allowed, self._proxies = _networks(spec.allow), _networks(spec.proxy_protocol)
        self._trusted = _networks(spec.trust_forwarded)

    def _begin(self, sock: socket.socket, peer: proxy.Address, name: str) -> None:
        if self.spec.protocol in ("tcp", "tls"):
            pool = self._pool_for(name)
            if pool is None:
                self._deny(sock)
            else:
                self._begin_tcp(sock, peer, self._pools[pool])
            return
        session = HttpSession(self, self._loop)
        secure = self.certificates is not None
        if self.certificates is not None:
            try:
                wrapped = self.certificates.context.wrap_socket(
                    sock, server_side=True, do_handshake_on_connect=False, suppress_ragged_eofs=True
                )
            except OSError:  # it broke the connection while it waited to be accepted
                self.metrics.bad[0] += 1
                self.door.open()
                return
            session.stream = TlsStream(self._loop, wrapped, session, session.received)
        else:
            session.stream = Stream(self._loop, sock, session, session.received)
        self.sessions.add(session)
        session.begin(peer, secure)
        session.stream.start(notice_leaving=True)
        session.stream.ready(READ)  # most clients' first words have come with them

    def _begin_tcp(self, sock: socket.socket, peer: proxy.Address, dispatcher: Dispatcher) -> None:
        session = TcpSession(self, self._loop)
        session.stream = Stream(self._loop, sock, session, session.received)
        self.sessions.add(session)
        session.stream.start()
        session.begin(peer, sock.getsockname()[:2], dispatcher)

    def _pool_for(self, name: str) -> str | None:
        way = self._routes.by_name(name) if self.routed and name else None
        return way.pool() if way is not None else self.spec.pool

    def _deny(self, sock: socket.socket) -> None:
        self.metrics.denied += 1
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self._loop.call_soon(sock.close)
        self.door.open()


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _networks(ranges: Sequence[object]) -> list[Network]:
    return [ipaddress.ip_network(str(item)) for item in ranges]


def _within(address: str, networks: list[Network]) -> bool:
    found = ipaddress.ip_address(address.partition("%")[0])
    return any(found in network for network in networks)
