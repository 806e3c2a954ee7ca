"""A balancer, nodes and clients on loopback, in one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import re
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, cast

import h11

from lbkit.dataplane.config import BootConfig
from lbkit.dataplane.core.node import NodeState
from lbkit.dataplane.shell.journal import Journal
from lbkit.dataplane.shell.loop import Loop
from lbkit.dataplane.shell.probe import Probe
from lbkit.dataplane.shell.probes import request, with_files
from lbkit.dataplane.shell.server import Server
from lbkit.dataplane.shell.tls import NodeSecurity
from lbkit.spec import HealthCheck, Spec

PATIENCE = 10.0


async def probe(
    node: NodeState, check: HealthCheck, security: NodeSecurity | None = None, header: str | None = None
) -> str:
    """One probe: what is wrong, or an empty text."""
    loop = cast(Loop, asyncio.get_running_loop())
    ended: asyncio.Future[str | None] = loop.create_future()
    asked = request(node, check, await with_files(check.headers))
    Probe(loop, node, check, security, header, asked, ended.set_result).start()
    found = await ended
    assert found is not None
    return found


def run(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an async test in a fresh loop, bounded in time."""

    @functools.wraps(test)
    def wrapper(*args: Any, **kwargs: Any) -> None:
        with asyncio.Runner(loop_factory=Loop) as runner:
            runner.run(asyncio.wait_for(test(*args, **kwargs), 30))

    return wrapper


async def until(condition: Callable[[], Any], what: str = "the condition") -> None:
    """Wait for something to become true."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.002)
    assert condition(), what


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@dataclass
class Answered:
    status: int
    headers: dict[str, str]
    body: bytes
    interim: list[int] = field(default_factory=list)


class Client:
    """A client's connection, read by h11 so that a wrong framing shows."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self._h11 = h11.Connection(h11.CLIENT)

    @classmethod
    async def to(cls, port: int, context: ssl.SSLContext | None = None, name: str | None = None) -> Client:
        """`context`: speak TLS, and ask for this host `name`."""
        return cls(*await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name))

    def ask(self, method: str = "GET", path: str = "/", body: bytes = b"", **headers: str) -> None:
        """Send a request without waiting for the answer."""
        fields = [("Host", "test"), *((k.replace("_", "-"), v) for k, v in headers.items())]
        if body:
            fields.append(("Content-Length", str(len(body))))
        self.writer.write(self._h11.send(h11.Request(method=method, target=path, headers=fields)) or b"")
        if body:
            self.writer.write(self._h11.send(h11.Data(data=body)) or b"")
        self.writer.write(self._h11.send(h11.EndOfMessage()) or b"")

    async def event(self) -> Any:
        """The next piece of the answer."""
        while (event := self._h11.next_event()) is h11.NEED_DATA:
            self._h11.receive_data(await self.reader.read(65_536))
        return event

    async def answer(self) -> Answered:
        """The whole answer. Raises RemoteProtocolError when it is cut."""
        found = Answered(0, {}, b"")
        while not isinstance(event := await self.event(), h11.EndOfMessage):
            if isinstance(event, h11.InformationalResponse):
                found.interim.append(event.status_code)
            elif isinstance(event, h11.Response):
                found.status = event.status_code
                found.headers = {k.decode(): v.decode() for k, v in event.headers}
            elif isinstance(event, h11.Data):
                found.body += bytes(event.data)
            else:
                raise h11.RemoteProtocolError("the connection closed before an answer")
        if self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE:
            self._h11.start_next_cycle()
        return found

    def close(self) -> None:
        self.writer.close()


async def ask(port: int, method: str = "GET", path: str = "/", body: bytes = b"", **headers: str) -> Answered:
    """One request on a connection of its own."""
    client = await Client.to(port)
    try:
        client.ask(method, path, body, **headers)
        return await client.answer()
    finally:
        client.close()


async def raw(port: int, data: bytes) -> bytes:
    """Send bytes, read until the balancer closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    try:
        return await reader.read()
    finally:
        writer.close()


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter, bytes], Awaitable[None]]


class FakeNode:
    """A node that does what its handler says, and counts. The default answers 200 with its name."""

    def __init__(self, name: str, handler: Handler | None = None) -> None:
        self.name, self.handler = name, handler or self._hello
        self.port = 0
        self.heads: list[bytes] = []
        self.connections = self.open = self.now = self.most = self.lost = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self, port: int = 0, context: ssl.SSLContext | None = None) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """As if killed: refuses from now on, and every connection breaks."""
        if self._server:
            self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()

    @property
    def requests(self) -> int:
        return len(self.heads)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        self._writers.add(writer)
        try:
            await self._requests(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open -= 1
            self._writers.discard(writer)
            writer.close()

    async def _requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not reader.at_eof():
            head = await reader.readuntil(b"\r\n\r\n")
            self.heads.append(head)
            self.now += 1
            self.most = max(self.most, self.now)
            try:
                await self.handler(reader, writer, head)
                await writer.drain()
            finally:
                self.now -= 1

    async def _hello(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
        if length := re.search(rb"(?i)\r\ncontent-length: (\d+)", head):
            await reader.readexactly(int(length[1]))
        body = self.name.encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


class Gate:
    """A handler that answers only when it is told to."""

    def __init__(self) -> None:
        self.waiting: list[asyncio.Event] = []
        self.left = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
        event = asyncio.Event()
        self.waiting.append(event)
        opened = asyncio.create_task(event.wait())
        closed = asyncio.create_task(reader.read(1))
        await asyncio.wait({opened, closed}, return_when=asyncio.FIRST_COMPLETED)
        if not opened.done():
            self.left += 1
            opened.cancel()
            raise ConnectionResetError
        closed.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await closed
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone")

    def open_all(self) -> None:
        for event in self.waiting:
            event.set()


@contextlib.asynccontextmanager
async def nodes(*names: str, handler: Handler | None = None) -> AsyncIterator[list[FakeNode]]:
    started = [FakeNode(name, handler) for name in names]
    for node in started:
        await node.start()
    try:
        yield started
    finally:
        for node in started:
            await node.stop()


@contextlib.asynccontextmanager
async def balancer(spec: Spec, ready: bool = True, journal: Journal | None = None) -> AsyncIterator[Server]:
    """A running balancer; ready: every node was probed once."""
    server = Server(cast(Loop, asyncio.get_running_loop()), journal)
    server.apply(BootConfig(name="test", spec=spec))
    try:
        if ready:
            await until(lambda: probed(server))
        yield server
        await until(lambda: idle(server), "counts return to zero")
    finally:
        server.cut()


def probed(server: Server) -> bool:
    return all(n.health.state != "checking" for d in server.pools.values() for n in d.pool.nodes.values())


def idle(server: Server) -> bool:
    """Nothing in flight and nothing waiting anywhere."""
    pools = [dispatcher.pool for dispatcher in server.pools.values()]
    return not any(pool.waiting or any(node.in_flight for node in pool.all_nodes()) for pool in pools)


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
