"""A listening port: it accepts clients, up to the listener's limit, and knows who is connected."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable

from lbkit.dataplane.shell.dispatch import Dispatcher
from lbkit.dataplane.shell.http import HttpSession
from lbkit.dataplane.shell.tcp import TcpSession
from lbkit.errors import OperationError, Problem
from lbkit.spec import Listener

Session = HttpSession | TcpSession
log = logging.getLogger("lbkit.listener")
_BATCH = 64
_BACKLOG = 1024
_RETRY = 0.2


class Listening:
    """One listener of the spec, bound."""

    def __init__(
        self, name: str, spec: Listener, find: Callable[[str], Dispatcher], loop: asyncio.AbstractEventLoop
    ) -> None:
        self.name, self.spec, self._find, self._loop = name, spec, find, loop
        self.sessions: set[Session] = set()
        self._tasks: set[asyncio.Task[object]] = set()
        self._accepting = False
        self._sockets = bind(name, spec)

    def pool(self) -> Dispatcher:
        """Where a new request goes, by the configuration of this moment."""
        assert self.spec.pool is not None
        return self._find(self.spec.pool)

    def configure(self, spec: Listener) -> None:
        """New settings hold for the next request; the port and address are the same."""
        self.spec = spec
        self._accept_or_wait()

    def unbind(self) -> None:
        """Let go of the port; those connected stay."""
        self._stop()
        for sock in self._sockets:
            sock.close()
        self._sockets = []

    def rebind(self) -> None:
        """Take the port again."""
        self._sockets = bind(self.name, self.spec)
        self._accept_or_wait()

    def close(self) -> None:
        """No new clients; those connected are answered and go."""
        self.unbind()
        for session in list(self.sessions):
            session.drain()

    def cut(self) -> None:
        """End every connection at once."""
        for session in list(self.sessions):
            session.cut()

    def left(self, session: Session) -> None:
        self.sessions.discard(session)
        if not self._accepting and self._sockets:
            self._accept_or_wait()

    # -- inside ------------------------------------------------------------------------------------------------------

    def _accept_or_wait(self) -> None:
        room = len(self.sessions) + len(self._tasks) < self.spec.limits.connections
        if room and not self._accepting and self._sockets:
            self._accepting = True
            for sock in self._sockets:
                self._loop.add_reader(sock, self._accept, sock)
        elif not room:
            self._stop()

    def _stop(self) -> None:
        self._accepting = False
        for sock in self._sockets:
            self._loop.remove_reader(sock)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(_BATCH):
            try:
                client, _ = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._out_of_descriptors(error)
                return
            client.setblocking(False)
            task: asyncio.Task[object] = self._loop.create_task(
                self._loop.connect_accepted_socket(self._session, client)
            )
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            self._accept_or_wait()
            if not self._accepting:
                return

    def _out_of_descriptors(self, error: OSError) -> None:
        if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
            raise error
        log.error("listener %s: can't accept for now: %s", self.name, error.strerror)
        self._stop()
        self._loop.call_later(_RETRY, self._accept_or_wait)

    def _session(self) -> Session:
        kind: type[Session] = TcpSession if self.spec.protocol == "tcp" else HttpSession
        return kind(self, self._loop)


def bind(name: str, spec: Listener) -> list[socket.socket]:
    """Listening sockets for a listener: its address, or all of IPv4 and IPv6. Raises OperationError."""
    hosts = [spec.address] if spec.address else ["0.0.0.0", "::"]
    sockets: list[socket.socket] = []
    try:
        for host in hosts:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            try:
                sockets.append(_listen(family, host, spec.port))
            except OSError as error:
                if (
                    family == socket.AF_INET6
                    and len(hosts) == 2
                    and error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
                ):
                    continue  # a machine without IPv6
                raise _not_bound(name, spec, host, error) from None
    except OperationError:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def _listen(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setblocking(False)
        sock.bind((host, port))
        sock.listen(_BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def _not_bound(name: str, spec: Listener, host: str, error: OSError) -> OperationError:
    remedies = {
        errno.EADDRINUSE: "Stop the process that holds it, or choose another port.",
        errno.EACCES: "Ports below 1024 need CAP_NET_BIND_SERVICE; choose a higher one.",
        errno.EADDRNOTAVAIL: "Choose an address of this machine.",
    }
    field = "address" if error.errno == errno.EADDRNOTAVAIL else "port"
    problem = Problem(
        f"listeners.{name}.{field}",
        f"Can't listen on {host}: {error.strerror}.",
        remedies.get(error.errno or 0, ""),
        str(getattr(spec, field)),
    )
    return OperationError("The balancer can't listen", [problem])
