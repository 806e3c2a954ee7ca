"""One process follows another, and a node's limit, what was set by hand, and every listening socket go with it."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lbkit.dataplane.config import BootConfig
from lbkit.dataplane.control_client import call
from lbkit.spec import Spec
from tests.dataplane.shell.house import Gate, ask, balancer, free_port, nodes, run, until
from tests.dataplane.specs import spec
from tests.dataplane.test_sources import document, replace, serving
from tests.e2e.fleet import Load, NodeServer, get, servers
from tests.e2e.fleet import until as until_true


def pool(state: Path) -> Any:
    return call(state / "control.sock", "GET", "/v1/status")[1]["pools"]["p"]


@contextmanager
def held(node: NodeServer, port: int) -> Iterator[list[tuple[int, str]]]:
    """A request that the node works on until this ends; then its answer."""
    node.gate.clear()
    answers: list[tuple[int, str]] = []
    thread = threading.Thread(target=lambda: answers.append(get(port)))
    thread.start()
    until_true(lambda: node.now == 1, "the node has it")
    yield answers
    node.gate.set()
    thread.join()


def test_under_load_a_limit_holds_through_take_overs_and_nobody_fails(tmp_path: Path):  # UK-11, LB-6
    file, state, port = tmp_path / "boot.json", tmp_path / "state", free_port()
    with servers("a", "b", seconds=0.03) as fleet:
        limits = {"hard": 2, "queue": {"size": 100, "timeout": 20}}
        file.write_text(document(port, *fleet, limits=limits))
        with serving(state, str(file)) as first, Load(port, clients=10) as load:
            until_true(lambda: load.answers["a"] > 20, "requests flow")
            with serving(state, str(file), "--take-over") as second:
                assert first.wait(20) == 0
                before = load.answers["a"]
                until_true(lambda: load.answers["a"] > before + 20, "requests go on")
                with serving(state, str(file), "--take-over"):
                    assert second.wait(20) == 0
                    before = load.answers["a"]
                    until_true(lambda: load.answers["a"] > before + 20, "requests go on")
                    assert [node.most for node in fleet] == [2, 2]
                    assert load.failures == []


def queued(state: Path, port: int, answers: list[Any]) -> threading.Thread:
    """A client that waits for a slot; its answer joins the others."""
    waiting = threading.Thread(target=lambda: answers.append(get(port)))
    waiting.start()
    until_true(lambda: pool(state)["queued"] == 1, "one waits")
    return waiting


def test_what_runs_in_older_processes_counts_on_the_node(tmp_path: Path):  # UK-11
    file, state, port = tmp_path / "boot.json", tmp_path / "state", free_port()
    with servers("a") as (a,):
        file.write_text(document(port, a, limits={"hard": 1}, drain=30))
        with serving(state, str(file)) as first, held(a, port) as answers:
            with serving(state, str(file), "--take-over"), serving(state, str(file), "--take-over"):
                assert pool(state)["in_flight"] == 1
                assert get(port)[0] == 503
                a.gate.set()
                assert first.wait(20) == 0
                until_true(lambda: pool(state)["in_flight"] == 0, "the slot is free")
                assert get(port) == (200, "a")
            assert (a.most, answers) == (1, [(200, "a")])


def test_who_waits_in_the_old_process_is_served_first_and_once(tmp_path: Path):  # SA-9, UK-11
    file, state, port = tmp_path / "boot.json", tmp_path / "state", free_port()
    with servers("a") as (a,):
        file.write_text(document(port, a, limits={"hard": 1, "queue": {"size": 1, "timeout": 20}}, drain=30))
        with serving(state, str(file)) as first, held(a, port) as answers:
            waiting = queued(state, port, answers)
            with serving(state, str(file), "--take-over"):
                assert (pool(state)["in_flight"], pool(state)["queued"]) == (1, 1)
                assert get(port)[0] == 503, "the queue is one queue"
                a.gate.set()
                waiting.join()
                assert first.wait(20) == 0
                until_true(lambda: pool(state)["in_flight"] == 0, "the slot is free")
            assert (a.most, answers) == (1, [(200, "a")] * 2)


def test_a_successor_that_dies_gives_the_decision_back(tmp_path: Path):  # LB-7
    file, state, port = tmp_path / "boot.json", tmp_path / "state", free_port()
    with servers("a") as (a,):
        file.write_text(document(port, a, limits={"hard": 1, "queue": {"size": 1, "timeout": 20}}, drain=30))
        with serving(state, str(file)) as first, held(a, port) as answers:
            waiting = queued(state, port, answers)
            with serving(state, str(file), "--take-over") as second:
                second.kill()
                second.wait()
            a.gate.set()
            waiting.join()
            assert first.wait(20) == 0
        assert (a.most, answers) == (1, [(200, "a")] * 2)


def test_a_tcp_connection_of_the_old_process_counts_too(tmp_path: Path):  # UK-11
    file, state, port = tmp_path / "boot.json", tmp_path / "state", free_port()
    with servers("a") as (a,):
        file.write_text(document(port, a, protocol="tcp", limits={"hard": 1}, drain=30))
        with serving(state, str(file)) as first:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.connect()
            until_true(lambda: pool(state)["in_flight"] == 1, "a node has it")
            with serving(state, str(file), "--take-over"):
                with pytest.raises(OSError):
                    get(port)
                connection.request("GET", "/")
                assert connection.getresponse().read() == b"a"
                connection.close()
                assert first.wait(20) == 0
                until_true(lambda: pool(state)["in_flight"] == 0, "the slot is free")
                assert get(port) == (200, "a")


def test_what_was_set_by_hand_stays_unless_the_configuration_says_something_new(tmp_path: Path):  # UK-13
    file, state, port = tmp_path / "boot.json", tmp_path / "state", free_port()
    with servers("a", "b", "c") as (a, b, c):
        file.write_text(document(port, a, b, c))
        with serving(state, str(file)) as first:
            for node, action in (("a", "drain"), ("b", "maintenance"), ("c", "drain")):
                assert call(state / "control.sock", "POST", f"/v1/pools/p/nodes/{node}/{action}")[0] == 200
            changed = json.loads(document(port, a, b, c))
            changed["spec"]["pools"]["p"]["nodes"]["c"]["admin_state"] = "maintenance"
            replace(file, json.dumps(changed))
            until_true(lambda: states(state)["c"] == "maintenance", "the file is taken")
            assert call(state / "control.sock", "POST", "/v1/pools/p/nodes/c/ready")[0] == 200
            replace(file, document(port, a, b, c))
            with serving(state, str(file), "--take-over"):
                assert first.wait(20) == 0
                assert states(state) == {"a": "drain", "b": "maintenance", "c": "ready"}
                assert get(port) == (200, "c")
                assert call(state / "control.sock", "POST", "/v1/pools/p/nodes/a/ready")[0] == 200
                assert states(state)["a"] == "ready"


def states(state: Path) -> dict[str, str]:
    return {name: node["admin_state"] for name, node in pool(state)["nodes"].items()}


def test_hundreds_of_listening_sockets_go_over(tmp_path: Path):  # LB-6
    file, state, port = tmp_path / "boot.json", tmp_path / "state", free_port()
    hosts = [f"127.0.{i // 200 + 1}.{i % 200 + 1}" for i in range(520)]
    with servers("a") as (a,):
        found = spec(port, {"a": a.server_address[1]}, drain=5).model_dump()
        found["listeners"] = {f"l{i}": {**found["listeners"]["l"], "address": host} for i, host in enumerate(hosts)}
        file.write_text(BootConfig(name="t", spec=Spec.load(found)).model_dump_json())
        with serving(state, str(file)) as first, serving(state, str(file), "--take-over"):
            assert first.wait(20) == 0
            for host in hosts:
                socket.create_connection((host, port), 5).close()


@run
async def test_a_renamed_pool_begins_with_the_work_that_is_there():  # UK-11
    gate = Gate()
    async with nodes("a", handler=gate) as (a,):
        port = free_port()
        before = spec(port, {"a": a.port}, health_check=None, limits={"hard": 1})
        async with balancer(before) as server:
            running = await begun(port, gate, 1)
            for name in ("q", "r"):
                after = before.model_dump()
                after["pools"] = {name: after["pools"]["p"]}
                after["listeners"]["l"]["pool"] = name
                server.apply(BootConfig(name="test", spec=Spec.load(after)))
                assert (await ask(port)).status == 503
            gate.open_all()
            assert (await running).status == 200
            again = await begun(port, gate, 2)
            gate.open_all()
            assert (await again).status == 200
            assert a.most == 1


@run
async def test_a_node_that_moves_to_another_pool_and_back_takes_its_work_along():  # UK-11, LB-7
    gate = Gate()
    async with nodes("a", "b", handler=gate) as (a, b):
        port = free_port()
        both = {"a": {"address": "127.0.0.1", "port": a.port}, "b": {"address": "127.0.0.1", "port": b.port}}
        limits = {"hard": 1, "queue": {"size": 5, "timeout": 20}}
        found = spec(port, {"a": a.port}, health_check=None, limits=limits).model_dump()
        found["pools"]["q"] = {**found["pools"]["p"], "nodes": {"b": both["b"]}}
        found["listeners"]["l"]["routes"] = {"q": {"path": "/q", "pool": "q"}}
        async with balancer(Spec.load(found)) as server:
            running = [await begun(port, gate, 1), await begun(port, gate, 2, "/q")]
            waiting = asyncio.ensure_future(ask(port, path="/q"))
            await until(lambda: server.pools["q"].pool.waiting)
            found["pools"]["p"]["nodes"], found["pools"]["q"]["nodes"] = {"b": both["b"]}, both
            server.apply(BootConfig(name="test", spec=Spec.load(found)))
            assert len(server.pools["q"].pool.waiting) == 1, "a still has its work"
            gate.waiting[0].set()
            assert (await running[0]).status == 200
            await until(lambda: len(gate.waiting) == 3)
            gate.open_all()
            assert {(await each).status for each in (running[1], waiting)} == {200}
            assert (a.most, b.most) == (1, 1)


async def begun(port: int, gate: Gate, count: int, path: str = "/") -> Any:
    """A request that a node has: the `count`th."""
    task = asyncio.ensure_future(ask(port, path=path))
    await until(lambda: len(gate.waiting) == count)
    return task
