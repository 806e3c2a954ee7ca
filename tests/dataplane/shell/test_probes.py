"""Health probes over real sockets: what counts as good, and that nobody waits for a hung node."""

from __future__ import annotations

import asyncio
import re
from itertools import pairwise
from pathlib import Path
from time import monotonic
from typing import Any, cast

import pytest

from lbkit.dataplane.core.node import NodeState
from lbkit.dataplane.shell.dispatch import Dispatcher
from lbkit.dataplane.shell.loop import Loop
from lbkit.dataplane.shell.probes import Probes
from lbkit.spec import HealthCheck, Node, Pool
from tests.dataplane.shell.house import FakeNode, ask, balancer, free_port, nodes, probe, run, until
from tests.dataplane.specs import spec
from tests.dataplane.wire.glass import FakeLoop


def state(port: int) -> NodeState:
    pool = Pool(port=port, nodes={"a": Node(address="127.0.0.1")})
    return NodeState("a", pool.nodes["a"], pool)


def answering(reply: bytes) -> Any:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
        writer.write(reply)

    return handler


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nready"


@pytest.mark.parametrize(
    ("check", "reply", "error"),
    [
        ({}, b"", ""),  # CR-7
        ({"path": "/h"}, OK, ""),
        ({"path": "/h"}, OK.replace(b"200", b"503"), "status 503"),
        ({"path": "/h", "codes": "503"}, OK.replace(b"200", b"503"), ""),
        ({"path": "/h", "codes": "200-204,301"}, OK.replace(b"200", b"301"), ""),
        ({"path": "/h", "body": "ready"}, OK, ""),
        ({"path": "/h", "body": "other"}, OK, "does not hold 'other'"),
        ({"path": "/h"}, b"garbage\r\n\r\n", "not HTTP"),
        ({"path": "/h", "method": "HEAD"}, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", ""),
    ],
)
@run
async def test_what_counts_as_good(check: dict[str, Any], reply: bytes, error: str):
    async with nodes("a", handler=answering(reply)) as (a,):
        found = await probe(state(a.port), HealthCheck.load(check))
        assert error in found
        assert bool(error) is bool(found)


@run
async def test_the_request_is_what_was_asked(tmp_path: Path):
    token = tmp_path / "token"
    token.write_text("Bearer s3cret\n")
    headers = {"X-Probe": "1", "Authorization": f"file:{token}"}
    async with nodes("a", handler=answering(OK)) as (a, *_):
        check = HealthCheck(path="/up?x=1", method="POST", host="api.example", headers=headers)
        assert await probe(state(a.port), check) == ""
        head = a.heads[0].decode()
    assert head.startswith("POST /up?x=1 HTTP/1.1\r\nHost: api.example\r\n")
    assert "X-Probe: 1\r\n" in head
    assert "Authorization: Bearer s3cret\r\n" in head


@run
async def test_a_port_of_its_own():
    async with nodes("a", handler=answering(OK)) as (a,):
        assert await probe(state(free_port()), HealthCheck(path="/", port=a.port)) == ""


@run
async def test_a_hung_node_is_bad_after_the_timeout():  # CR-8
    never = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
        await never.wait()

    async with nodes("a", handler=hang) as (a,):
        assert "no answer within 0.05 s" in await probe(state(a.port), HealthCheck(path="/", interval=1, timeout=0.05))


@run
async def test_nodes_come_and_go_and_the_status_says_so():  # CR-12, CR-8..11, UK-4
    async with nodes("a") as (a,):
        b = FakeNode("b")
        await b.start()
        port = free_port()
        async with balancer(spec(port, {"a": a.port, "b": b.port})) as server:
            assert {(await ask(port)).body for _ in range(4)} == {b"a", b"b"}
            await b.stop()
            status = lambda: server.status()["pools"]["p"]["nodes"]["b"]  # noqa: E731
            await until(lambda: status()["health"] == "down")
            assert status()["last_error"] == "Connection refused"
            assert {(await ask(port)).body for _ in range(4)} == {b"a"}
            await b.start(b.port)
            await until(lambda: status()["health"] == "up")
            assert {(await ask(port)).body for _ in range(4)} == {b"a", b"b"}
            await b.stop()


@pytest.mark.parametrize(
    ("version", "header"),
    [("v1", b"PROXY UNKNOWN\r\n"), ("v2", b"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"), (None, b"")],
)
def test_a_probe_says_that_it_carries_no_client_where_nodes_want_a_proxy_header(version: str | None, header: bytes):
    seen: list[bytes] = []

    @run
    async def scenario() -> None:
        async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            seen.append(await reader.readexactly(len(header) + 4))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            writer.close()

        server = await asyncio.start_server(accepted, "127.0.0.1", 0)
        async with server:
            node = server.sockets[0].getsockname()[1]
            found = spec(free_port(), {"a": node}, proxy_protocol=version, health_check={"path": "/"})
            async with balancer(found) as running:
                assert running.pools["p"].pool.nodes["a"].health.state == "up"
        assert seen[0] == header + b"GET "

    scenario()


def test_a_proxy_header_goes_before_tls():
    seen: list[bytes] = []

    @run
    async def scenario() -> None:
        async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            seen.append(await reader.readuntil(b"\r\n") + await reader.readexactly(1))
            writer.close()

        async with await asyncio.start_server(accepted, "127.0.0.1", 0) as server:
            node = server.sockets[0].getsockname()[1]
            tls = {"verify": False}
            settings: Any = {"protocol": "https", "tls": tls, "proxy_protocol": "v1", "listener": {"protocol": "http"}}
            port = free_port()
            probed = {"path": "/", "interval": 100, "timeout": 1, "fall": 10}
            async with balancer(spec(port, {"a": node}, **settings, health_check=probed)):
                pass
            async with balancer(spec(port, {"a": node}, **settings, health_check=None)):
                await ask(port)

    scenario()
    handshake = b"\x16"
    assert seen[0] == b"PROXY UNKNOWN\r\n" + handshake
    assert re.fullmatch(rb"PROXY TCP4 127\.0\.0\.1 127\.0\.0\.1 \d+ \d+\r\n\x16", seen[1])


def test_probes_of_many_nodes_do_not_come_at_one_instant():
    nodes = {f"n{i}": {"address": f"10.0.0.{i + 1}"} for i in range(200)}
    settings = {"port": 80, "nodes": nodes, "health_check": {"interval": 10, "timeout": 1}}
    probes = Probes(Dispatcher("p", Pool.load(settings), cast(Loop, FakeLoop())))
    probes.configure()
    watches = list(probes._watches.values())
    first = [watch._alarm.due for watch in watches]
    assert min(later - earlier for earlier, later in pairwise(first)) > 0.004, "not at the start"
    began = monotonic()
    for watch in watches:
        watch._ended("")
    ended = monotonic()
    waits = sorted(watch._alarm.due for watch in watches)
    assert began + 9.5 <= waits[0] < began + 9.7, "and not afterwards, when all were answered at one instant"
    assert ended + 10.3 < waits[-1] <= ended + 10.5
