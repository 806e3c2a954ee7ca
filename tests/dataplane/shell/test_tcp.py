"""The TCP relay over real sockets."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from tests.dataplane.shell.house import balancer, free_port, run, until
from tests.dataplane.specs import spec


class Echo:
    """A TCP node that sends back what it gets; at the client's end of data it says goodbye."""

    def __init__(self) -> None:
        self.connections = self.now = 0
        self.port = 0

    async def __aenter__(self) -> Echo:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.now += 1
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
            writer.write(b"goodbye")
            await writer.drain()
        self.now -= 1
        writer.close()


@run
async def test_bytes_pass_unmodified_and_each_direction_ends_by_itself():  # CR-1
    content = bytes(range(256)) * 8000
    async with Echo() as node:
        port = free_port()
        async with balancer(spec(port, {"a": node.port}, protocol="tcp", health_check=None)):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            reading = asyncio.create_task(reader.read(-1))
            writer.write(content)
            writer.write_eof()
            assert await reading == content + b"goodbye"
            writer.close()


async def first_bytes(port: int) -> bytes:
    """A refusal may come before the connect has returned."""
    reader, _ = await asyncio.open_connection("127.0.0.1", port)
    return await reader.read(1)


@run
async def test_open_connections_are_what_counts():  # UK-7
    async with Echo() as node:
        port = free_port()
        async with balancer(spec(port, {"a": node.port}, protocol="tcp", health_check=None, limits={"hard": 1})):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"x")
            assert await reader.read(1) == b"x"
            with pytest.raises(ConnectionResetError):
                await first_bytes(port)
            writer.close()
            await until(lambda: node.now == 0)


@run
async def test_a_connection_waits_in_the_queue():
    async with Echo() as node:
        port = free_port()
        limits = {"hard": 1, "queue": {"size": 1, "timeout": 10}}
        async with balancer(spec(port, {"a": node.port}, protocol="tcp", health_check=None, limits=limits)) as server:
            _, first = await asyncio.open_connection("127.0.0.1", port)
            await until(lambda: node.now == 1)
            reader, second = await asyncio.open_connection("127.0.0.1", port)
            second.write(b"later")
            await until(lambda: len(server.pools["p"].pool.waiting) == 1)
            first.close()
            assert await reader.read(5) == b"later"
            second.close()


@run
async def test_a_node_that_refuses_resets_the_client():
    port = free_port()
    async with balancer(spec(port, {"a": free_port()}, protocol="tcp", health_check=None)):
        with pytest.raises(ConnectionResetError):
            await first_bytes(port)


@run
async def test_a_silent_connection_is_cut():
    async with Echo() as node:
        port = free_port()
        async with balancer(spec(port, {"a": node.port}, protocol="tcp", health_check=None, timeouts={"idle": 0.05})):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            with pytest.raises(ConnectionResetError):
                await reader.read(1)
            writer.close()


@run
async def test_one_balancer_listens_on_several_ports():  # CR-5
    async with Echo() as one, Echo() as two:
        first, second = free_port(), free_port()
        both = spec(first, {"a": one.port}, protocol="tcp", health_check=None)
        other = spec(second, {"a": two.port}, protocol="tcp", health_check=None)
        listeners = {"l": both.listeners["l"], "m": other.listeners["l"].model_copy(update={"pool": "q"})}
        whole = both.model_copy(update={"pools": {"p": both.pools["p"], "q": other.pools["p"]}, "listeners": listeners})
        async with balancer(whole):
            for port in (first, second):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(b"x")
                assert await reader.read(1) == b"x"
                writer.close()
        assert (one.connections, two.connections) == (1, 1)
