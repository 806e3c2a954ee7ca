"""A client's HTTP connection: fed bytes, it reads one request after the other and answers in that order."""

from __future__ import annotations

import asyncio
import os
import socket
from email.utils import formatdate
from itertools import count
from typing import TYPE_CHECKING, cast

from lbkit.dataplane.shell.alarm import Alarm
from lbkit.dataplane.shell.exchange import Exchange
from lbkit.dataplane.shell.upstream import reset
from lbkit.dataplane.wire import answer as answers
from lbkit.dataplane.wire import request as requests
from lbkit.dataplane.wire.errors import BadMessage

if TYPE_CHECKING:
    from lbkit.dataplane.shell.listening import Listening

_LINGER = 2.0
_RUN = os.urandom(6).hex()
_NUMBERS = count(1)
_date = (0, b"")


class HttpSession(asyncio.Protocol):
    """One connection of a client."""

    def __init__(self, listening: Listening, loop: asyncio.AbstractEventLoop) -> None:
        self.listening, self._loop = listening, loop
        self.peer = self.request_id = b""
        self.closing = False
        self.writing_paused = False
        self._transport = cast(asyncio.Transport, None)
        self._buffer = b""
        self._exchange: Exchange | None = None
        self._advancing = self._lingering = False
        self._alarm = Alarm(loop, self._late)

    # -- from the transport ------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.peer = transport.get_extra_info("peername")[0].encode()
        self.listening.sessions.add(self)
        timeouts = self.listening.spec.timeouts
        self._alarm.set(timeouts.keep_alive or timeouts.header)

    def data_received(self, data: bytes) -> None:
        if self._lingering:
            return
        exchange = self._exchange
        if exchange is not None and not exchange.upload.done:
            exchange.client_data(data)
            if exchange.upload.done:
                self._buffer = exchange.upload.rest
            return
        if not self._buffer and exchange is None:
            self._alarm.set(self.listening.spec.timeouts.header)
        self._buffer = self._buffer + data if self._buffer else data
        if exchange is None:
            self._advance()
        elif len(self._buffer) > self.listening.spec.limits.headers:
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """A client that closed its side is taken to have left, as nginx does: clients that cancel send just this."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._alarm.cancel()
        self.listening.left(self)
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.client_left()

    def pause_writing(self) -> None:
        self.writing_paused = True
        if self._exchange:
            self._exchange.client_paused(True)

    def resume_writing(self) -> None:
        self.writing_paused = False
        if self._exchange:
            self._exchange.client_paused(False)

    # -- from the exchange -------------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        self._transport.write(data)

    def pause(self, paused: bool) -> None:
        if paused:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def answered(self, close: bool) -> None:
        """The answer is complete."""
        self._exchange = None
        if close or self.closing:
            self._close()
        else:
            self._transport.resume_reading()
            self._advance()

    def refuse(self, status: int, reason: str, detail: str, close: bool, retry_after: int | None = None) -> None:
        """Answer with an error of our own."""
        close = close or self.closing
        head = self._exchange is not None and self._exchange.request.method == b"HEAD"
        self.write(
            answers.own(
                status, reason, detail, request_id=self.request_id, date=self.date(), close=close,
                retry_after=retry_after, head=head,
            )
        )  # fmt: skip
        self.answered(close)

    def break_off(self, seen: bool) -> None:
        """The answer can't be completed. `seen`: its framing shows that; else the connection breaks with RST."""
        self._exchange = None
        if seen:
            self._close()
        else:
            reset(self._transport)

    def date(self) -> bytes:
        global _date
        now = int(self._loop.time())
        if _date[0] != now:
            _date = (now, formatdate(usegmt=True).encode())
        return _date[1]

    # -- from the listener -------------------------------------------------------------------------------------------

    def drain(self) -> None:
        """Answer what was asked, then close; an idle connection closes at once."""
        self.closing = True
        if self._exchange is None and not self._buffer:
            self._close()

    def cut(self) -> None:
        """Close at once."""
        reset(self._transport)

    @property
    def busy(self) -> bool:
        return self._exchange is not None

    # -- inside ------------------------------------------------------------------------------------------------------

    def _advance(self) -> None:
        """Take requests out of the buffer for as long as each is answered at once."""
        if self._advancing:
            return
        self._advancing = True
        try:
            while self._exchange is None and self._buffer and not self._lingering and self._next():
                pass
        finally:
            self._advancing = False
        if self._exchange is None and not self._lingering and not self._transport.is_closing():
            self._wait()

    def _wait(self) -> None:
        timeouts = self.listening.spec.timeouts
        if not self._buffer:
            self._alarm.set(timeouts.keep_alive or timeouts.header)
        elif not self._alarm.armed:
            self._alarm.set(timeouts.header)  # the head began while the request before it was served

    def _next(self) -> bool:
        """Begin the next request; False while its head is not complete."""
        listener = self.listening.spec
        self.request_id = b"%s-%x" % (_RUN.encode(), next(_NUMBERS))
        try:
            if self._buffer.startswith(b"\r\n"):  # RFC 9112 section 2.2: one empty line before a request is ignored
                self._buffer = self._buffer[2:]
            length = requests.find_head(self._buffer, listener.limits)
            if not length:
                return False
            request = requests.parse(self._buffer[:length], listener.limits)
        except BadMessage as error:
            self._buffer = b""
            self.refuse(error.status, "bad_request", error.reason, close=True)
            return False
        rest, self._buffer = self._buffer[length:], b""
        self._alarm.clear()
        self.request_id = requests.request_id(request, self.request_id)
        self.closing = self.closing or listener.timeouts.keep_alive == 0
        dispatcher = self.listening.pool()
        exchange = self._exchange = Exchange(self, request, dispatcher, listener)
        if rest and not exchange.upload.done:
            exchange.client_data(rest)
            rest = exchange.upload.rest
        self._buffer = rest
        if not exchange.over:
            exchange.start()
        return True

    def _late(self) -> None:
        if self._lingering or not self._buffer:
            self._transport.close()
        else:
            self._buffer = b""
            self.refuse(408, "request_timeout", "The request's head stopped arriving.", close=True)

    def _close(self) -> None:
        """In stages (RFC 9112 section 9.6): say that nothing more comes, read on for a moment, close."""
        if self._transport.is_closing() or self._lingering:
            return
        self._lingering = True
        self._buffer = b""
        self._transport.resume_reading()
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._alarm.set(_LINGER)
