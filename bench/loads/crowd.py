"""Many client connections in this very process, over one epoll."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable
from types import TracebackType

_PATIENCE = 20.0


class Crowd:
    """`count` connections to a port of the loopback; those that break are counted and closed."""

    def __init__(self, port: int, count: int, receive_buffer: int = 0) -> None:
        self._epoll = select.epoll()
        self.socks: dict[int, socket.socket] = {}
        self.broken = 0
        try:
            for _ in range(count):
                self._open(port, receive_buffer)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Crowd:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _open(self, port: int, receive_buffer: int) -> None:
        sock = socket.socket()
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(_PATIENCE)
        try:
            sock.connect(("127.0.0.1", port))
        except OSError:
            sock.close()
            self.broken += 1
            return
        sock.setblocking(False)
        self.socks[sock.fileno()] = sock
        self._epoll.register(sock.fileno(), select.EPOLLIN)

    def send(self, data: bytes) -> None:
        """The same to all; short, so that it always fits."""
        for fd in list(self.socks):
            self.send_one(fd, data)

    def send_one(self, fd: int, data: bytes) -> None:
        try:
            self.socks[fd].send(data)
        except OSError:
            self._lost(fd)

    def listen(self, seconds: float, heard: Callable[[int, bytes], None], most: int = 262_144) -> float:
        """Give `heard` what arrives, for so long; returns how long it was."""
        began = time.monotonic()
        end = began + seconds
        while self.socks and (left := end - time.monotonic()) > 0:
            for fd, _ in self._epoll.poll(left, 512):
                try:
                    data = self.socks[fd].recv(most)
                except BlockingIOError:
                    continue
                except OSError:
                    data = b""
                if data:
                    heard(fd, data)
                else:
                    self._lost(fd)
        return time.monotonic() - began

    def all_answer(self) -> int:
        """Wait until everybody got something; how many did."""
        found: set[int] = set()
        deadline = time.monotonic() + _PATIENCE
        while len(found) < len(self.socks) and time.monotonic() < deadline:
            self.listen(0.05, lambda fd, data: found.add(fd))
        return len(found)

    def _lost(self, fd: int) -> None:
        self.broken += 1
        self._epoll.unregister(fd)
        self.socks.pop(fd).close()

    def close(self) -> None:
        for sock in self.socks.values():
            sock.close()
        self.socks.clear()
        self._epoll.close()
