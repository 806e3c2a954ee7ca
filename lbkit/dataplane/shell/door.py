"""Where clients come in: the listening sockets of one listener, and whether they are read now.

Clients that can't be taken yet wait in the kernel: while no node was probed, at the listener's limit of connections, and
while descriptors are scarce.
"""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, cast

from lbkit.dataplane.shell import descriptors
from lbkit.dataplane.shell.loop import READ, Loop

if TYPE_CHECKING:
    from lbkit.dataplane.shell.listening import Listening

log = logging.getLogger("lbkit.listener")
_BATCH = 64
_RETRY = 0.2
_TELL_EVERY = 60.0


class Door:
    """It tells its listening of everybody who comes, as long as that has room."""

    def __init__(self, listening: Listening, loop: Loop, sockets: list[socket.socket]) -> None:
        self._listening, self._loop = listening, loop
        self.held = False
        """Whether clients wait because nobody knows yet whether there is a node for them."""
        self._open = self._short = False
        self._tell_at = 0.0
        self._acceptors = [_Acceptor(self, listening, sock) for sock in sockets]

    @property
    def sockets(self) -> list[socket.socket]:
        return [acceptor.sock for acceptor in self._acceptors]

    def open(self) -> None:
        """Take clients, or as soon as that can be."""
        if not self._open and self._acceptors and not self.held and not self._short and self.room():
            self._open = True
            for acceptor in self._acceptors:
                self._loop.poller.watch(acceptor.sock.fileno(), acceptor, READ)

    def admit(self) -> None:
        """Take the clients that were held."""
        self.held = False
        self.open()

    def rebind(self, sockets: list[socket.socket]) -> None:
        """Have other sockets."""
        self._acceptors = [_Acceptor(self, self._listening, sock) for sock in sockets]
        self.open()

    def unbind(self) -> None:
        """Let go of the port."""
        self._shut()
        for acceptor in self._acceptors:
            acceptor.sock.close()
        self._acceptors = []

    def close(self) -> None:
        """The same, but who is connected already is served."""
        for acceptor in self._acceptors:
            acceptor.ready(READ)
        self.unbind()

    def room(self) -> bool:
        """Whether one more client may come; else accepting stops until one leaves."""
        if self._listening.room():
            return True
        if self._open:
            self._tell(f"{self._listening.connections} connections are open, its limit: further clients wait")
            self._shut()
        return False

    def failed(self, error: OSError) -> None:
        if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
            raise error
        self.wait(f"{error.strerror}")

    def wait(self, why: str) -> None:
        """Until there are descriptors again."""
        self._tell(f"can't accept for now: {why}")
        self._shut()
        if not self._short:
            self._short = True
            self._loop.call_later(_RETRY, self._look)

    def _look(self) -> None:
        if self._acceptors and descriptors.scarce(self._acceptors[0].sock.fileno()):
            self._loop.call_later(_RETRY, self._look)
        else:
            self._short = False
            self.open()

    def _tell(self, trouble: str) -> None:
        """At most once a minute, for it may come back with every client."""
        now = monotonic()
        if now >= self._tell_at:
            self._tell_at = now + _TELL_EVERY
            log.warning("listener %s: %s", self._listening.name, trouble)

    def _shut(self) -> None:
        self._open = False
        for acceptor in self._acceptors:
            self._loop.poller.forget(acceptor.sock.fileno())


class _Acceptor:
    """One listening socket in the poller.

    What it accepts are plain sockets of C: `socket.accept` makes one of Python's own around each, for two thirds of what
    the accepting costs.
    """

    def __init__(self, door: Door, listening: Listening, sock: socket.socket) -> None:
        self._door, self._listening, self.sock = door, listening, sock
        self._accept = cast("Callable[[], tuple[int, tuple[str, int]]]", sock._accept)  # type: ignore[attr-defined]
        self._family = sock.family

    def ready(self, mask: int) -> None:
        for _ in range(_BATCH):
            if not self._door.room():
                return
            try:
                fd, peer = self._accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._door.failed(error)
                return
            client = cast(socket.socket, socket.SocketType(self._family, socket.SOCK_STREAM, 0, fd))
            client.setblocking(False)
            self._listening.accepted(client, peer[:2])
            if fd >= descriptors.numbers.for_clients:
                self._door.wait(f"clients have all that they may have of {descriptors.numbers.limit} file descriptors")
                return
