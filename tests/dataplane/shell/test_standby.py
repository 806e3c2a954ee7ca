"""Hooks that wake nodes and let them rest, with real sockets and processes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from lbkit.dataplane.shell.server import Server
from lbkit.spec import Spec
from tests.dataplane.shell.house import FakeNode, Gate, ask, balancer, free_port, nodes, run, until
from tests.dataplane.specs import spec

PROBE = {"path": "/health", "interval": 0.05, "timeout": 0.05, "rise": 1, "fall": 1}


class Switch:
    """What starts and stops engines: POST /wake/NAME and /sleep/NAME, as it is told to answer."""

    def __init__(self, *engines: FakeNode) -> None:
        self.engines = {engine.name: engine for engine in engines}
        self.ports = {engine.name: engine.port for engine in engines}
        self.calls: list[str] = []
        self.status = 200

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
        method, target, _ = head.decode().split(" ", 2)
        assert method == "POST"
        _, what, name = target.split("/")
        self.calls.append(f"{what} {name}")
        if self.status == 200 and what == "wake":
            await self.engines[name].start(self.ports[name])
        elif self.status == 200:
            await self.engines[name].stop()
        writer.write(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % self.status)


def sleepy(port: int, hooks: int, awake: dict[str, int], asleep: dict[str, int], **limits: Any) -> Spec:
    standby = {
        "wake": {"post": f"http://127.0.0.1:{hooks}/wake/{{node}}"},
        "rest": {"post": f"http://127.0.0.1:{hooks}/sleep/{{node}}"},
    }
    found = spec(port, {**awake, **asleep}, health_check=PROBE).model_dump()
    found["pools"]["p"] |= {"limits": limits, "standby": standby}
    for name in asleep:
        found["pools"]["p"]["nodes"][name]["standby"] = True
    return Spec.load(found)


def rest_of(server: Server, node: str) -> str:
    return server.pools["p"].pool.nodes[node].rest


@run
async def test_the_sixth_parallel_request_wakes_the_second_node_which_rests_when_the_load_falls():  # UK-8, UK-10
    gate = Gate()
    async with nodes("a", "b") as (a, b):
        a.handler = b.handler = unless_probed(gate)
        await b.stop()
        switch = Switch(b)
        async with nodes("switch", handler=switch) as (hooks,):
            port = free_port()
            async with balancer(sleepy(port, hooks.port, {"a": a.port}, {"b": b.port}, soft=5), ready=False) as server:
                await until(lambda: server.pools["p"].pool.nodes["a"].eligible)
                asked = [asyncio.create_task(ask(port)) for _ in range(5)]
                await until(lambda: len(gate.waiting) == 5)
                assert switch.calls == []
                asked.append(asyncio.create_task(ask(port)))
                await until(lambda: rest_of(server, "b") == "awake")
                asked += [asyncio.create_task(ask(port)) for _ in range(3)]
                await until(lambda: len(gate.waiting) == 9)
                assert [n.in_flight for n in server.pools["p"].pool.nodes.values()] == [6, 3]
                gate.open_all()
                assert {answer.status for answer in await asyncio.gather(*asked)} == {200}
                await until(lambda: rest_of(server, "b") == "asleep")
            assert switch.calls == ["wake b", "sleep b"]


def unless_probed(gate: Gate) -> Any:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
        if head.startswith(b"GET /health"):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        else:
            await gate(reader, writer, head)

    return handler


@run
async def test_with_every_node_asleep_requests_are_held_and_one_wake_serves_them():  # LB-1
    async with nodes("b") as (b,):
        await b.stop()
        switch = Switch(b)
        async with nodes("switch", handler=switch) as (hooks,):
            port = free_port()
            found = sleepy(port, hooks.port, {}, {"b": b.port}, soft=9, queue={"size": 50, "timeout": 20})
            async with balancer(found, ready=False) as server:
                assert server.unready() == []
                answers = await asyncio.gather(*(ask(port) for _ in range(20)))
                assert {(answer.status, answer.body) for answer in answers} == {(200, b"b")}
                await until(lambda: rest_of(server, "b") == "asleep")
            assert switch.calls[0] == "wake b"
            assert switch.calls.count("wake b") == 1


@run
async def test_a_hook_that_fails_is_told_and_the_request_is_answered_at_its_deadline():  # LB-1, LB-11
    async with nodes("b") as (b,):
        await b.stop()
        switch = Switch(b)
        switch.status = 500
        async with nodes("switch", handler=switch) as (hooks,):
            port = free_port()
            found = sleepy(port, hooks.port, {}, {"b": b.port}, soft=9, queue={"size": 50, "timeout": 0.5})
            async with balancer(found, ready=False) as server:
                answer = await ask(port)
                assert answer.status == 504
                assert b'"reason": "queue"' in answer.body
                assert switch.calls == ["wake b"]
                assert server.status()["pools"]["p"]["nodes"]["b"]["last_error"].endswith("status 500")
                assert server.pools["p"].metrics.hooks["wake", "failed"] == 1


COMMANDS = [
    (["/bin/sh", "-c", 'printf "%s " "$@" > "$0"', "OUT", "{node}", "{address}:{port}", "a b; $HOME"], "awake", ""),
    (["/bin/sh", "-c", "echo no such engine >&2; exit 3"], "asleep", "ended with status 3: no such engine"),
    (["/nowhere/at-all"], "asleep", "No such file"),
]


@pytest.mark.parametrize(("command", "rest", "error"), COMMANDS, ids=["works", "fails", "is missing"])
def test_a_command_gets_its_arguments_as_they_are_and_no_shell(
    command: list[str], rest: str, error: str, tmp_path: Path
):
    out = tmp_path / "out"

    @run
    async def scenario() -> None:
        async with nodes("b") as (b,):
            port = free_port()
            found = sleepy(port, 1, {}, {"b": b.port}, soft=1, queue={"timeout": 5}).model_dump()
            hook = {"command": [str(out) if part == "OUT" else part for part in command]}
            found["pools"]["p"]["standby"] = {"wake": hook, "min_awake": 60}
            async with balancer(Spec.load(found), ready=False) as server:
                server.pools["p"].wake("b")
                await until(lambda: rest_of(server, "b") == rest)
                assert error in server.pools["p"].pool.nodes["b"].last_error
                if not error:
                    assert out.read_text() == f"b 127.0.0.1:{b.port} a b; $HOME "

    scenario()
