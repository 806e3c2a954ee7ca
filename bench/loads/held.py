"""Connections that are only held: 10,000 idle ones, and 200 clients that read a large answer slowly."""

from __future__ import annotations

import time
from collections.abc import Callable

from bench.loads.crowd import Crowd
from bench.peers import Peer
from bench.report import Held
from bench.stage import cpu, memory

IDLE, READERS, READ_MIB = 10_000, 200, 100
_GET = b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n"
_BIG = b"GET /big?%d HTTP/1.1\r\nHost: bench\r\n\r\n" % READ_MIB


def idle(peer: Peer, count: int = IDLE, seconds: float = 3.0) -> Held:
    """Connections that were answered once and then stay."""
    before = memory(peer.pid)
    with Crowd(peer.port, count) as crowd:
        answered = 0
        fds = list(crowd.socks)
        for start in range(0, len(fds), 200):
            some = set(fds[start : start + 200])
            for fd in some:
                crowd.send_one(fd, _GET)
            answered += _answered(crowd, some)
        crowd.listen(1.0, lambda fd, data: None)
        spent = cpu(peer.pid)
        lasted = crowd.listen(seconds, lambda fd, data: None)
        share = (cpu(peer.pid) - spent) / lasted
        return Held(f"{count:,} idle connections", peer.name, count, before, memory(peer.pid), count - answered, share)


def _answered(crowd: Crowd, some: set[int]) -> int:
    found: set[int] = set()
    deadline = time.monotonic() + 5
    while not some <= found and time.monotonic() < deadline:
        crowd.listen(0.01, lambda fd, data: found.add(fd))
    return len(found & some)


def readers(peer: Peer, seconds: float = 4.0) -> Held:
    """Clients that take 16 kB every tenth of a second while the origin sends as fast as it may."""
    before = most = memory(peer.pid)
    with Crowd(peer.port, READERS, receive_buffer=65_536) as crowd:
        crowd.send(_BIG)
        heard = _counter(got := dict.fromkeys(crowd.socks, 0))
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            crowd.listen(0.02, heard, most=16_384)
            most = max(most, memory(peer.pid))
            time.sleep(0.1)
        silent = sum(not octets for octets in got.values())
        return Held(
            f"{READERS} slow readers of {READ_MIB} MiB", peer.name, READERS, before, most, crowd.broken + silent
        )


def _counter(got: dict[int, int]) -> Callable[[int, bytes], None]:
    def heard(fd: int, data: bytes) -> None:
        got[fd] += len(data)

    return heard
