"""Live configuration: applied as a whole under load, or not at all."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

import pytest

from lbkit.dataplane.config import BootConfig
from lbkit.dataplane.shell.api import Api
from lbkit.dataplane.shell.server import Server
from lbkit.errors import LbkitError, OperationError, Unsupported
from lbkit.spec import Spec
from tests.dataplane.shell.house import Client, Gate, ask, balancer, free_port, nodes, raw, run, until
from tests.dataplane.specs import spec


def config(found: Spec) -> BootConfig:
    return BootConfig(name="test", spec=found)


@run
async def test_nodes_change_under_load_without_a_failure():  # LB-6, UK-4, UK-17, UK-18, UK-19
    async with nodes("a", "b", "c") as (a, b, c):
        port = free_port()
        answers: list[int] = []
        stop = asyncio.Event()

        async def client() -> None:
            connection = await Client.to(port)
            while not stop.is_set():
                connection.ask()
                answers.append((await connection.answer()).status)
            connection.close()

        async with balancer(spec(port, {"a": a.port, "b": b.port}, health_check=None)) as server:
            tasks = [asyncio.create_task(client()) for _ in range(5)]
            for members in ({"a": a, "b": b, "c": c}, {"c": c}, {"a": a, "c": c}, {"b": b}):
                server.apply(config(spec(port, {n: m.port for n, m in members.items()}, health_check=None)))
                before = len(answers)
                await until(lambda before=before: len(answers) > before + 50)  # type: ignore[misc]
            stop.set()
            await asyncio.gather(*tasks)
        assert set(answers) == {200}
        assert c.requests > 0


@run
async def test_running_work_of_a_removed_node_ends():  # UK-13
    gate = Gate()
    async with nodes("a", handler=gate) as (a,), nodes("b") as (b,):
        port = free_port()
        async with balancer(spec(port, {"a": a.port}, health_check=None)) as server:
            running = asyncio.create_task(ask(port))
            await until(lambda: a.now == 1)
            server.apply(config(spec(port, {"b": b.port}, health_check=None)))
            assert server.status()["pools"]["p"]["nodes"]["a"]["leaving"]
            assert (await ask(port)).body == b"b"
            gate.open_all()
            assert (await running).body == b"done"
            await until(lambda: "a" not in server.status()["pools"]["p"]["nodes"])


@run
async def test_a_drain_is_bounded():  # UK-13
    gate = Gate()
    async with nodes("a", handler=gate) as (a,), nodes("b") as (b,):
        port = free_port()
        async with balancer(spec(port, {"a": a.port}, health_check=None, drain=0.05)) as server:
            running = asyncio.create_task(ask(port))
            await until(lambda: a.now == 1)
            server.apply(config(spec(port, {"b": b.port}, health_check=None, drain=0.05)))
            assert (await running).status == 502
            await until(lambda: gate.left == 1)


@run
async def test_listeners_come_and_go_live():
    async with nodes("a") as (a,):
        first, second = free_port(), free_port()
        async with balancer(spec(first, {"a": a.port}, health_check=None)) as server:
            client = await Client.to(first)
            client.ask()
            await client.answer()
            server.apply(config(spec(second, {"a": a.port}, health_check=None)))
            assert (await ask(second)).status == 200
            with pytest.raises(ConnectionRefusedError):
                await ask(first)
            assert await client.reader.read() == b"", "the idle connection is let go"
            client.close()


@run
async def test_a_listener_changes_its_protocol_and_settings_in_place():
    async with nodes("a") as (a,):
        port = free_port()
        async with balancer(spec(port, {"a": a.port}, health_check=None)) as server:
            server.apply(config(spec(port, {"a": a.port}, health_check=None, listener={"limits": {"fields": 1}})))
            assert (await ask(port, x_a="1")).status == 431
            server.apply(config(spec(port, {"a": a.port}, health_check=None, protocol="tcp")))
            assert b"200 OK" in await raw_once(port)


@run
async def test_a_listener_moves_to_another_address_of_its_port():
    async with nodes("a") as (a,):
        port = free_port()
        wide, narrow = ({"address": address} for address in ("0.0.0.0", "127.0.0.1"))
        async with balancer(spec(port, {"a": a.port}, health_check=None, listener=wide)) as server:
            server.apply(config(spec(port, {"a": a.port}, health_check=None, listener=narrow)))
            assert (await ask(port)).status == 200
            missing = spec(port, {"a": a.port}, health_check=None, listener={"address": "203.0.113.9"})
            with pytest.raises(OperationError):
                server.apply(config(missing))
            assert (await ask(port)).status == 200


async def raw_once(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n")
    head = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    return head


def changed(found: Spec, part: str, name: str, **settings: Any) -> Spec:
    data = found.model_dump(exclude_unset=True)
    data[part][name].update(settings)
    return Spec.load(data)


@run
async def test_a_bad_configuration_changes_nothing():  # LB-6
    async with nodes("a") as (a,):
        port = free_port()
        good = spec(port, {"a": a.port}, health_check=None)
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            taken = other.getsockname()[1]
            async with balancer(good) as server:
                for bad, kind, path in (
                    (changed(good, "pools", "p", firewall=True), Unsupported, "pools.p.firewall"),
                    (spec(taken, {"b": a.port}, health_check=None), OperationError, "listeners.l.port"),
                ):
                    with pytest.raises(kind) as caught:
                        server.apply(config(bad))
                    error: LbkitError = caught.value
                    assert [p.path for p in error.problems] == [path]
                    assert (server.revision, list(server.pools["p"].pool.nodes)) == (1, ["a"])
                    assert (await ask(port)).status == 200


@run
async def test_stopping_answers_what_was_asked_and_takes_nothing_new():
    gate = Gate()
    async with nodes("a", handler=gate) as (a,):
        port = free_port()
        async with balancer(spec(port, {"a": a.port}, health_check=None)) as server:
            running, idle = await Client.to(port), await Client.to(port)
            running.ask()
            await until(lambda: a.now == 1)
            stopping = asyncio.create_task(server.stop())
            await until(lambda: server.unready() == ["stopping"])
            with pytest.raises(ConnectionRefusedError):
                await ask(port)
            assert await idle.reader.read() == b""
            gate.open_all()
            answer = await running.answer()
            assert (answer.status, answer.body) == (200, b"done")
            running.close()
            idle.close()
            await stopping


@run
async def test_stopping_is_bounded_by_the_drain():
    gate = Gate()
    async with nodes("a", handler=gate) as (a,):
        port = free_port()
        async with balancer(spec(port, {"a": a.port}, health_check=None, drain=0.05)) as server:
            running = asyncio.create_task(raw(port, b"GET / HTTP/1.1\r\nHost: t\r\n\r\n"))
            await until(lambda: a.now == 1)
            await server.stop()
            with pytest.raises(ConnectionResetError):
                await running


def called(server: Server, method: str, path: str, body: bytes = b"") -> tuple[int, Any]:
    reply = Api(server).answer(method, path, body)
    return reply.status, json.loads(reply.body)


@run
async def test_the_control_api():  # UK-13, LB-6
    async with nodes("a", "b") as (a, b):
        port = free_port()
        async with balancer(spec(port, {"a": a.port, "b": b.port})) as server:
            assert called(server, "GET", "/v1/live")[0] == 200
            assert called(server, "GET", "/v1/ready") == (200, {"ready": True, "reasons": []})
            status, answer = called(server, "POST", "/v1/pools/p/nodes/a/drain")
            assert (status, answer["admin_state"], answer["in_flight"]) == (200, "drain", 0)
            assert {(await ask(port)).body for _ in range(3)} == {b"b"}
            called(server, "POST", "/v1/pools/p/nodes/b/maintenance")
            status, answer = called(server, "GET", "/v1/ready")
            assert status == 503
            assert "pool p has no healthy node" in answer["reasons"][0]
            assert (await ask(port)).status == 503
            called(server, "POST", "/v1/pools/p/nodes/a/ready")
            assert {(await ask(port)).body for _ in range(3)} == {b"a"}

            status, document = called(server, "GET", "/v1/config")
            assert BootConfig.load(document) == server.config
            assert called(server, "PUT", "/v1/config", config(server.config.spec).model_dump_json().encode()) == (
                200,
                {"revision": 2},
            )


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "said"),
    [
        ("PUT", "/v1/config", b"{", 400, "not JSON"),
        ("PUT", "/v1/config", b"[]", 400, "not a JSON object"),
        ("PUT", "/v1/config", b'{"name": "x", "spec": {"pools": {}}}', 422, "BootConfig is not right"),
        ("POST", "/v1/pools/p/nodes/zzz/drain", b"", 404, "there are p/a"),
        ("POST", "/v1/status", b"", 405, "POST"),
        ("GET", "/v2", b"", 404, "/v2"),
    ],
)
@run
async def test_a_bad_call_changes_nothing(method: str, path: str, body: bytes, status: int, said: str):
    async with nodes("a") as (a,), balancer(spec(free_port(), {"a": a.port})) as server:
        code, answer = called(server, method, path, body)
        assert (code, server.revision) == (status, 1)
        assert said in answer["title"]


@run
async def test_a_new_listener_takes_clients_once_its_nodes_were_probed():
    asked = asyncio.Event()

    async def slow_to_say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
        if head.startswith(b"GET /health"):
            await asked.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with nodes("a", handler=slow_to_say) as (a,):
        port = free_port()
        check = {"path": "/health", "interval": 5, "timeout": 5}
        async with balancer(spec(port, {"a": a.port}, health_check=check), ready=False):
            early = asyncio.create_task(ask(port))
            await until(lambda: a.requests == 1)
            assert not early.done()
            asked.set()
            assert (await early).status == 200


@run
async def test_without_a_healthy_node_clients_are_answered_all_the_same():
    port = free_port()
    async with balancer(spec(port, {"a": free_port()}), ready=False):
        assert (await ask(port)).status == 503


@run
async def test_the_reason_for_not_being_ready_names_a_few_nodes_only():
    many = {f"n{port}": port for port in range(1, 30)}
    async with balancer(spec(free_port(), many), ready=False) as server:
        (reason,) = server.unready()
        assert reason.endswith("n10 checking and 19 more")
