"""A client's HTTP connection: fed bytes, it reads one request after the other and answers in that order."""

from __future__ import annotations

import os
from email.utils import formatdate
from itertools import count
from time import monotonic
from typing import TYPE_CHECKING

from lbkit.dataplane.shell.alarm import Alarm
from lbkit.dataplane.shell.dispatch import Dispatcher
from lbkit.dataplane.shell.exchange import Exchange
from lbkit.dataplane.shell.loop import Loop
from lbkit.dataplane.shell.stream import HIGH, Stream
from lbkit.dataplane.wire import answer as answers
from lbkit.dataplane.wire import onward, proxy
from lbkit.dataplane.wire import request as requests
from lbkit.dataplane.wire.errors import BadMessage
from lbkit.dataplane.wire.request import Request
from lbkit.spec import Route

if TYPE_CHECKING:
    from lbkit.dataplane.shell.listening import Listening

_LINGER = 2.0
_STUCK = 30.0
_UNKNOWN = 1 << 62
_LAST_CALL = 0.5
_RUN = os.urandom(8).hex().encode()
_TRACE = b"00-" + _RUN + b"%b-%b-01"
_NUMBERS = count(int.from_bytes(os.urandom(7)) | 1 << 60)  # always 16 hexadecimal digits
_date = (0, b"")


class HttpSession:
    """One connection of a client. The listening gives it its stream, then calls `begin`."""

    __slots__ = (
        "_advancing", "_buffer", "_exchange", "_forwarded", "_host", "_keep_alive", "_left", "_lingering", "_number", "_trusted",
        "alarm", "closing", "listening", "peer", "peer_port", "request_id", "scheme", "stream",
    )  # fmt: skip

    def __init__(self, listening: Listening, loop: Loop) -> None:
        self.listening = listening
        self.peer = self.request_id = b""
        self.peer_port = 0
        self.scheme = b"http"
        self.stream: Stream
        self.closing = False
        self._number, self._keep_alive = b"", 0.0
        self._trusted = False
        self._host: bytes | None = None
        self._forwarded = b""
        self._buffer = b""
        self._exchange: Exchange | None = None
        self._advancing = self._lingering = False
        self._left = _UNKNOWN
        self.alarm = Alarm(loop, self._late)

    # -- from the stream ---------------------------------------------------------------------------------------------

    def begin(self, peer: proxy.Address, secure: bool) -> None:
        """The connection stands; `peer` is the client's address and port."""
        self.peer, self.peer_port = peer[0].encode(), peer[1]
        self.scheme = b"https" if secure else b"http"
        terms = self.listening.terms
        self._keep_alive = terms.keep_alive or terms.header
        self.closing = terms.keep_alive == 0
        self._trusted = self.listening.trusts(self.peer)
        self.alarm.set(self._keep_alive)

    def received(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is None:
            if self._lingering:
                return
            if self._buffer:
                self._more(data)
                return
            self._buffer = data
            self._advance()
            if self._buffer and self._exchange is None and not self._lingering:
                self.alarm.set(self.listening.terms.header)
        elif exchange.tunnel:
            exchange.client_data(data)
        elif not exchange.upload.done:
            exchange.client_data(data)
            if exchange.upload.done:
                self._buffer = exchange.upload.rest
        else:
            self._buffer += data
            if len(self._buffer) > self.listening.spec.limits.headers:
                self.stream.pause_reading()

    def eof_received(self) -> bool:
        """A client that closed its side is taken to have left, as nginx does: clients that cancel send just this."""
        if self._exchange is not None:
            self.stream.abort()  # also when it does not read: what is unsent must not hold the slot
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self.alarm.cancel()
        self.listening.left(self)
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.client_left()

    def pause_writing(self) -> None:
        if self._exchange is not None:
            self._exchange.client_paused(True)
        else:
            self.stream.pause_reading()  # it asks faster than it takes our own answers

    def resume_writing(self) -> None:
        if self._exchange is not None:
            self._exchange.client_paused(False)
            return
        self.stream.resume_reading()
        if self._buffer and not self._lingering:
            self._advance()

    # -- from the exchange -------------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        self.stream.write(data)

    def pause(self, paused: bool) -> None:
        if paused:
            self.stream.pause_reading()
        else:
            self.stream.resume_reading()

    def secured(self) -> None:
        """The TLS handshake is done."""

    def insecure(self, error: str) -> None:
        """It failed; `connection_lost` follows."""
        self.listening.metrics.bad[0] += 1

    def answered(self, close: bool, now: float, last: bool = False) -> None:
        """The answer is complete. `close`: it said that the connection ends with it; `last`: the client wanted that."""
        self._exchange = None
        if close:
            if last and not self._buffer and not self._lingering:
                self.stream.close()  # it sends nothing more, so nothing unread can turn the close into a reset
            else:
                self._close()
            return
        if self.stream.paused:
            self.stream.resume_reading()
        alarm = self.alarm
        if self._buffer:
            alarm.clear()
            self._advance()
            return
        alarm.due = due = now + (_LAST_CALL if self.closing else self._keep_alive)
        if due < alarm.rings:
            alarm.at(due)

    def refuse(
        self, status: int, reason: str, detail: str, close: bool, retry_after: int | None = None, head: bool = False
    ) -> None:
        """Answer with an error of our own."""
        close = close or self.closing
        self.stream.write(
            answers.own(
                status, reason, detail, request_id=self.request_id, date=self.date(), close=close,
                retry_after=retry_after, head=head,
            )
        )  # fmt: skip
        self.answered(close, monotonic())

    def break_off(self, seen: bool) -> None:
        """The answer can't be completed. `seen`: its framing shows that; else the connection breaks with RST."""
        self._exchange = None
        if seen:
            self._close()
        else:
            self.stream.reset()

    def tunnel_begun(self) -> None:
        """Bytes that came early belong to the other protocol."""
        early, self._buffer = self._buffer, b""
        self.stream.resume_reading()  # much that came early has paused it
        if early and self._exchange is not None:
            self._exchange.client_data(early)

    def forwarded(self, request: Request) -> bytes:
        """The X-Forwarded-* lines for a node; mostly those of the request before."""
        if self._trusted:
            return onward.forwarded(request, self.peer, self.scheme, True)
        if request.host != self._host:
            self._host = request.host
            self._forwarded = onward.forwarded(request, self.peer, self.scheme, False)
        return self._forwarded

    def trace(self, request: Request) -> bytes:
        fresh = _TRACE % (self._number, self._number)
        return onward.traceparent(request, fresh) if b"traceparent" in request.found else fresh

    def proxy_header(self, version: str) -> bytes:
        """The PROXY protocol header that tells a node about this connection."""
        return proxy.write(version, (self.peer.decode(), self.peer_port), self.stream.sock.getsockname()[:2])

    def date(self) -> bytes:
        global _date
        now = int(monotonic())
        if _date[0] != now:
            _date = (now, formatdate(usegmt=True).encode())
        return _date[1]

    # -- from the listener -------------------------------------------------------------------------------------------

    def drain(self) -> None:
        """Answer what was asked, then close; an idle connection has a moment left for a request that is on its way."""
        self.closing = True
        if self._exchange is None and not self._buffer:
            self.alarm.set(_LAST_CALL)

    def cut(self) -> None:
        """Close at once."""
        self.stream.reset()

    @property
    def busy(self) -> bool:
        return self._exchange is not None

    # -- inside ------------------------------------------------------------------------------------------------------

    def _more(self, data: bytes) -> None:
        """Another piece of a head. It is read once it is whole or too long, not with every piece."""
        seen = len(self._buffer)
        self._buffer += data
        if requests.worth_reading(self._buffer, seen, self.listening.spec.limits):
            self._advance()

    def _advance(self) -> None:
        """Take requests out of the buffer, in which there is something, for as long as each is answered at once."""
        if self._advancing:
            return
        if self.stream.full:  # it has answers to take first; `resume_writing` comes back here
            self.stream.pause_reading()
            self._left = _UNKNOWN
            self.alarm.set(_STUCK)
            return
        self._advancing = True
        try:
            while self._next() and self._exchange is None and self._buffer and not self._lingering:
                if self._crowded():
                    break
        finally:
            self._advancing = False
        if self._exchange is None and not self._lingering and not self.stream.closing and not self.alarm.armed:
            self.alarm.set(self.listening.terms.header if self._buffer else self._keep_alive)

    def _crowded(self) -> bool:
        """Whether the client has too many of our own answers to take before it may be given more."""
        stream = self.stream
        if len(stream.unsent) > HIGH:
            stream.flush()
        return stream.full or stream.closing

    def _next(self) -> bool:
        """Begin the next request; False while its head is not complete."""
        listening, data = self.listening, self._buffer
        self._number = self.request_id = b"%x" % next(_NUMBERS)
        try:
            if data[:2] == b"\r\n":
                data = self._buffer = requests.without_empty_lines(data)
            request = listening.reader.read(data)
            if request is None:
                return False
        except BadMessage as error:
            self._buffer = b""
            listening.metrics.bad[error.status] += 1
            self.refuse(error.status, "bad_request", error.reason, close=True, head=data.startswith(b"HEAD "))
            return False
        self._buffer = b""
        if b"x-request-id" in request.found:
            self.request_id = onward.request_id(request, self.request_id)
        length = request.head_length
        target = listening.default if not listening.routed else listening.target(request)
        if type(target) is not Dispatcher or request.ends_here:
            self._answer_here(target, request, data[length:])
            return True
        if len(data) == length:
            exchange = self._exchange = Exchange(self, request, target)
        elif request.length is not None and len(data) - length >= request.length:
            end = length + request.length
            exchange = self._exchange = Exchange(self, request, target, data[length:end])
            self._buffer = data[end:]
        else:
            exchange = self._exchange = Exchange(self, request, target)
            exchange.client_data(data[length:])
            if exchange.upload.done:
                self._buffer = exchange.upload.rest
        if not exchange.over:
            exchange.start()
        return True

    def _answer_here(self, target: object, request: Request, rest: bytes) -> None:
        """A redirect, a fixed answer, or none at all: no node is asked."""
        # an HTTP/1.0 client would have to be told that its connection stays
        close = self.closing or not request.keep_alive or request.has_body or request.version == 0
        head = request.method == b"HEAD"
        if request.ends_here:
            status, data = 204, answers.fixed(204, b"", b"", date=self.date(), close=close, extra=answers.ALLOW)
        elif isinstance(target, Route):
            here = request.host or self._own_address()
            status, data = answers.for_route(
                target, request, here, self.scheme, self.listening.spec.port, self.date(), close, head
            )
        else:
            status, data = 404, answers.own(
                404, "no_route", "No route fits this request.", request_id=self.request_id, date=self.date(), close=close,
                head=head,
            )  # fmt: skip
        self.listening.metrics.routed[status] += 1
        self._buffer = rest
        self.stream.write(data)
        if close:
            self._close()
        else:
            self.alarm.clear()

    def _wait_for_its_reading(self) -> None:
        """A client that takes its answers slowly is waited for, not one that takes nothing more."""
        left = len(self.stream.unsent)
        if left >= self._left:
            self.stream.reset()
        else:
            self._left = left
            self.alarm.set(_STUCK)

    def _own_address(self) -> bytes:
        """What an HTTP/1.0 client without a Host reached."""
        address: str = self.stream.sock.getsockname()[0].partition("%")[0]
        return b"[%b]" % address.encode() if ":" in address else address.encode()

    def _late(self) -> None:
        if self._exchange is not None:
            self._exchange.late()
        elif self.stream.full or (self._lingering and self.stream.unsent):
            self._wait_for_its_reading()
        elif self._lingering or not self._buffer:
            self.stream.close()
        else:
            head, self._buffer = self._buffer.startswith(b"HEAD "), b""
            self.listening.metrics.bad[408] += 1
            self.refuse(408, "request_timeout", "The request's head stopped arriving.", close=True, head=head)

    def _close(self) -> None:
        """In stages (RFC 9112 section 9.6): say that nothing more comes, read on for a moment, close."""
        if self.stream.closing or self._lingering:
            return
        self._lingering = True
        self._buffer = b""
        self.stream.resume_reading()
        self.stream.write_eof()
        self.alarm.set(_LINGER)
