"""A node of the soak, a process of its own. It does what the request's path says, and counts what it carries.

A request counts from its head to the last octet of its answer, unless the balancer closed the connection before: the
kernel knows of that at once, so it is asked before a limit counts as broken. Counters lie in a file that outlives us.
"""

from __future__ import annotations

import argparse
import asyncio
import mmap
import select
import signal
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import cast

COUNTS = ("requests", "most", "over", "overlaps")
SIZE = 8 * len(COUNTS)
_GARBAGE = (
    b"HTTP/1.1 2OO fine\r\nContent-Length: 2\r\n\r\nok",
    b"\x00\x01\x02\x03" * 16,
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nhello\r\n",
    b"SSH-2.0-OpenSSH_9.2\r\n",
)
_SWITCH = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n"
)
_LEFT = select.POLLRDHUP | select.POLLHUP | select.POLLERR


class Gate:
    """One port: its limit and who is inside."""

    def __init__(self, counters: mmap.mmap, place: int, hard: int) -> None:
        self._counters, self._at, self._hard = counters, place * SIZE, hard
        self.inside: set[socket.socket] = set()

    def enter(self, sock: socket.socket) -> None:
        self.inside.add(sock)
        self.count("requests")
        present = len(self.inside)
        if present > self._hard:
            present = sum(not _left(other) for other in self.inside)
            if present > self._hard:
                self.count("over")
        self._set("most", max(present, self._get("most")))

    def leave(self, sock: socket.socket) -> None:
        self.inside.discard(sock)

    def count(self, name: str) -> None:
        self._set(name, self._get(name) + 1)

    def _get(self, name: str) -> int:
        return cast(int, struct.unpack_from("q", self._counters, self._at + 8 * COUNTS.index(name))[0])

    def _set(self, name: str, value: int) -> None:
        struct.pack_into("q", self._counters, self._at + 8 * COUNTS.index(name), value)


def _left(sock: socket.socket) -> bool:
    poll = select.poll()
    try:
        poll.register(sock.fileno(), select.POLLRDHUP)
    except ValueError:
        return True
    return any(found & _LEFT for _, found in poll.poll(0))


class Link(asyncio.Protocol):
    """A connection of the balancer."""

    def __init__(self, name: str, gate: Gate) -> None:
        self.name, self._gate = name.encode(), gate
        self._data = b""
        self._work: asyncio.Task[None] | None = None
        self._room = asyncio.Event()
        self._room.set()
        self._tunnel = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.sock: socket.socket = transport.get_extra_info("socket")

    def data_received(self, data: bytes) -> None:
        if self._tunnel:
            self.transport.write(data)
            return
        self._data += data
        if self._work is not None:
            self._gate.count("overlaps")
            return
        head, found, rest = self._data.partition(b"\r\n\r\n")
        if not found:
            return
        if not head.startswith(b"GET /health") and self.sock not in self._gate.inside:
            self._gate.enter(self.sock)
        body = _body(head.lower(), rest)
        if body is not None:
            self._data = b""
            self._work = asyncio.get_running_loop().create_task(self._answer(head, body))

    def eof_received(self) -> bool:
        self._gone()
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self._gone()

    def pause_writing(self) -> None:
        self._room.clear()

    def resume_writing(self) -> None:
        self._room.set()

    def _gone(self) -> None:
        self._gate.leave(self.sock)
        if self._work is not None:
            self._work.cancel()

    async def _answer(self, head: bytes, body: bytes) -> None:
        target = head.split(b" ", 2)[1]
        path, _, query = target.decode().partition("?")
        await _KINDS.get(path.rpartition("/")[2], _echo)(self, query, body)
        self._work = None

    def last(self, data: bytes) -> None:
        """The end of the answer: nothing is in flight before it can be seen."""
        self._gate.leave(self.sock)
        self.transport.write(data)

    async def write(self, data: bytes) -> None:
        self.transport.write(data)
        await self._room.wait()

    def tunnel(self) -> None:
        self._tunnel = True


def _body(head: bytes, rest: bytes) -> bytes | None:
    """The body, once it is whole."""
    if b"\r\ntransfer-encoding: chunked" in head:
        return rest if rest.endswith(b"0\r\n\r\n") else None
    _, found, length = head.partition(b"\r\ncontent-length:")
    size = int(length.split(b"\r\n")[0]) if found else 0
    return rest if len(rest) >= size else None


async def _echo(link: Link, query: str, body: bytes) -> None:
    text = b"%b|%b" % (query.encode(), body[-64:])
    link.last(b"HTTP/1.1 200 OK\r\nX-Node: %b\r\nContent-Length: %d\r\n\r\n%b" % (link.name, len(text), text))


async def _slow(link: Link, query: str, body: bytes) -> None:
    await asyncio.sleep(0.4)
    await _echo(link, query, body)


async def _stream(link: Link, query: str, body: bytes) -> None:
    await link.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
    event = f"data: {query}\n\n".encode()
    for _ in range(20):
        await link.write(b"%x\r\n%b\r\n" % (len(event), event))
        await asyncio.sleep(0.01)
    link.last(b"0\r\n\r\n")


async def _big(link: Link, query: str, body: bytes) -> None:
    block = (query.encode() + b".") * (65_536 // (len(query) + 1))
    await link.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (len(block) * 32))
    for _ in range(31):
        await link.write(block)
    link.last(block)


async def _hang(link: Link, query: str, body: bytes) -> None:
    await asyncio.sleep(3600)


async def _garbage(link: Link, query: str, body: bytes) -> None:
    link.last(_GARBAGE[sum(query.encode()) % len(_GARBAGE)])
    link.transport.close()


async def _cut(link: Link, query: str, body: bytes) -> None:
    await link.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 1000)
    await asyncio.sleep(0.02)
    link.last(b"")
    link.transport.abort()


async def _socket(link: Link, query: str, body: bytes) -> None:
    link.tunnel()
    link.transport.write(_SWITCH)


_KINDS: dict[str, Callable[[Link, str, bytes], Awaitable[None]]] = {
    "slow": _slow, "stream": _stream, "big": _big, "hang": _hang, "garbage": _garbage, "cut": _cut, "ws": _socket,
}  # fmt: skip


class Echo(asyncio.Protocol):
    """The TCP port: what comes goes back; after the client's end one more word."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.sock: socket.socket = transport.get_extra_info("socket")
        self._gate.enter(self.sock)

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)

    def eof_received(self) -> bool:
        self._gate.leave(self.sock)
        self.transport.write(b"bye")
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self._gate.leave(self.sock)


async def run(given: argparse.Namespace) -> None:
    loop = asyncio.get_running_loop()
    with open(given.counters, "r+b") as file:
        counters = mmap.mmap(file.fileno(), 3 * SIZE)
    gates = [Gate(counters, place, hard) for place, hard in enumerate(given.hard)]
    makers: list[Callable[[], asyncio.Protocol]] = [
        lambda: Link(given.name, gates[0]), lambda: Link(given.name, gates[1]), lambda: Echo(gates[2]),
    ]  # fmt: skip
    for maker, port in zip(makers, given.ports, strict=True):
        await loop.create_server(maker, given.address, port, reuse_address=True, backlog=1024)
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A node of the soak.")
    parser.add_argument("--name", required=True)
    parser.add_argument("--address", required=True)
    parser.add_argument("--counters", type=Path, required=True)
    parser.add_argument("--ports", type=int, nargs=3, required=True, help="HTTP, tight HTTP, TCP")
    parser.add_argument("--hard", type=int, nargs=3, required=True)
    asyncio.run(run(parser.parse_args()))
