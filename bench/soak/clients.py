"""What clients do: ask properly and check every octet, or leave in any phase. Each returns how it went."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

PATIENCE = 40.0
OK = "ok"
"""As it should be; for one that left, that it left."""


class Wrong(Exception):
    """Not what was asked for; the message says what came."""


class Cut(Wrong):
    """The balancer broke the connection, visibly."""


@dataclass(slots=True)
class Answer:
    status: int
    body: bytes
    head: bytes


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.last = False
        """Whether an answer said that the connection ends with it."""

    @classmethod
    async def to(cls, port: int) -> Client:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    def ask(self, method: str, target: str, body: bytes = b"", more: str = "", length: int | None = None) -> None:
        size = len(body) if length is None else length
        framing = f"Content-Length: {size}\r\n" if size or method == "POST" else ""
        self.writer.write(f"{method} {target} HTTP/1.1\r\nHost: soak\r\n{framing}{more}\r\n".encode() + body)

    async def answer(self) -> Answer:
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
            self.last = b"\r\nconnection: close\r\n" in head.lower()
            return Answer(int(head.split(b" ", 2)[1]), await self._body(head.lower()), head)
        except (OSError, asyncio.IncompleteReadError) as error:
            raise Cut(f"cut: {error}"[:80]) from None

    async def _body(self, head: bytes) -> bytes:
        if head.startswith(b"http/1.1 101"):
            return b""
        if b"\r\ntransfer-encoding: chunked" not in head:
            return await self.reader.readexactly(int(head.partition(b"\r\ncontent-length:")[2].split(b"\r\n")[0]))
        parts = []
        while size := int((await self.reader.readuntil(b"\r\n")).split(b";")[0], 16):
            parts.append((await self.reader.readexactly(size + 2))[:-2])
        await self.reader.readexactly(2)
        return b"".join(parts)

    def leave(self, by_reset: bool) -> None:
        """With RST or FIN."""
        if by_reset:
            sock = self.writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.writer.transport.abort()
        else:
            self.writer.close()


@dataclass(slots=True)
class Ports:
    http: int
    tcp: int


Deed = Callable[[Ports, random.Random, str], Awaitable[str]]


def _checked(answer: Answer, wanted: bytes) -> None:
    if answer.status != 200:
        raise Wrong(f"{answer.status} {answer.body[-160:].decode('latin-1').strip()}")
    if answer.body != wanted:
        raise Wrong(f"another body: {answer.body[:60]!r}, not {wanted[:60]!r}")


async def several(ports: Ports, dice: random.Random, mark: str) -> str:
    """Some requests after one another on one connection."""
    client = await Client.to(ports.http)
    try:
        for turn in range(dice.randint(1, 6)):
            if client.last:
                client.leave(False)
                client = await Client.to(ports.http)
            word = f"{mark}-{turn}"
            if dice.random() < 0.5:
                client.ask("GET", f"/{dice.choice(('echo', 'slow'))}?{word}")
                _checked(await client.answer(), f"{word}|".encode())
            else:
                client.ask("POST", f"/echo?{word}", f"{word:>5000}".encode())
                _checked(await client.answer(), f"{word}|{word:>64}".encode())
    finally:
        client.leave(dice.random() < 0.5)
    return OK


async def pipelined(ports: Ports, dice: random.Random, mark: str) -> str:
    client = await Client.to(ports.http)
    try:
        words = [f"{mark}-{turn}" for turn in range(dice.randint(2, 8))]
        for word in words:
            client.ask("GET", f"/echo?{word}")
        for word in words:
            if client.last:  # the others were not read (RFC 9112 section 9.6)
                return OK
            _checked(await client.answer(), f"{word}|".encode())
    finally:
        client.leave(False)
    return OK


async def stream(ports: Ports, dice: random.Random, mark: str) -> str:
    client = await Client.to(ports.http)
    try:
        client.ask("POST", f"/stream?{mark}", b"{}")
        _checked(await client.answer(), f"data: {mark}\n\n".encode() * 20)
    finally:
        client.leave(False)
    return OK


async def big(ports: Ports, dice: random.Random, mark: str) -> str:
    """A large answer, read slowly now and then."""
    client = await Client.to(ports.http)
    try:
        client.ask("GET", f"/big?{mark}")
        await asyncio.sleep(dice.choice((0, 0, 0.3)))
        block = f"{mark}.".encode()
        _checked(await client.answer(), block * (65_536 // len(block)) * 32)
    finally:
        client.leave(False)
    return OK


async def websocket(ports: Ports, dice: random.Random, mark: str) -> str:
    client = await Client.to(ports.http)
    upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    try:
        client.ask("GET", f"/ws?{mark}", more=upgrade)
        answer = await client.answer()
        if answer.status != 101:
            raise Wrong(f"{answer.status} {answer.body[-160:].decode('latin-1').strip()}")
        for turn in range(dice.randint(1, 10)):
            word = f"{mark}-{turn};".encode()
            client.writer.write(word)
            await _echoed(client, word)
            await asyncio.sleep(0.02)
    finally:
        client.leave(dice.random() < 0.5)
    return OK


async def tcp(ports: Ports, dice: random.Random, mark: str) -> str:
    """Through the TCP pool: echo, then half-close and one word more; or leave in the middle."""
    client = await Client.to(ports.tcp)
    try:
        word = f"{mark} ".encode() * dice.choice((1, 100, 20_000))
        client.writer.write(word)
        if dice.random() < 0.3:
            return OK
        await _echoed(client, word)
        client.writer.write_eof()
        await _echoed(client, b"bye")
    finally:
        client.leave(dice.random() < 0.5)
    return OK


async def _echoed(client: Client, word: bytes) -> None:
    try:
        got = await client.reader.readexactly(len(word))
    except (OSError, asyncio.IncompleteReadError) as error:
        raise Cut(f"cut: {error}"[:80]) from None
    if got != word:
        raise Wrong(f"another echo: {got[:40]!r}")


async def leaver(ports: Ports, dice: random.Random, mark: str) -> str:
    """Leaves in any phase: in the head, in the body, in the queue or before the answer, within the answer."""
    client = await Client.to(ports.http)
    try:
        phase = dice.choice(("at once", "head", "body", "wait", "answer", "queue", "pipelined"))
        if phase == "head":
            client.writer.write(b"POST /echo?x HTTP/1.1\r\nHost: so")
        elif phase == "body":
            client.ask("POST", f"/echo?{mark}", b"x" * dice.choice((1, 70_000)), length=100_000)
        elif phase == "wait":
            client.ask("GET", f"/{dice.choice(('slow', 'slow', 'hang'))}?{mark}")
        elif phase == "queue":
            client.ask("GET", f"/tight/slow?{mark}")
        elif phase == "answer":
            client.ask("GET", f"/{dice.choice(('big', 'stream'))}?{mark}")
            await client.reader.read(100)
        elif phase == "pipelined":
            client.writer.write(b"GET /slow?x HTTP/1.1\r\nHost: soak\r\n\r\n" * 5)
        await asyncio.sleep(dice.choice((0, 0.001, 0.05, 0.2)))
    except OSError:
        pass
    finally:
        client.leave(dice.random() < 0.5)
    return OK


async def tight(ports: Ports, dice: random.Random, mark: str) -> str:
    """Where one request at a time fits and two may wait a little: a refusal is a proper answer, too."""
    client = await Client.to(ports.http)
    try:
        client.ask("GET", f"/tight/{dice.choice(('echo', 'echo', 'slow'))}?{mark}")
        answer = await client.answer()
        if answer.status in (503, 504) and b"application/problem+json" in answer.head.lower():
            return f"refused {answer.status}"
        _checked(answer, f"{mark}|".encode())
    finally:
        client.leave(dice.random() < 0.5)
    return OK


async def misled(ports: Ports, dice: random.Random, mark: str) -> str:
    """Nodes that answer nonsense, break off or never answer: an error or a visible break, never a whole answer."""
    client = await Client.to(ports.http)
    kind = dice.choices(("garbage", "cut", "hang"), (5, 5, 1))[0]
    try:
        client.ask("POST", f"/{kind}?{mark}", b"{}")
        answer = await client.answer()
    except Cut:
        if kind == "hang":
            raise
        return OK
    finally:
        client.leave(False)
    if answer.status != (504 if kind == "hang" else 502):
        raise Wrong(f"{kind}: {answer.status} {answer.body[:80]!r}")
    return OK


DEEDS: dict[Deed, int] = {
    several: 30,
    pipelined: 8,
    stream: 12,
    big: 4,
    websocket: 8,
    tcp: 14,
    leaver: 14,
    tight: 10,
    misled: 3,
}
