"""A restart without a refused connection: the running process gives its listening sockets to its successor.

The successor connects to `handover.sock` in the same state folder, gets the descriptors (SCM_RIGHTS), and answers `ok`
once it can serve. Then the old process takes no more clients, tells what it has (`succession`), ends it, and goes; only then
the successor takes clients. Without an `ok` the old one goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable
from pathlib import Path

from lbkit.dataplane.shell import ports
from lbkit.dataplane.shell.loop import READ
from lbkit.dataplane.shell.server import Server
from lbkit.dataplane.shell.succession import Guests
from lbkit.errors import OperationError, Problem, of_system

_MOST = 250
"""Descriptors in one message; Linux takes 253."""
_PATIENCE = 5.0


class Handover:
    """The running process's side."""

    def __init__(self, server: Server, state: Path, given_up: Callable[[], None]) -> None:
        self._server, self._path, self._given_up = server, state / "handover.sock", given_up
        self._poller = server.loop.poller
        self._asked = False
        self.done = False
        """Whether a successor has taken over."""
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            self._path.unlink(missing_ok=True)
            self._listening.bind(str(self._path))
            os.chmod(self._path, 0o600)
            self._inode = self._path.stat().st_ino
            self._listening.listen(1)
        except OSError as error:
            self._listening.close()
            raise OperationError("No successor can take over", [of_system(self._path, error)]) from None
        self._poller.watch(self._listening.fileno(), self, READ)

    def ready(self, mask: int) -> None:
        """A successor asks."""
        with contextlib.suppress(OSError):
            asking, _ = self._listening.accept()
            if self._asked:
                asking.close()  # two that serve would each think the nodes' limits theirs
                return
            asking.settimeout(_PATIENCE)
            sockets = [sock for listening in self._server.listeners.values() for sock in listening.door.sockets]
            _send(asking, [sock.fileno() for sock in sockets])
            asking.setblocking(False)
            self._asked = True
            _Answer(self, asking)

    def taken(self, sock: socket.socket) -> None:
        """The successor can serve."""
        self._poller.forget(sock.fileno())
        self.done = True
        self.close()
        self._given_up()
        self._server.follow(sock)

    def close(self) -> None:
        self._poller.forget(self._listening.fileno())
        self._listening.close()
        with contextlib.suppress(OSError):
            if self._path.stat().st_ino == self._inode:  # a successor may have put its own there
                self._path.unlink()

    def watch(self, sock: socket.socket, watcher: _Answer) -> None:
        self._poller.watch(sock.fileno(), watcher, READ)

    def forget(self, sock: socket.socket) -> None:
        self._asked = False
        self._poller.forget(sock.fileno())
        self._server.loop.call_soon(sock.close)


class _Answer:
    """Waits for the successor's word."""

    def __init__(self, handover: Handover, sock: socket.socket) -> None:
        self._handover, self._sock = handover, sock
        handover.watch(sock, self)

    def ready(self, mask: int) -> None:
        said = b""
        with contextlib.suppress(OSError):
            said = self._sock.recv(16)
        if said == b"ok" and not self._handover.done:
            self._handover.taken(self._sock)
        else:
            self._handover.forget(self._sock)


class Predecessor:
    """The successor's side, once it has the sockets."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    async def accept(self, server: Server) -> None:
        """We can serve: the predecessor may go. Waits until it let go of the control socket and said what it still has."""
        try:
            self._sock.sendall(b"ok")
        except OSError:
            self._sock.close()
            return
        server.guests = Guests(server, self._sock)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(server.guests.begun.wait(), _PATIENCE)

    def decline(self) -> None:
        """We can't: the predecessor goes on."""
        self._sock.close()


def take_over(state: Path) -> Predecessor | None:
    """Ask the process that runs with this state folder for its sockets; None when there is none."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(_PATIENCE)
    try:
        sock.connect(str(state / "handover.sock"))
        found = _receive(sock)
    except OSError:
        sock.close()
        return None
    if found is None:
        sock.close()
        raise OperationError(
            "The sockets can't be taken over",
            [Problem(str(state), "Another process is taking them over.", "Wait until it serves or ends.")],
        )
    ports.inherit(found)
    return Predecessor(sock)


def _send(sock: socket.socket, descriptors: list[int]) -> None:
    """How many they are, with the first of them; then the others, an octet with each batch."""
    said = b"%d\n" % len(descriptors)
    for start in range(0, len(descriptors), _MOST):
        socket.send_fds(sock, [said], descriptors[start : start + _MOST])
        said = b"+"
    if not descriptors:
        sock.sendall(said)


def _receive(sock: socket.socket) -> list[int] | None:
    """All of them; None when there is nothing to be had. Descriptors of two messages never come together (unix(7))."""
    said, found, _, _ = socket.recv_fds(sock, 64, _MOST)
    if not said:
        return None
    while len(found) < int(said):
        more, batch, _, _ = socket.recv_fds(sock, 1, _MOST)
        if not more:
            raise ConnectionResetError
        found += batch
    return found
