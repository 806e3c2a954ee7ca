"""A restart without a refused connection: the running process gives its listening sockets to its successor.

The successor connects to `handover.sock` in the same state folder, gets the descriptors (SCM_RIGHTS), and answers `ok`
once it serves. Then the old process takes no more clients, ends what runs, and goes. Without an `ok` it goes on.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable
from pathlib import Path

from lbkit.dataplane.shell import ports
from lbkit.dataplane.shell.loop import READ
from lbkit.dataplane.shell.server import Server
from lbkit.errors import OperationError, Problem

_MOST = 250
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
            raise OperationError("No successor can take over", [Problem(str(self._path), f"{error}.")]) from None
        self._poller.watch(self._listening.fileno(), self, READ)

    def ready(self, mask: int) -> None:
        """A successor asks."""
        with contextlib.suppress(OSError):
            asking, _ = self._listening.accept()
            if self._asked:
                asking.close()  # two that serve would each think the nodes' limits theirs
                return
            asking.settimeout(_PATIENCE)
            sockets = [sock for listening in self._server.listeners.values() for sock in listening.sockets()]
            socket.send_fds(asking, [b"%d\n" % len(sockets)], [sock.fileno() for sock in sockets[:_MOST]])
            asking.setblocking(False)
            self._asked = True
            _Answer(self, asking)

    def taken(self) -> None:
        """The successor serves."""
        self.done = True
        self.close()
        self._given_up()

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
        self._handover.forget(self._sock)
        if said == b"ok" and not self._handover.done:
            self._handover.taken()


class Predecessor:
    """The successor's side, once it has the sockets."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def accept(self) -> None:
        """We serve: the predecessor may go. Waits until it let go of the control socket."""
        with contextlib.suppress(OSError):
            self._sock.sendall(b"ok")
            self._sock.recv(1)
        self._sock.close()

    def decline(self) -> None:
        """We can't: the predecessor goes on."""
        self._sock.close()


def take_over(state: Path) -> Predecessor | None:
    """Ask the process that runs with this state folder for its sockets; None when there is none."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(_PATIENCE)
    try:
        sock.connect(str(state / "handover.sock"))
        said, found, _, _ = socket.recv_fds(sock, 64, _MOST)
    except OSError:
        sock.close()
        return None
    if not said:
        sock.close()
        raise OperationError(
            "The sockets can't be taken over",
            [Problem(str(state), "Another process is taking them over.", "Wait until it serves or ends.")],
        )
    ports.inherit(list(found))
    return Predecessor(sock)
