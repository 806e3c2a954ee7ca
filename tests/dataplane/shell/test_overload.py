"""Clients that leave in every phase, clients that dawdle, and what happens at the caps."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import resource
import select
import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lbkit.dataplane.config import BootConfig
from lbkit.dataplane.control_client import call
from lbkit.dataplane.shell import descriptors, trouble
from lbkit.dataplane.shell.server import Server
from tests.dataplane.shell.house import Client, ask, balancer, free_port, idle, nodes, reset, run, until
from tests.dataplane.specs import spec
from tests.dataplane.test_sources import line_with, serving
from tests.e2e.fleet import get, servers
from tests.e2e.fleet import until as until_true


@contextlib.contextmanager
def unanswered() -> Iterator[int]:
    """A port that answers no SYN: its queue of connections is full."""
    with socket.socket() as listening, contextlib.ExitStack() as stack:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listening.getsockname())
        yield listening.getsockname()[1]


async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
    await reader.read()  # until the balancer closes
    raise ConnectionResetError


async def streaming(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
    await never(reader, writer, head)


async def flooding(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not writer.transport.is_closing():
        writer.write(b"10000\r\n" + b"x" * 65_536 + b"\r\n")
        await writer.drain()
    raise ConnectionResetError


REQUEST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"
PHASES = {
    "connecting": (None, REQUEST + b"12345"), "uploading": (never, REQUEST + b"12"), "waiting for an answer": (never, REQUEST + b"12345"),
    "reading an answer": (streaming, REQUEST + b"12345"), "reading too slowly": (flooding, REQUEST + b"12345"),
}  # fmt: skip


@pytest.mark.parametrize(("phase", "how"), list(itertools.product(PHASES, ["FIN", "RST"])))
def test_a_client_that_leaves_in_any_phase_frees_slot_and_node(phase: str, how: str):  # LB-9, LB-7
    handler, sent = PHASES[phase]

    @run
    async def scenario() -> None:
        async with nodes("a", handler=handler) as (a,):
            with unanswered() if handler is None else contextlib.nullcontext(a.port) as node:
                port = free_port()
                found = spec(port, {"a": node}, health_check=None, limits={"hard": 1}, timeouts={"connect": 20})
                async with balancer(found) as server:
                    _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
                    writer.write(sent)
                    await until(lambda: not idle(server))
                    if handler is not None:
                        await until(lambda: a.now == 1)
                    if phase == "reading too slowly":
                        await until(lambda: server.pools["p"].metrics.bytes_out == 0 and paused(server))
                    if how == "RST":
                        reset(writer)
                    else:
                        writer.close()
                    async with asyncio.timeout(1):
                        while not (idle(server) and a.now == 0):
                            await asyncio.sleep(0.002)
                    assert server.pools["p"].metrics.cancelled == 1

    scenario()


async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
    """Takes nothing of a body, until the balancer breaks the connection."""
    transport: Any = writer.transport
    transport.pause_reading()
    broken = select.epoll()
    broken.register(transport.get_extra_info("socket").fileno(), 0)
    while not broken.poll(0):
        await asyncio.sleep(0.005)
    broken.close()
    raise ConnectionResetError


def full(server: Server) -> bool:
    """Whether the balancer stopped reading from its only client, because the node does not read."""
    (session,) = server.listeners["l"].sessions
    return session.stream.paused


FILLED: dict[str, Callable[[Server, int], bool]] = {
    "a megabyte": lambda server, sent: sent >= 1 << 20,
    "until it is read no more": lambda server, sent: full(server),
    "until the kernel takes no more": lambda server, sent: False,
}


SEEN = [each for each in itertools.product(FILLED, ["FIN", "RST"]) if each != ("until the kernel takes no more", "FIN")]
"""A FIN behind what the kernel can't take does not arrive."""


@pytest.mark.parametrize(("much", "how"), SEEN)
def test_a_client_that_leaves_a_node_that_takes_nothing_frees_slot_and_node(much: str, how: str):  # LB-9
    @run
    async def scenario() -> None:
        async with nodes("a", handler=deaf) as (a,):
            port = free_port()
            async with balancer(spec(port, {"a": a.port}, health_check=None, limits={"hard": 1})) as server:
                with socket.create_connection(("127.0.0.1", port)) as sock:
                    sock.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n")
                    await until(lambda: a.now == 1)
                    await fill(sock, lambda sent: FILLED[much](server, sent))
                    if how == "RST":
                        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                async with asyncio.timeout(1):
                    while not (idle(server) and a.now == 0):
                        await asyncio.sleep(0.002)
                assert server.pools["p"].metrics.cancelled == 1

    scenario()


async def fill(sock: socket.socket, enough: Callable[[int], bool]) -> None:
    """Send until it is enough, or the kernel takes no more."""
    sock.setblocking(False)
    sent, tried = 0, 0
    while not enough(sent) and tried < 50:
        try:
            sent, tried = sent + sock.send(bytes(65_536)), 0
        except BlockingIOError:
            tried += 1
        await asyncio.sleep(0.002)


def paused(server: Server) -> bool:
    """Whether the balancer stopped reading from the node, because the client does not read."""
    (session,) = server.listeners["l"].sessions
    return session.stream.full


@run
async def test_a_client_that_stops_sending_its_body_is_told_and_its_slot_is_free():
    async with nodes("a", handler=never) as (a,):
        port = free_port()
        found = spec(port, {"a": a.port}, health_check=None, listener={"timeouts": {"body": 0.1}})
        async with balancer(found) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(REQUEST + b"12")
            answer = await reader.read()
            assert answer.startswith(b"HTTP/1.1 408 ")
            assert b"\r\nConnection: close\r\n" in answer
            assert idle(server)
            writer.close()


@run
async def test_many_slow_heads_keep_nobody_else_waiting():
    async with nodes("a") as (a,):
        port = free_port()
        async with balancer(spec(port, {"a": a.port}, listener={"timeouts": {"header": 1}})) as server:
            slow = [await asyncio.open_connection("127.0.0.1", port) for _ in range(300)]
            for _, writer in slow:
                writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nX-")
            for _ in range(20):
                assert (await ask(port)).status == 200
            answers = [await reader.read() for reader, _ in slow]
            assert all(answer.startswith(b"HTTP/1.1 408 ") for answer in answers)
            assert server.listeners["l"].metrics.bad[408] == 300
            for _, writer in slow:
                writer.close()


@run
async def test_at_the_cap_of_connections_it_is_said_and_clients_wait(caplog: pytest.LogCaptureFixture):
    async with nodes("a") as (a,):
        port = free_port()
        async with balancer(spec(port, {"a": a.port}, listener={"limits": {"connections": 2}})) as server:
            held = [await Client.to(port) for _ in range(2)]
            await until(lambda: server.connections == 2)
            late = [await Client.to(port) for _ in range(2)]
            for client in late:
                client.ask()
            await until(lambda: "2 connections" in caplog.text)
            for client in held:
                client.close()
            for client in late:
                assert (await client.answer()).status == 200
                client.close()
            assert caplog.text.count("2 connections") == 1


@contextlib.asynccontextmanager
async def tcp(accepted: object) -> AsyncIterator[int]:
    server = await asyncio.start_server(accepted, "0.0.0.0", 0)  # type: ignore[arg-type]
    async with server:
        yield server.sockets[0].getsockname()[1]


DESCRIPTORS = 60


@contextlib.contextmanager
def short_of_descriptors(tmp_path: Path, **settings: Any) -> Iterator[tuple[subprocess.Popen[str], Path, int]]:
    state, port = tmp_path / "state", free_port()
    with servers("a") as (a,):
        document = BootConfig(name="x", spec=spec(port, {"a": a.server_address[1]}, **settings))
        (tmp_path / "boot.json").write_text(document.model_dump_json())
        with serving(
            state,
            str(tmp_path / "boot.json"),
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS)),
        ) as process:
            yield process, state, port


def test_without_descriptors_left_it_goes_on_and_says_so(tmp_path: Path):
    with short_of_descriptors(tmp_path, health_check=None) as (process, state, port):
        assert get(port) == (200, "a")
        clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(100)]
        line_with(process, "can't accept")
        for client in clients:
            client.close()
        until_true(lambda: get(port) == (200, "a"), "it serves again")
        until_true(lambda: connections(state) == 0, "nothing is left")
        process.kill()
        assert "can't accept" not in process.communicate()[1], "said once, not five times a second"


def test_at_the_cap_of_descriptors_who_is_in_is_served_and_the_balancer_is_watched_over(tmp_path: Path):
    check = {"interval": 0.5, "timeout": 0.5, "path": "/health"}
    with short_of_descriptors(tmp_path, health_check=check) as (process, state, port), contextlib.ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(100)]
        line_with(process, "can't accept")
        assert 10 < connections(state) < 44, "the rest waits in the kernel"
        for client in clients[:10]:  # a kept connection would be free for the next one
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            client.settimeout(10)
            assert client.recv(100).startswith(b"HTTP/1.1 200 ")
        for _ in range(30):
            assert call(state / "control.sock", "GET", "/v1/ready")[0] == 200
        before = os.listdir(f"/proc/{process.pid}/fd")
        assert len(before) < DESCRIPTORS - 8
        process.kill()
        said = process.communicate()[1]
        assert "is down" not in said
        assert "Traceback" not in said


def test_a_control_api_that_is_overrun_says_so_in_one_line(tmp_path: Path):
    with short_of_descriptors(tmp_path) as (process, state, _), contextlib.ExitStack() as stack:
        for _ in range(DESCRIPTORS):
            stack.enter_context(socket.socket(socket.AF_UNIX)).connect(str(state / "control.sock"))
        assert "Too many open files" in line_with(process, "out of system resource")
        stack.close()
        until_true(lambda: call(state / "control.sock", "GET", "/v1/live")[0] == 200, "it answers again")
        process.kill()
        said = process.communicate()[1]
        assert "out of system resource" not in said
        assert "Traceback" not in said


@run
async def test_connections_to_nodes_leave_the_last_descriptors_alone(monkeypatch: pytest.MonkeyPatch):
    async with nodes("a") as (a,):
        port = free_port()
        async with balancer(spec(port, {"a": a.port}, health_check=None)):
            monkeypatch.setattr(descriptors.numbers, "for_nodes", 3)
            answer = await ask(port)
            assert (answer.status, json.loads(answer.body)["reason"]) == (503, "exhausted")
            assert a.connections == 0


def test_trouble_of_one_kind_is_told_once_a_minute_and_counted(caplog: pytest.LogCaptureFixture, monkeypatch: Any):
    now = [1000.0]
    monkeypatch.setattr(trouble, "monotonic", lambda: now[0])
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(trouble.Trouble())
    for at in (1000.0, 1001.0, 1059.0, 1060.0):
        now[0] = at
        loop.call_exception_handler({"message": "accept failed", "exception": OSError(24, "Too many open files")})
    loop.call_exception_handler({"message": "something else"})
    loop.close()
    first = "accept failed: OSError(24, 'Too many open files')"
    assert [record.getMessage() for record in caplog.records] == [first, f"{first}, 2 times more", "something else"]
    assert not any(record.exc_info for record in caplog.records)


def connections(state: Path) -> int:
    return int(call(state / "control.sock", "GET", "/v1/status")[1]["listeners"]["l"]["connections"])
