"""A connected socket. In a round of events all are read first, then their users get it, then what was written leaves.

Sending together wakes the peers' processes once a round in place of once a message: a third of a small request's cost.
The kernel's code and ours drive each other out of the processor's caches less often, too.

A user that writes faster than the peer reads is told to pause at HIGH octets, so memory stays bounded per connection.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import select
import socket
from collections.abc import Callable
from typing import Protocol

from lbkit.dataplane.shell.loop import READ, WRITE, Loop

HIGH, LOW = 65_536, 16_384
"""Octets that may wait to be sent before the user is paused, and how few are left when it is resumed."""
STUCK = 30.0
"""Seconds that a peer may take nothing of what is left to be sent when we close."""
_SMALL, _LARGE = 65_536, 262_144
_ERROR, _HANGUP, _LEFT = select.EPOLLERR, select.EPOLLHUP, select.EPOLLRDHUP
_UNSENT, _NONE = 0x894B, bytes(4)
"""SIOCOUTQNSD: octets that the kernel holds because the peer takes no more (linux/sockios.h)."""
_NOWHERE = os.open(os.devnull, os.O_RDONLY)
_RESET = b"\x01\x00\x00\x00\x00\x00\x00\x00"
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
        "_eof", "_loop", "_mask", "_poller", "_quiet", "_receive_now", "_send_now", "_size", "closed", "closing", "fd",
        "full", "paused", "receive", "sock", "unsent", "user",
    )  # fmt: skip

    def __init__(self, loop: Loop, sock: socket.socket, user: User, receive: Callable[[bytes], None]) -> None:
        self._loop, self._poller = loop, loop.poller
        self.sock, self.user, self.receive = sock, user, receive
        self.fd = sock.fileno()
        self._send_now, self._receive_now = sock.send, sock.recv
        self.closing = self.closed = False
        self._mask = self._quiet = 0
        self.paused = True
        """Whether reading is."""
        self._size = _SMALL
        self.unsent = b""
        """What waits to be sent."""
        self.full = self._eof = False

    def start(self, notice_leaving: bool = False) -> None:
        """Begin to read. `notice_leaving`: the peer's end is noticed while reading is paused, and ends the connection."""
        self._quiet = _LEFT if notice_leaving else 0
        self._mask, self.paused = READ, False
        self._poller.watch(self.fd, self, READ)

    # -- for the user ------------------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Send at the end of this round of events, or when there is room."""
        if self.closing:
            return
        if not self.unsent:
            self.unsent = data
            self._poller.unsent.append(self)
            return
        self.unsent += data
        if len(self.unsent) > HIGH and self._mask & WRITE and not self.full:
            self.full = True
            self.user.pause_writing()

    def pause_reading(self) -> None:
        if self._mask & READ:
            self._want((self._mask & ~READ) | self._quiet)

    def resume_reading(self) -> None:
        if not self._mask & READ and not self.closing:
            self._want((self._mask & ~self._quiet) | READ)

    def write_eof(self) -> None:
        """End our direction once everything is sent."""
        self._eof = True
        if not self.unsent and not self.closed:
            self._shutdown()

    def close(self) -> None:
        """Send what waits, then close."""
        if self.closing or self.closed:
            return
        self.closing = True
        if not self.unsent:
            self._finish(None)
        elif self._mask & WRITE:
            self._only_send()  # else it leaves at the end of this round

    def _only_send(self) -> None:
        self._want(WRITE)
        self._loop.call_later(STUCK, self._give_up_if_stuck, len(self.unsent))

    def _give_up_if_stuck(self, before: int) -> None:
        """A peer that takes the rest slowly is waited for, not one that takes nothing more."""
        left = len(self.unsent)
        if left >= before:
            self.reset()
        elif not self.closed:
            self._loop.call_later(STUCK, self._give_up_if_stuck, left)

    def abort(self) -> None:
        """Close at once, whatever waits: the peer knows before anything else is sent, so no slot is seen in use twice."""
        if not self.closed:
            with contextlib.suppress(OSError):  # no TCP, or gone already
                if self.unsent or fcntl.ioctl(self.fd, _UNSENT, _NONE) != _NONE:  # behind which a FIN would wait
                    self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                    os.dup2(_NOWHERE, self.fd, inheritable=False)  # closes it now, while the number stays taken
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)
            self._finish(None)

    def reset(self) -> None:
        """Close with RST: the peer can't take what it has for the whole."""
        if not self.closed:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._finish(None)

    # -- from the poller ---------------------------------------------------------------------------------------------

    def ready(self, mask: int) -> None:
        try:
            if mask == READ or (mask & ~WRITE and self._mask & READ):
                try:
                    data = self._receive_now(self._size)
                except (BlockingIOError, InterruptedError):
                    return
                if self._size == _SMALL:
                    self._poller.arrived.append((self, data))
                else:
                    self.deliver(data)  # much from many at a time would be too much memory
            elif mask & ~WRITE:
                self._ended_while_paused(mask)
            if mask & WRITE:
                self.flush()
        except OSError as error:
            self._finish(error)
        except Exception:
            log.exception("a connection's handler failed")
            self._finish(None)

    def deliver(self, data: bytes) -> None:
        """What was read in this round."""
        if self.closing:
            return
        try:
            if data:
                if len(data) == _SMALL:
                    self._size = _LARGE
                self.receive(data)
            else:
                self._end_of_input()
        except OSError as error:
            self._finish(error)
        except Exception:
            log.exception("a connection's handler failed")
            self._finish(None)

    def _end_of_input(self) -> None:
        self._quiet = 0
        if self.user.eof_received():
            self._want(self._mask & ~READ)
        else:
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

    def flush(self) -> None:
        """Send what waits, as far as there is room."""
        data = self.unsent
        if self.closed or not data:
            return
        try:
            sent = self._send_now(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError as error:
            self._finish(error)
            return
        if sent == len(data):
            self.unsent = b""
            if self.full or self._eof or self.closing or self._mask & WRITE:
                self._all_sent()
        else:
            self.unsent = data[sent:] if sent else data
            self._still_unsent()

    def _still_unsent(self) -> None:
        if not self.closing:
            self._want(self._mask | WRITE)
        elif self._mask != WRITE:
            self._only_send()
        if len(self.unsent) > HIGH:
            if not self.full:
                self.full = True
                self.user.pause_writing()
        elif self.full and len(self.unsent) <= LOW:
            self.full = False
            self.user.resume_writing()

    def _all_sent(self) -> None:
        if self._mask & WRITE:
            self._want(self._mask & ~WRITE)
        if self._eof:
            self._shutdown()
        if self.closing:
            self._finish(None)
        elif self.full:
            self.full = False
            self.user.resume_writing()

    def _want(self, mask: int) -> None:
        if mask == self._mask or self.closed:
            return
        if self.fd in self._poller:
            self._poller.change(self.fd, mask)
        else:
            self._poller.watch(self.fd, self, mask)
        self._mask, self.paused = mask, not mask & READ

    def _shutdown(self) -> None:
        with contextlib.suppress(OSError):  # the peer is gone already, which the next event tells
            self.sock.shutdown(socket.SHUT_WR)

    def _finish(self, error: Exception | None) -> None:
        if self.closed:
            return
        self.closed = self.closing = True
        self._poller.drop(self.fd)
        self.unsent = b""
        # after this round of events, so that the descriptor's number can't be taken again within it
        self._poller.ended.append((self._closed, error))

    def _closed(self, error: Exception | None) -> None:
        self.sock.close()
        self.user.connection_lost(error)
        del self.user, self.receive  # a cycle would keep all of a dead connection until the collector's next turn
