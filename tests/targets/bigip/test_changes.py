"""What the user sees of each change that can't be made in place: the steps, in order, on a device that refuses what it refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulumi
import pytest

from lbkit import LoadBalancer, Spec
from lbkit.errors import Belated
from lbkit.targets.bigip import Ltm
from tests.mocks import Registered, registered
from tests.targets.bigip.double.device import Device
from tests.targets.bigip.double.engine import Engine
from tests.targets.bigip.double.provider import REPLACES, ProviderError
from tests.targets.bigip.house import LTM, data, device, program


@pytest.fixture
def made(tmp_path: Path) -> Iterator[tuple[Device, Engine]]:
    with device(tmp_path, partitions=("Team",)) as found:
        yield found


def steps(engine: Engine, wanted: Registered) -> list[str]:
    return [step for step in engine.up(wanted) if "saved" not in step]


A = "p--10-0-0-1-8000--member"
ONE = {"pools.p.nodes.b": None}
SEEN: dict[tuple[str, str], tuple[dict[str, Any], dict[str, Any], list[str]]] = {
    ("Node", "address"): (ONE, {**ONE, "pools.p.nodes.a.address": "10.0.0.9"}, [
        "create 10-0-0-9--node", "create p--10-0-0-9-8000--member", f"delete {A}", "delete 10-0-0-1--node"]),
    ("Monitor", "parent"): ({}, {"pools.p.health_check": {}}, [
        "create p--tcp--monitor", "update p--pool", "delete p--http--monitor"]),
    ("PoolAttachment", "node"): (ONE, {**ONE, "pools.p.port": 8001}, ["create p--10-0-0-1-8001--member", f"delete {A}"]),
    ("PoolAttachment", "pool"): (ONE, {**ONE, "pools.p.limits": {"hard": 8}}, [
        "create p--limited--pool", "create p--limited--10-0-0-1-8000--member", "update l--server", f"delete {A}", "delete p--pool"]),
    ("VirtualServer", "profiles"): (ONE, {**ONE, "pools.p.protocol": "tcp", "listeners.l.protocol": "tcp", "pools.p.health_check": None}, [
        "create l--fastl4", "update p--pool", "delete l--server", "create l--server",
        "delete l--tcp", "delete l--http", "delete l--oneconnect", "delete p--http--monitor", "delete l--rule"]),
    ("VirtualAddress", "name"): (ONE, {**ONE, "listeners.l.address": "10.1.0.99"}, [
        "create 10-1-0-99--address", "update l--server", "delete 10-1-0-10--address"]),
    ("Policy", "name"): (ONE, {**ONE, "listeners.l.routes": {"r": {"path": "/v1", "pool": "p"}}}, [
        "create l--policy", "update l--server"]),
}  # fmt: skip


@pytest.mark.parametrize("argument", SEEN, ids=".".join)
def test_what_is_replaced_comes_up_beside_what_runs(argument: tuple[str, str], made: tuple[Device, Engine]):
    at, engine = made
    before, after, wanted = SEEN[argument]
    assert argument == ("VirtualServer", "profiles") or argument[1] in REPLACES[argument[0]]
    engine.up(program(before))
    did = steps(engine, program(after))
    assert len(did) == len(wanted), did
    assert {step for step in wanted if step.startswith("delete")} == {step for step in did if step.startswith("delete")}
    gone = ("delete l--server",)  # held once, so it goes first
    assert [s for s in did if s[:6] != "delete" or s in gone] == [s for s in wanted if s[:6] != "delete" or s in gone]
    assert at.empty == []


def test_source_addresses_and_the_devices_own_change_by_a_new_server(made: tuple[Device, Engine]):
    at, engine = made
    other = Ltm(address="10.1.0.10", snat=["10.9.0.1"])
    engine.up(program())
    assert steps(engine, program(ltm=other)) == ["create addresses--snat", "delete l--server", "create l--server"]
    assert steps(engine, program(ltm=LTM)) == ["delete l--server", "create l--server", "delete addresses--snat"]
    assert at.empty == []


def test_another_partition_is_refused_and_not_ignored(made: tuple[Device, Engine]):
    at, engine = made
    engine.up(program())
    with pytest.raises(ProviderError, match="0107176c"):
        engine.up(program(ltm=Ltm(address="10.1.0.10", partition="Team")))
    engine.up(program())
    assert {name.split("/")[1] for _, name in at.own()} == {"Common"}, "the old program goes on"


def test_addresses_are_taken_over_by_nobody(made: tuple[Device, Engine]):
    _, engine = made
    engine.up(program(ltm=Ltm(address="10.1.0.10", traffic_group=None)))
    with pytest.raises(ProviderError, match="409 01020066"):
        engine.up(program(ltm=LTM))


def late(value: str, preview: bool) -> Any:
    """An Output that is unknown at preview."""

    async def soon(found: Any) -> Any:
        return found

    loop = asyncio.get_event_loop()
    return pulumi.Output(set(), loop.create_task(soon(None if preview else value)), loop.create_task(soon(not preview)))


@pytest.mark.parametrize("place", ["node", "address", "snat", "range"])
def test_preview_shows_every_object_of_an_address_that_comes_later(place: str):  # LB-4
    def run(preview: bool) -> None:
        wanted = data()
        if place == "node":
            wanted["pools"]["p"]["nodes"]["a"]["address"] = late("10.0.0.7", preview)
        if place == "range":
            wanted["listeners"]["l"]["allow"] = [late("172.16.0.0/12", preview)]
            wanted["listeners"]["l"]["trust_forwarded"] = ["10.0.0.0/8", late("172.16.0.0/12", preview)]
        address: Any = late("2001:db8::7", preview) if place == "address" else "10.1.0.10"
        snat: Any = [late("10.9.0.1", preview)] if place == "snat" else "automap"
        LoadBalancer("lb", Spec.load(wanted), Ltm(address=address, snat=snat))

    up = registered(lambda: run(False), preview=False)
    assert set(up.resources) == set(registered(lambda: run(True), preview=True).resources)
    (server,) = up.of("f5bigip:ltm/virtualServer:VirtualServer").values()
    nodes = {item["inputs"]["name"] for item in up.of("f5bigip:ltm/node:Node").values()}
    if place == "address":
        assert (server["inputs"]["source"], server["inputs"]["mask"]) == ("::/0", ":".join(["ffff"] * 8))
    if place == "range":
        (rule,) = up.of("f5bigip:ltm/iRule:IRule").values()
        assert server["inputs"]["source"] == "172.16.0.0/12"
        trusted = "[IP::addr [IP::client_addr] equals {}]"
        assert f"!({trusted.format('10.0.0.0/8')} || {trusted.format('172.16.0.0/12')})" in rule["inputs"]["irule"]
    if place == "node":
        assert nodes == {"/Common/lbkit--p--a--10-0-0-7--node", "/Common/lb--10-0-0-2--node"}


def test_a_late_range_of_the_other_kind_is_refused_when_it_arrives():  # LB-4
    def run() -> None:
        wanted = data()
        wanted["listeners"]["l"]["allow"] = [late("fd00::/8", False)]
        LoadBalancer("lb", Spec.load(wanted), Ltm(address="10.1.0.10"))

    with pytest.raises(Belated, match=r"listeners\.l\.allow\n +No client of this range can reach an IPv4 address"):
        registered(run, preview=False)
