"""A connected socket: what is read goes to its user at once, what is written leaves at once or waits in order.

A user that writes faster than the peer reads is told to pause at HIGH octets, so memory stays bounded per connection.
"""

from __future__ import annotations

import contextlib
import logging
import select
import socket
from collections import deque
from collections.abc import Callable
from typing import Protocol

from lbkit.dataplane.shell.loop import READ, WRITE, Loop

HIGH, LOW = 65_536, 16_384
"""Octets that may wait to be sent before the user is paused, and how few are left when it is resumed."""
_SMALL, _LARGE = 65_536, 262_144
_ERROR, _HANGUP, _LEFT = select.EPOLLERR, select.EPOLLHUP, select.EPOLLRDHUP
_RESET = b"\x01\x00\x00\x00\x00\x00\x00\x00"
_AT_ONCE = 64
log = logging.getLogger("lbkit.stream")


class User(Protocol):
    """Whoever a stream belongs to."""

    def eof_received(self) -> bool:
        """The peer ended its direction; True keeps ours open."""

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone; called once, never from inside another call."""

    def pause_writing(self) -> None: ...
    def resume_writing(self) -> None: ...


class Stream:
    """A TCP connection in the poller. `receive` gets what the peer sends."""

    __slots__ = (
        "_eof", "_full", "_loop", "_mask", "_out", "_poller", "_quiet", "_size", "_unsent", "closed", "closing", "fd",
        "receive", "sock", "user",
    )  # fmt: skip

    def __init__(self, loop: Loop, sock: socket.socket, user: User, receive: Callable[[bytes], None]) -> None:
        self._loop, self._poller = loop, loop.poller
        self.sock, self.user, self.receive = sock, user, receive
        self.fd = sock.fileno()
        self.closing = self.closed = False
        self._mask = self._quiet = 0
        self._size = _SMALL
        self._out: deque[bytes | memoryview] = deque()
        self._unsent = 0
        self._full = self._eof = False

    def start(self, notice_leaving: bool = False) -> None:
        """Begin to read. `notice_leaving`: the peer's end is noticed while reading is paused, and ends the connection."""
        self._quiet = _LEFT if notice_leaving else 0
        self._mask = READ
        self._poller.watch(self.fd, self, READ)

    # -- for the user ------------------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Send, or keep for when there is room."""
        if self.closing or self.closed:
            return
        if not self._out:
            try:
                sent = self._send(data)
            except OSError as error:
                self.fail(error)
                return
            if sent == len(data):
                return
            self._wait(memoryview(data)[sent:] if sent else data)
        else:
            self._wait(data)

    def pause_reading(self) -> None:
        if self._mask & READ:
            self._want((self._mask & ~READ) | self._quiet)

    def resume_reading(self) -> None:
        if not self._mask & READ and not self.closing:
            self._want((self._mask & ~self._quiet) | READ)

    @property
    def unsent(self) -> int:
        """Octets that wait to be sent."""
        return self._unsent

    @property
    def full(self) -> bool:
        """Whether the user was told to pause."""
        return self._full

    def write_eof(self) -> None:
        """End our direction once everything is sent."""
        self._eof = True
        if not self._out and not self.closed:
            self._shutdown()

    def close(self) -> None:
        """Send what waits, then close."""
        if self.closing or self.closed:
            return
        self.closing = True
        if self._out:
            self._want(WRITE)
        else:
            self._finish(None)

    def abort(self) -> None:
        """Close at once, whatever waits."""
        self._finish(None)

    def reset(self) -> None:
        """Close with RST: the peer can't take what it has for the whole."""
        if not self.closed:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._finish(None)

    def fail(self, error: OSError) -> None:
        """The connection broke."""
        self._finish(error)

    # -- from the poller ---------------------------------------------------------------------------------------------

    def ready(self, mask: int) -> None:
        try:
            if mask == READ or (mask & ~WRITE and self._mask & READ):
                self._read()
            elif mask & ~WRITE:
                self._ended_while_paused(mask)
            if mask & WRITE and self._out and not self.closed:
                self._flush()
        except Exception:
            log.exception("a connection's handler failed")
            self._finish(None)

    def _read(self) -> None:
        try:
            data = self.sock.recv(self._size)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._finish(error)
            return
        if not data:
            self._end_of_input()
            return
        if len(data) == _SMALL:
            self._size = _LARGE
        self.receive(data)

    def _end_of_input(self) -> None:
        self._want(self._mask & ~READ)
        self._quiet = 0
        if not self.user.eof_received():
            self.close()

    def _ended_while_paused(self, mask: int) -> None:
        if mask & _ERROR:
            code = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            self._finish(OSError(code, "the connection broke"))
        elif self._quiet and mask & _LEFT:
            self._finish(None)
        elif mask & _HANGUP:
            self._poller.forget(self.fd)  # nothing new can happen; what is unread waits in the kernel
            self._mask = 0

    # -- inside ------------------------------------------------------------------------------------------------------

    def _send(self, data: bytes | memoryview) -> int:
        try:
            return self.sock.send(data)
        except (BlockingIOError, InterruptedError):
            return 0

    def _wait(self, data: bytes | memoryview) -> None:
        self._out.append(data)
        self._unsent += len(data)
        if not self._mask & WRITE:
            self._want(self._mask | WRITE)
        if self._unsent > HIGH and not self._full:
            self._full = True
            self.user.pause_writing()

    def _flush(self) -> None:
        try:
            self._unsent -= self._send_waiting()
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._finish(error)
            return
        if not self._out:
            self._want(self._mask & ~WRITE)
            if self._eof:
                self._shutdown()
            if self.closing:
                self._finish(None)
                return
        if self._full and self._unsent <= LOW:
            self._full = False
            self.user.resume_writing()

    def _send_waiting(self) -> int:
        out = self._out
        sent = left = self.sock.sendmsg([out[i] for i in range(min(len(out), _AT_ONCE))])
        while left:
            first = out[0]
            if left < len(first):
                out[0] = memoryview(first)[left:]
                break
            left -= len(first)
            out.popleft()
        return sent

    def _want(self, mask: int) -> None:
        if mask == self._mask or self.closed:
            return
        if self.fd in self._poller:
            self._poller.change(self.fd, mask)
        else:
            self._poller.watch(self.fd, self, mask)
        self._mask = mask

    def _shutdown(self) -> None:
        with contextlib.suppress(OSError):  # the peer is gone already, which the next event tells
            self.sock.shutdown(socket.SHUT_WR)

    def _finish(self, error: Exception | None) -> None:
        if self.closed:
            return
        self.closed = self.closing = True
        self._poller.forget(self.fd)
        self._out.clear()
        self._unsent = 0
        # after this round of events, so that the descriptor's number can't be taken again within it
        self._loop.call_soon(self._closed, error)

    def _closed(self, error: Exception | None) -> None:
        self.sock.close()
        self.user.connection_lost(error)
