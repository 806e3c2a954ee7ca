"""10 MB bodies on four connections, every one compared with the origin's."""

from __future__ import annotations

import zlib

from bench.loads.crowd import Crowd
from bench.peers import Peer
from bench.report import Run
from bench.stage import Stage, cpu

CONNECTIONS, MIB = 4, 10
_ASK = b"GET /big?%d HTTP/1.1\r\nHost: bench\r\n\r\n" % MIB
_PATTERN = bytes((i * 2654435761 & 0xFFFFFFFF) >> 24 for i in range(1 << 20))
WANTED = zlib.crc32(_PATTERN * MIB)


class _Body:
    """What one connection has got of its present answer."""

    def __init__(self) -> None:
        self.head, self.left, self.sum = b"", -1, 0

    def take(self, data: bytes) -> bool | None:
        """Whether the body was right, once it is whole."""
        if self.left < 0:
            self.head += data
            head, found, data = self.head.partition(b"\r\n\r\n")
            if not found:
                return None
            self.left, self.head = MIB << 20, b""
            if not head.startswith(b"HTTP/1.1 200"):
                return False
        self.sum = zlib.crc32(data, self.sum)
        self.left -= len(data)
        if self.left > 0:
            return None
        right = self.left == 0 and self.sum == WANTED
        self.left, self.sum = -1, 0
        return right


def bodies(stage: Stage, peer: Peer, seconds: float) -> Run:
    octets = wrong = 0

    def heard(fd: int, data: bytes) -> None:
        nonlocal octets, wrong
        octets += len(data)
        right = state[fd].take(data)
        if right is not None:
            wrong += not right
            crowd.send_one(fd, _ASK)

    with Crowd(peer.port, CONNECTIONS) as crowd:
        state = {fd: _Body() for fd in crowd.socks}
        crowd.send(_ASK)
        crowd.listen(0.2, heard)
        octets, before = 0, cpu(peer.pid)
        lasted = crowd.listen(seconds, heard)
        return Run(cpu(peer.pid) - before, octets / 1e9, lasted, crowd.broken + wrong)
