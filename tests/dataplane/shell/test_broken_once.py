"""What once held a slot, a connection or a listener for ever, or broke a law."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lbkit.dataplane.config import BootConfig
from lbkit.dataplane.core.node import NodeState
from lbkit.dataplane.core.pool import PoolState
from lbkit.dataplane.shell import hooks, stream
from lbkit.dataplane.shell.tls import NodeSecurity
from lbkit.spec import Hook, NodeTls, Spec
from tests.dataplane.shell.house import Client, Gate, ask, balancer, free_port, nodes, probe, raw, run, until
from tests.dataplane.shell.secure import Authority
from tests.dataplane.specs import pool, random, spec


def config(found: Spec) -> BootConfig:
    return BootConfig(name="test", spec=found)


def node_at(port: int) -> NodeState:
    found = spec(free_port(), {"a": port}).pools["p"]
    return NodeState("a", found.nodes["a"], found)


async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
    with contextlib.suppress(OSError):
        for _ in range(1000):
            writer.write(b"x" * 100_000)
            await writer.drain()


def small_window(port: int) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", port))
    return sock


@run
async def test_clients_that_say_nothing_and_go_leave_room_for_others():
    async with nodes("a") as (a,):
        port = free_port()
        listener = {"proxy_protocol": ["127.0.0.1/32"], "limits": {"connections": 2}, "timeouts": {"header": 0.2}}
        async with balancer(spec(port, {"a": a.port}, listener=listener)) as server:
            silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
            await until(lambda: server.listeners["l"].metrics.denied == 3, "all three are turned away")
            asked = b"PROXY TCP4 1.2.3.4 1.2.3.5 1 2\r\nGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
            assert b" 200 " in await asyncio.wait_for(raw(port, asked), 2)
            for _, writer in silent:
                writer.close()


@run
async def test_a_client_that_closes_its_side_and_reads_nothing_is_let_go_at_once():
    async with nodes("a", handler=endless) as (a,):
        port = free_port()
        async with balancer(spec(port, {"a": a.port})) as server:
            with small_window(port) as sock:
                sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                await until(lambda: [s for s in server.listeners["l"].sessions if s.stream.full], "it is full")
                sock.shutdown(socket.SHUT_WR)
                await until(lambda: server.listeners["l"].connections == 0, "it is let go")
                assert server.pools["p"].pool.in_flight == 0


@run
async def test_a_connection_that_closes_is_not_held_by_a_peer_that_takes_nothing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(stream, "STUCK", 0.2)

    async def much(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
        writer.write(b"x" * int(head.split()[1][1:]))
        writer.close()
        raise ConnectionResetError

    async with nodes("a", handler=much) as (a,):
        port = free_port()
        async with balancer(spec(port, {"a": a.port}, protocol="tcp")) as server, contextlib.AsyncExitStack() as stack:
            for size in range(2_300_000, 2_900_000, 20_000):  # of some a rest is unsent when the node has ended
                sock = stack.enter_context(small_window(port))
                sock.sendall(b"GET /%d HTTP/1.1\r\n\r\n" % size)
                sock.shutdown(socket.SHUT_WR)
            await until(lambda: server.listeners["l"].metrics.accepted == 30)
            await until(lambda: server.pools["p"].metrics.answers.get(0, 0) > 0, "some are over")
            await asyncio.sleep(1)
            assert not [s for s in server.listeners["l"].sessions if s.stream.closing]


@run
async def test_much_that_comes_before_the_switch_of_protocols_does_not_stop_the_tunnel():
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
        await asyncio.sleep(0.2)
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()

    async with nodes("a", handler=echo) as (a,):
        port = free_port()
        async with balancer(spec(port, {"a": a.port})):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
            await asyncio.sleep(0.05)
            writer.write(b"e" * 200_000)
            await reader.readuntil(b"\r\n\r\n")
            assert len(await asyncio.wait_for(reader.readexactly(200_000), 5)) == 200_000
            writer.close()


@run
async def test_a_node_that_comes_back_before_it_has_drained_keeps_its_limit():
    gate = Gate()
    async with nodes("a", handler=gate) as (a,):
        port = free_port()
        limits: Any = {"limits": {"hard": 2}, "health_check": None}
        async with balancer(spec(port, {"a": a.port}, **limits)) as server:
            clients = [await Client.to(port) for _ in range(3)]
            for client in clients[:2]:
                client.ask()
            await until(lambda: a.now == 2)
            server.apply(config(spec(port, {"b": 1}, **limits)))
            server.apply(config(spec(port, {"a": a.port}, **limits)))
            clients[2].ask()
            assert (await clients[2].answer()).status == 503
            gate.open_all()
            assert [(await client.answer()).status for client in clients[:2]] == [200, 200]
            gate.waiting.clear()
            clients[2].ask()
            await until(lambda: gate.waiting)
            gate.open_all()
            assert (await clients[2].answer()).status == 200, "it serves again"
        assert a.most == 2


def test_a_new_configuration_does_not_begin_the_slow_start_of_running_nodes_again():
    state = PoolState(pool(2, slow_start=10), 0, random)
    state.configure(pool(3, slow_start=10), 100)
    assert {node.name: node.share for node in state.nodes.values()} == {"a": 1.0, "b": 1.0, "c": 0.1}
    state.expire(105)
    grown = state.nodes["c"].share
    state.configure(pool(3, slow_start=10, retries=1), 105)
    assert state.nodes["c"].share == grown


@run
async def test_connections_made_in_the_clear_are_not_kept_for_a_pool_that_speaks_tls():
    async with nodes("a") as (a,):
        port = free_port()
        before = spec(port, {"a": a.port}, health_check=None)
        async with balancer(before) as server:
            assert (await ask(port)).status == 200
            data = before.model_dump(exclude_unset=True)
            data["pools"]["p"] |= {"protocol": "https", "timeouts": {"connect": 0.2}}
            server.apply(config(Spec.load(data)))
            assert (await ask(port)).status in (502, 504), "it speaks no TLS"
        assert a.requests == 1


@run
async def test_a_request_on_its_way_to_a_pool_that_is_gone_is_answered():
    async with nodes("a") as (a,):
        port, other = free_port(), free_port()

        def only(pool: str, listener: str, port: int) -> Spec:
            front: dict[str, Any] = {"port": port, "address": "127.0.0.1", "pool": pool}
            front["routes"] = {"x": {"path": "/x", "pool": pool}}
            back = {"port": a.port, "health_check": None, "nodes": {"a": {"address": "127.0.0.1"}}}
            return Spec.load({"pools": {pool: back}, "listeners": {listener: front}})

        async with balancer(only("p", "l", port)) as server:
            client = await Client.to(port)
            client.ask(path="/x")
            assert (await client.answer()).status == 200
            server.apply(config(only("q", "m", other)))
            client.ask(path="/x")
            assert (await client.answer()).status == 503
            client.close()


@pytest.mark.parametrize("proxied", [False, True])
@run
async def test_a_tls_client_that_breaks_off_before_it_is_accepted_is_no_error(
    proxied: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    certificate = Authority(tmp_path).issue("a", "a.example")
    listener: dict[str, Any] = {"protocol": "https", "tls": {"default": {"certificate": certificate}}}
    if proxied:
        listener["proxy_protocol"] = ["127.0.0.1/32"]
    async with nodes("a") as (a,):
        port = free_port()
        async with balancer(spec(port, {"a": a.port}, listener=listener)) as server:
            for _ in range(20):
                with socket.create_connection(("127.0.0.1", port)) as sock:
                    sock.sendall(b"PROXY TCP4 1.2.3.4 1.2.3.5 1 2\r\n" if proxied else b"\x16\x03\x01")
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            await until(lambda: server.listeners["l"].metrics.accepted == 20)
            await until(lambda: server.listeners["l"].connections == 0)
    assert "Traceback" not in caplog.text


@run
async def test_a_hook_ends_with_its_command_whatever_that_left_running():
    began = time.monotonic()
    assert await hooks.run(Hook(command=["sh", "-c", "sleep 3 & exit 0"]), node_at(1), 10) == ""
    assert time.monotonic() - began < 2
    said = await hooks.run(Hook(command=["sh", "-c", "echo no such engine >&2; exit 3"]), node_at(1), 10)
    assert said == "sh ended with status 3: no such engine"


@run
async def test_what_a_hook_says_is_not_kept():
    before = memory()
    command = ["sh", "-c", "head -c 200000000 /dev/zero >&2; echo the end >&2; exit 3"]
    said = await hooks.run(Hook(command=command), node_at(1), 20)
    assert said.endswith("the end")
    assert memory() - before < 50_000_000


def memory() -> int:
    """The most so far, in octets."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))


@pytest.mark.parametrize("post", ["http://h:99999/", "http://a..b/", "http://[::1/"])
@run
async def test_a_hook_that_cannot_be_asked_has_failed(post: str):
    assert await hooks.run(Hook(post=post), node_at(1), 5)


@contextlib.contextmanager
def mute(context: ssl.SSLContext) -> Iterator[int]:
    """A node that shakes hands and then says and hears nothing."""
    end = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            sock, _ = listening.accept()
            with context.wrap_socket(sock, server_side=True):
                end.wait(20)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1]
        end.set()
        thread.join()


@run
async def test_a_probe_of_a_node_that_hangs_in_tls_ends_in_time(tmp_path: Path):
    authority = Authority(tmp_path)
    check = {"path": "/", "interval": 0.3, "timeout": 0.3}
    with mute(authority.server(authority.issue("a", "127.0.0.1"))) as port:
        found = spec(free_port(), {"a": port}, health_check=check).pools["p"].health_check
        assert found
        began = time.monotonic()
        assert "no answer" in await probe(node_at(port), found, NodeSecurity(NodeTls(verify=False), ""))
        assert time.monotonic() - began < 3


@run
async def test_a_probe_whose_credential_is_no_text_has_failed(tmp_path: Path):
    (tmp_path / "token").write_bytes(b"\xff\xfe")
    headers = {"Authorization": f"file:{tmp_path}/token"}
    async with nodes("a") as (a,):
        found = spec(free_port(), {"a": a.port}, health_check={"path": "/", "headers": headers})
        async with balancer(found) as server:
            assert "decode" in server.pools["p"].pool.nodes["a"].last_error
            assert not a.heads
