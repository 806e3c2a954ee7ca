"""What comes before a session's own bytes: a PROXY header, and on `tls` listeners the ClientHello that names the host.

It is looked at in the kernel's buffer and only the PROXY header is taken out, so TLS and the relay read what is theirs.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Callable

from lbkit.dataplane.shell.alarm import Alarm
from lbkit.dataplane.shell.loop import Loop
from lbkit.dataplane.wire import client_hello, proxy
from lbkit.dataplane.wire.errors import BadMessage

_EDGE = select.EPOLLIN | select.EPOLLET | select.EPOLLRDHUP
_MOST = client_hello.LONGEST + 1024

Ready = Callable[[socket.socket, proxy.Address | None, str], None]
Failed = Callable[[socket.socket, str], None]


class Preamble:
    """Watches one accepted socket until it can be given to a session."""

    def __init__(
        self,
        loop: Loop,
        sock: socket.socket,
        *,
        proxied: bool,
        named: bool,
        seconds: float,
        done: Ready,
        failed: Failed,
    ) -> None:
        """`proxied`: a PROXY header comes first; `named`: then a ClientHello."""
        self._loop, self._sock = loop, sock
        self._proxied, self._named, self._done, self._failed = proxied, named, done, failed
        self._client: proxy.Address | None = None
        self._alarm = Alarm(loop, lambda: self._fail("the connection's beginning did not arrive in time"))
        self._alarm.set(seconds)
        loop.poller.watch(sock.fileno(), self, _EDGE)

    def ready(self, mask: int) -> None:
        try:
            self._look(self._sock.recv(_MOST, socket.MSG_PEEK), bool(mask & select.EPOLLRDHUP))
        except (BlockingIOError, InterruptedError):
            pass
        except (OSError, BadMessage) as error:
            self._fail(str(error))

    def cut(self) -> None:
        self._fail("the listener closes")

    def _look(self, data: bytes, ended: bool) -> None:
        if self._proxied:
            found = proxy.read(data)
            if found is not None:
                length, self._client = found
                self._sock.recv(length)
                data, self._proxied = data[length:], False
        name: str | None = ""
        if not self._proxied and self._named:
            name = client_hello.server_name(data)
        if not self._proxied and name is not None:
            self._alarm.cancel()
            self._loop.poller.forget(self._sock.fileno())
            self._done(self._sock, self._client, name)
        elif ended:
            self._fail("the client left")

    def _fail(self, reason: str) -> None:
        self._alarm.cancel()
        self._loop.poller.forget(self._sock.fileno())
        self._failed(self._sock, reason)
