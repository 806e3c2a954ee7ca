"""What the user sees of each change that can't be made in place: the steps, in order, on a device that refuses what it refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pulumi
import pytest

from lbkit import LoadBalancer, Spec
from lbkit.errors import Belated
from lbkit.targets.bigip import Ltm
from lbkit.targets.bigip.ltm import _OPTIONS
from tests.mocks import Registered, registered
from tests.targets.bigip.double.device import Device
from tests.targets.bigip.double.engine import Engine
from tests.targets.bigip.double.provider import REPLACES, ProviderError
from tests.targets.bigip.house import LTM, Q, data, device, program


@pytest.fixture
def made(tmp_path: Path) -> Iterator[tuple[Device, Engine]]:
    with device(tmp_path, partitions=("Team",)) as found:
        yield found


def steps(engine: Engine, wanted: Registered) -> list[str]:
    return [step for step in engine.up(wanted) if "saved" not in step]


def of(changes: dict[str, Any], ltm: Ltm = LTM, **late: Any) -> Callable[[], Registered]:
    return lambda: program(changes, ltm, **late)


SECURED: dict[str, Any] = {"pools.p.protocol": "https", "pools.p.tls": {"verify": False}}
TLS = {
    "listeners.l.protocol": "https",
    "listeners.l.tls": {"default": {"certificate": "device:/Common/mine.crt", "key": "device:/Common/mine.key"}},
}
A = "p--10-0-0-1-8000--member"
ONE = {"pools.p.nodes.b": None}
PROFILES = ("tcp", "http", "oneconnect")
TCP = {**ONE, "pools.p.protocol": "tcp", "listeners.l.protocol": "tcp", "pools.p.health_check": None}
ROUTED = {**ONE, "listeners.l.routes": {"r": {"path": "/v1", "pool": "p"}}}
SNAT = Ltm(address="10.1.0.10", snat=["10.9.0.1"])


def moved(changes: dict[str, Any], *kinds: str) -> tuple[Callable[[], Registered], Callable[[], Registered], list[str]]:
    """Another port is another place: all that the listener stands on comes up there, then the old place goes."""
    every = [*kinds, "server"]
    return of({**ONE, **changes}), of({**ONE, **changes, "listeners.l.port": 8080}), [
        *(f"create 8080--{kind}" for kind in every), *(f"delete 80--{kind}" for kind in every)]  # fmt: skip


HTTP = moved({}, *PROFILES, "rule")
SEEN: dict[str, tuple[Callable[[], Registered], Callable[[], Registered], list[str]]] = {
    "Node.address": (of(ONE), of({**ONE, "pools.p.nodes.a.address": "10.0.0.9"}), [
        "create 10-0-0-9--node", "create p--10-0-0-9-8000--member", f"delete {A}", "delete 10-0-0-1--node"]),
    "Node.name": (of(ONE, pools__p__nodes__a__address="10.0.0.7"), of(ONE, pools__p__nodes__a__address="10.0.0.8"), [
        "create p--a--node", "create p--a--member", "delete p--a--member", "delete p--a--node"]),
    "Monitor.parent": (of({}), of({"pools.p.health_check": {}}), [
        "create p--tcp--monitor", "update p--pool", "delete p--http--monitor"]),
    "Monitor.name": (of({}), of({"pools.p.health_check.port": 9001}), [
        "create p--http-9001--monitor", "update p--pool", "delete p--http--monitor"]),
    "PoolAttachment.node": (of(ONE), of({**ONE, "pools.p.port": 8001}), ["create p--10-0-0-1-8001--member", f"delete {A}"]),
    "PoolAttachment.pool": (of(ONE), of({**ONE, "pools.p.limits": {"hard": 8}}), [
        "create p--limited--pool", "create p--limited--10-0-0-1-8000--member", "update 80--server", f"delete {A}", "delete p--pool"]),
    "Pool.name": (of(ONE), of({"pools.p": None, "pools.q": Q, "listeners.l.pool": "q"}), [
        "create q--http--monitor", "create 10-0-1-1--node", "create q--pool", "create q--10-0-1-1-9000--member", "update 80--server",
        f"delete {A}", "delete p--pool", "delete 10-0-0-1--node", "delete p--http--monitor"]),
    "VirtualServer.profiles": (of(ONE), of(TCP), [
        "create 80--fastl4", "update p--pool", "delete 80--server", "create 80--server",
        *(f"delete 80--{kind}" for kind in (*PROFILES, "rule")), "delete p--http--monitor"]),
    "VirtualServer.sourceAddressTranslation": (of(ONE), of(ONE, SNAT), [
        "create addresses--snat", "delete 80--server", "create 80--server"]),
    "VirtualServer.name": HTTP, "ProfileTcp.name": HTTP, "ProfileHttp.name": HTTP, "ProfileOneConnect.name": HTTP, "IRule.name": HTTP,
    "ProfileFastL4.name": moved(TCP, "fastl4"),
    "Policy.name": moved(ROUTED, *PROFILES, "rule", "policy"),
    "ProfileClientSsl.name": moved(TLS, "clientssl", *PROFILES, "rule"),
    "ProfileServerSsl.name": (of({**ONE, **SECURED}), of({**ONE, **SECURED, "pools.p.tls": {"verify": False, "server_name": "n.x"}}), [
        "create p--named--serverssl", "create p--https-named--monitor", "update p--pool", "update 80--server",
        "delete p--https--monitor", "delete p--serverssl"]),
    "VirtualAddress.name": (of(ONE), of(ONE, Ltm(address="10.1.0.11", tmms=4)), [
        "create placement--address", "update 80--server", "delete placement--address"]),
}  # fmt: skip
ELSEWHERE = {
    "SnatPool.name": "it holds the balancer's name and the partition alone: see the tests of both below",
    "Certificate.name": "see test_device: a renewed certificate comes up beside the old",
    "Key.name": "the same",
}


def test_every_argument_that_replaces_is_in_the_table():
    rendered = {f"{kind}.{argument}" for kind, arguments in REPLACES.items() for argument in arguments}
    asked = {f"VirtualServer.{argument}" for argument in _OPTIONS["virtual_servers"]["replace_on_changes"]}
    assert {*SEEN, *ELSEWHERE} == rendered | asked


@pytest.mark.parametrize("argument", SEEN)
def test_what_is_replaced_comes_up_beside_what_runs(argument: str, made: tuple[Device, Engine]):
    at, engine = made
    before, after, wanted = SEEN[argument]
    engine.up(before())
    did = steps(engine, after())
    assert sorted(did) == sorted(wanted)
    gone = ("delete 80--server",) if "create 80--server" in wanted else ()  # held once, so it goes first
    assert [s for s in did if s[:6] != "delete" or s in gone] == [s for s in wanted if s[:6] != "delete" or s in gone]
    assert at.empty == []


Q80, Q81 = {"port": 80, "pool": "q"}, {"port": 81, "pool": "q"}
BOTH = {**ONE, "pools.q": Q}


def test_a_listeners_new_name_is_a_new_description(made: tuple[Device, Engine]):
    at, engine = made
    engine.up(program(ROUTED))
    renamed = {**ROUTED, "listeners.l": None, "listeners.new": data(ROUTED)["listeners"]["l"]}
    del renamed["listeners.l.routes"]
    assert steps(engine, program(renamed)) == ["update 80--server"]
    assert at.objects["ltm/virtual"]["/Common/lb--80--server"]["description"] == "listener new of lb"


@pytest.mark.parametrize(
    "kind",
    [{}, {"pools.q.protocol": "tcp", "pools.q.health_check": {}, "listeners.m.protocol": "tcp"}],
    ids=["http", "tcp"],
)
def test_listeners_change_places(kind: dict[str, Any], made: tuple[Device, Engine]):
    """Each virtual server stays where it is and gets what the other had; only one of another kind is made again."""
    at, engine = made
    engine.up(program({**BOTH, "listeners.m": Q81, **kind}))
    did = steps(engine, program({**BOTH, "listeners.m": Q80, "listeners.l.port": 81, **kind}))
    held = at.objects["ltm/virtual"]
    assert {name: server["pool"] for name, server in held.items()} == {
        "/Common/lb--80--server": "/Common/lb--q--pool", "/Common/lb--81--server": "/Common/lb--p--pool"}  # fmt: skip
    assert at.empty == []
    if not kind:
        assert sorted(did) == ["update 80--server", "update 81--server"]
    ends = {step for step in did if step.startswith("delete") and step.endswith("--server")}
    assert ends == ({"delete 80--server", "delete 81--server"} if kind else set())


def test_source_addresses_and_the_devices_own_change_by_a_new_server(made: tuple[Device, Engine]):
    at, engine = made
    more, none = Ltm(address="10.1.0.10", snat=["10.9.0.1", "10.9.0.2"]), Ltm(address="10.1.0.10", snat="none")
    again = ["delete 80--server", "create 80--server"]
    engine.up(program())
    assert steps(engine, program(ltm=SNAT)) == ["create addresses--snat", *again]
    assert steps(engine, program(ltm=more)) == ["update addresses--snat"]
    assert at.objects["ltm/snatpool"]["/Common/lb--addresses--snat"]["members"] == [
        "/Common/10.9.0.1",
        "/Common/10.9.0.2",
    ]
    assert steps(engine, program(ltm=none)) == ["update 80--oneconnect", *again, "delete addresses--snat"]
    assert steps(engine, program()) == ["update 80--oneconnect", *again]
    assert at.empty == []


def test_a_traffic_group_changes_in_place(made: tuple[Device, Engine]):
    at, engine = made
    engine.up(program())
    assert steps(engine, program(ltm=Ltm(address="10.1.0.10", traffic_group="/Common/two"))) == [
        "update placement--address"
    ]
    assert at.objects["ltm/virtual-address"]["/Common/10.1.0.10"]["trafficGroup"] == "/Common/two"


USED: dict[str, dict[str, Any]] = {
    "tcp": {"pools.p.timeouts.idle": 900}, "oneconnect": {"pools.p.timeouts.keep_alive": 9},
    "rule": {"listeners.l.trust_forwarded": ["10.0.0.0/8"]}, "cookie": {"pools.p.sticky": {"cookie": "other"}},
    "serverssl": {**SECURED, "pools.p.tls": {"ca": "device:/Common/ca.crt"}},
    "policy": {"listeners.l.routes": {"r": {"path": "/v2", "pool": "p"}}},
    "clientssl": {**TLS, "listeners.l.tls.min_version": "1.3"},
}  # fmt: skip
BEFORE: dict[str, dict[str, Any]] = {
    "cookie": {"pools.p.sticky": {}},
    "serverssl": SECURED,
    "policy": ROUTED,
    "clientssl": TLS,
}


@pytest.mark.parametrize("kind", USED)
def test_what_a_virtual_server_uses_changes_below_it(kind: str, made: tuple[Device, Engine]):
    at, engine = made
    engine.up(program({**ONE, **BEFORE.get(kind, {})}))
    assert steps(engine, program({**ONE, **USED[kind]})) == [f"update {'p' if kind == 'serverssl' else 80}--{kind}"]
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


def test_an_address_moves_between_placement_and_listener_in_two_steps(made: tuple[Device, Engine]):
    at, engine = made
    own, other = {"listeners.l.address": "10.1.0.99"}, Ltm(address="10.1.0.99")
    engine.up(program(own))
    with pytest.raises(ProviderError, match="01020066"):
        engine.up(program(ltm=other))
    for step in (program(own), program(), program(ltm=other), program(), program(own)):
        engine.up(step)
    assert list(at.objects["ltm/virtual"]) == ["/Common/lb--10-1-0-99-80--server"]
    assert at.empty == []


def test_an_output_in_place_of_the_placements_address_changes_nothing(made: tuple[Device, Engine]):  # LB-4
    _, engine = made

    def placed(*, later: bool) -> Registered:
        def run() -> None:
            address: Any = pulumi.Output.from_input("10.1.0.10") if later else "10.1.0.10"
            LoadBalancer("lb", Spec.load(data()), Ltm(address=address))

        return registered(run, preview=False)

    engine.up(placed(later=False))
    assert steps(engine, placed(later=True)) == []
    assert steps(engine, placed(later=False)) == []


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
