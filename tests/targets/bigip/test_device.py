"""Plans on a device that refuses what a BIG-IP refuses: made, changed in every way, and taken away again.

After each step: nothing was refused, no pool in use was ever without a member, and the device holds what the plan says.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulumi
import pytest

from lbkit import LoadBalancer, Spec
from lbkit.errors import Belated
from lbkit.targets.bigip import Device as Appliance
from lbkit.targets.bigip import Ltm, Pair
from tests.mocks import Registered, registered
from tests.targets.bigip.double.device import Device
from tests.targets.bigip.double.engine import Engine
from tests.targets.bigip.double.provider import ProviderError
from tests.targets.bigip.double.server import certificate
from tests.targets.bigip.house import LTM, Q, data, device, program

ROUTED = {"pools.q": Q, "listeners.l.routes": {"r": {"host": "a.example", "path": "/v1", "pool": "q"}}}
ANSWERED = {"listeners.l.routes": {"r": {"exact": "/a", "answer": {"status": 200, "body": "{ok}"}}}}
REDIRECTED = {
    "listeners.l.pool": None,
    "listeners.l.redirect": {"scheme": "https"},
    "listeners.m": {"port": 81, "pool": "p"},
}
TCP = {"pools.p.protocol": "tcp", "listeners.l.protocol": "tcp", "pools.p.health_check": {}}
NODES = {"pools.p.nodes": {"c": {"address": "10.0.0.3"}, "d": {"address": "10.0.0.4"}}}

CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a node more": ({}, {"pools.p.nodes.c": {"address": "10.0.0.3"}}),
    "a node less": ({}, {"pools.p.nodes.b": None}),
    "all nodes others": ({}, NODES),
    "other ports": ({}, {"pools.p.port": 8001}),
    "a limit": ({}, {"pools.p.limits": {"hard": 8}}),
    "no limit": ({"pools.p.limits": {"hard": 8}}, {}),
    "another limit": ({"pools.p.limits": {"hard": 8}}, {"pools.p.limits": {"hard": 16}}),
    "a backup": ({}, {"pools.p.nodes.b.backup": True}),
    "no backup": ({"pools.p.nodes.b.backup": True}, {}),
    "a drained node": ({}, {"pools.p.nodes.b.admin_state": "drain"}),
    "a probe by TCP": ({}, {"pools.p.health_check": {}}),
    "a probe by HTTPS": ({}, {"pools.p.health_check.protocol": "https"}),
    "a probe of another port": ({}, {"pools.p.health_check.port": 9001}),
    "slower probes": ({}, {"pools.p.health_check.interval": 10}),
    "no probe": ({}, {"pools.p.health_check": None}),
    "another algorithm": ({}, {"pools.p.algorithm": "least_connections"}),
    "weights": ({}, {"pools.p.nodes.b.weight": 3}),
    "a hash": ({}, {"pools.p.algorithm": "source_hash"}),
    "no hash": ({"pools.p.algorithm": "source_hash"}, {}),
    "cookies": ({}, {"pools.p.sticky": {"ttl": 90_000 - 3600}}),
    "no cookies": ({"pools.p.sticky": {}}, {}),
    "a hash for cookies": ({"pools.p.sticky": {}}, {"pools.p.algorithm": "source_hash"}),
    "routes": ({}, ROUTED),
    "no routes": (ROUTED, {}),
    "another route": (ROUTED, {**ROUTED, "listeners.l.routes.s": {"methods": ["POST"], "pool": "p"}}),
    "an answer": ({}, ANSWERED),
    "an answer beside routes": (ROUTED, {**ROUTED, "listeners.l.routes.s": ANSWERED["listeners.l.routes"]["r"]}),
    "no answer": (ANSWERED, {}),
    "a redirect": ({"listeners.m": {"port": 81, "pool": "p"}}, REDIRECTED),
    "another pool": ({"pools.q": Q, "listeners.m": {"port": 81, "pool": "q"}}, {"pools.q": Q, "listeners.l.pool": "q",
                                                                               "listeners.m": {"port": 81, "pool": "p"}}),
    "a pool more": ({}, {"pools.q": Q, "listeners.m": {"port": 81, "pool": "q"}}),
    "a pool less": ({"pools.q": Q, "listeners.m": {"port": 81, "pool": "q"}}, {}),
    "bytes, no HTTP": ({}, TCP),
    "HTTP, no bytes": (TCP, {}),
    "TLS to the nodes": ({}, {"pools.p.protocol": "https", "pools.p.tls": {"verify": False}}),
    "a name for TLS to the nodes": ({"pools.p.protocol": "https", "pools.p.tls": {"verify": False}},
                                    {"pools.p.protocol": "https", "pools.p.tls": {"verify": False, "server_name": "n.x"}}),
    "no name for TLS to the nodes": ({"pools.p.protocol": "https", "pools.p.tls": {"verify": False, "server_name": "n.x"}},
                                     {"pools.p.protocol": "https", "pools.p.tls": {"verify": False}}),
    "ranges": ({}, {"listeners.l.allow": ["10.0.0.0/8", "192.168.0.0/16"]}),
    "no ranges": ({"listeners.l.allow": ["10.0.0.0/8"]}, {}),
    "another range": ({"listeners.l.allow": ["10.0.0.0/8"]}, {"listeners.l.allow": ["10.0.0.0/8", "172.16.0.0/12"]}),
    "another port": ({}, {"listeners.l.port": 8080}),
    "another address": ({}, {"listeners.l.address": "10.1.0.99"}),
    "another idle time": ({}, {"pools.p.timeouts.idle": 900}),
    "a node of two pools": ({}, {"pools.q": {**Q, "nodes": {"z": {"address": "10.0.0.1"}}}, "listeners.m": {"port": 81, "pool": "q"}}),
    "trusted peers": ({}, {"listeners.l.trust_forwarded": ["10.0.0.0/8"]}),
}  # fmt: skip


@pytest.fixture
def made(tmp_path: Path) -> Iterator[tuple[Device, Engine]]:
    with device(tmp_path, partitions=("Team",)) as found:
        yield found


def settled(at: Device, engine: Engine) -> None:
    """Nothing was emptied, nothing is left over, and the next plan is empty."""
    assert at.empty == []
    names = {item["inputs"]["name"] for urn, item in engine.state.items() if "name" in item["inputs"]}
    assert {name for collection, name in at.own() if not collection.startswith("sys/file")} <= names
    for item in engine.state.values():
        if "sourceAddressTranslation" in item["inputs"]:
            shown = at.objects["ltm/virtual"][item["inputs"]["name"]]
            wanted = [name for key in ("profiles", "clientProfiles", "serverProfiles") for name in item["inputs"][key]]
            assert sorted(p["name"] for p in shown["profiles"]) == sorted(wanted), "a profile that never settles"
            assert shown["sourceAddressTranslation"]["type"] == item["inputs"]["sourceAddressTranslation"]
            assert shown["rules"] == item["inputs"]["irules"]
        if "priorityGroup" in item["inputs"]:
            member = at.members[item["inputs"]["pool"]][item["inputs"]["node"]]
            for key in ("priorityGroup", "connectionLimit", "ratio"):
                assert member[key] == item["inputs"][key], "a value that can't be taken back"


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_meets_nothing_in_use_and_empties_no_pool(change: str, made: tuple[Device, Engine]):  # F5-3, LB-2
    at, engine = made
    before, after = CHANGES[change]
    engine.up(program(before))
    settled(at, engine)
    assert engine.up(program(before)) == [], "the same program changes nothing"
    assert engine.up(program(after)), "the change shows"
    settled(at, engine)
    engine.up(program(before))
    settled(at, engine)
    at.empty.clear()
    engine.destroy()
    assert at.own() == []
    assert [call for call in at.calls if call.startswith("DELETE")]


PLACES: dict[str, tuple[Ltm, Ltm]] = {
    "SNAT addresses": (LTM, Ltm(address="10.1.0.10", snat=["10.9.0.1", "10.9.0.2"])),
    "no SNAT": (LTM, Ltm(address="10.1.0.10", snat="none")),
    "another traffic group": (LTM, Ltm(address="10.1.0.10", traffic_group="/Common/traffic-group-2")),
    "another virtual address": (LTM, Ltm(address="10.1.0.11")),
    "somebody else's address": (
        Ltm(address="10.1.0.10", traffic_group=None),
        Ltm(address="10.1.0.11", traffic_group=None),
    ),
    "WebSocket": (LTM, Ltm(address="10.1.0.10", websocket=True)),
    "an IPv6 address": (LTM, Ltm(address="2001:db8::10")),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_change_of_the_placement(place: str, made: tuple[Device, Engine]):
    at, engine = made
    for ltm in (*PLACES[place], PLACES[place][0]):
        engine.up(program(ltm=ltm))
        settled(at, engine)
        assert engine.up(program(ltm=ltm)) == []
    engine.destroy()
    assert at.own() == []


def test_everything_may_be_in_a_partition_of_its_own(made: tuple[Device, Engine]):
    at, engine = made
    team = Ltm(address="10.1.0.10", partition="Team", snat=["10.9.0.1"])
    for changes in (ROUTED, {**ROUTED, "listeners.l.routes.s": {"methods": ["POST"], "pool": "p"}}):
        engine.up(program(changes, team))
        settled(at, engine)
        assert {name.split("/")[1] for _, name in at.own()} == {"Team"}


def test_a_pair_is_configured_on_one_and_synchronised(made: tuple[Device, Engine]):
    at, engine = made
    devices = {
        key: Appliance(address=f"192.0.2.{n}", user="admin", password="x-secret") for key, n in (("a", 1), ("b", 2))
    }
    for talk_to, address in (("a", "192.0.2.1"), ("b", "192.0.2.2")):
        wanted = program({}, Ltm(address="10.1.0.10", device=Pair(devices=devices, talk_to=talk_to, group="both")))
        (provider,) = wanted.of("pulumi:providers:f5bigip").values()
        assert provider["inputs"]["address"] == address
    engine.up(wanted)
    assert at.bash == ["-c 'tmsh save sys config'", "-c 'tmsh run cm config-sync to-group both'"]


def test_a_rename_replaces_nothing_but_the_commands(made: tuple[Device, Engine]):  # UK-17
    at, engine = made
    engine.up(program())
    engine.state = {urn.replace("::lb", "::new"): item for urn, item in engine.state.items()}
    did = engine.up(program(name="new"))
    assert [step for step in did if "saved" not in step and not step.startswith("update")] == []
    settled(at, engine)


def test_a_create_that_fails_half_way_is_ended_by_the_next_up(made: tuple[Device, Engine]):
    at, engine = made
    at.fail_on = r"POST /mgmt/tm/ltm/virtual$"
    with pytest.raises(ProviderError, match="told to refuse"):
        engine.up(program())
    at.fail_on = ""
    assert engine.up(program()) == ["create 80--server", "create saved"]
    settled(at, engine)


def test_what_is_saved_is_what_was_made_and_what_is_left(made: tuple[Device, Engine]):
    at, engine = made
    engine.up(program())
    assert at.calls[-1] == "POST /mgmt/tm/util/bash"
    assert at.bash == ["-c 'tmsh save sys config'"]
    engine.up(program({"pools.p.nodes.b": None}))
    assert at.calls[-1] == "POST /mgmt/tm/util/bash", "saved again behind the removal"
    assert len(at.bash) == 3
    engine.destroy()
    assert at.calls[-1] == "POST /mgmt/tm/util/bash"


def test_a_renewed_certificate_comes_up_beside_the_old(made: tuple[Device, Engine], tmp_path: Path):
    at, engine = made

    def served(number: int) -> dict[str, Any]:
        pem, key = certificate(tmp_path, f"c{number}", "a.example")
        other, other_key = certificate(tmp_path, f"d{number}", "b.example", "*.b.example")
        return {"listeners.l.protocol": "https", "listeners.l.port": 443, "listeners.l.tls": {
            "default": {"certificate": str(pem), "key": str(key)}, "client_ca": str(pem),
            "names": {"b": {"certificate": str(other), "key": str(other_key)}}}}  # fmt: skip

    for number in (1, 2):
        engine.up(program(served(number)))
        settled(at, engine)
        assert len(at.objects["ltm/profile/client-ssl"]) == 4
    engine.up(program())
    assert [name for collection, name in at.own() if collection.startswith("sys/file")] == []


def test_a_late_address_that_changes_comes_up_beside_the_old(made: tuple[Device, Engine]):  # LB-4
    at, engine = made
    alone = {"pools.p.nodes.b": None}
    engine.up(program(alone, pools__p__nodes__a__address="10.0.0.7"))
    did = engine.up(program(alone, pools__p__nodes__a__address="10.0.0.8"))
    settled(at, engine)
    assert [step for step in did if "saved" not in step] == [
        "create p--a--node",
        "create p--a--member",
        "delete p--a--member",
        "delete p--a--node",
    ]


def shared(*addresses: pulumi.Output[str] | str) -> Registered:
    """Pools that have a node in common, which each names in its own way."""

    def run() -> None:
        wanted = data(
            {
                "pools.q": Q,
                "pools.r": Q,
                "listeners.m": {"port": 81, "pool": "q"},
                "listeners.n": {"port": 82, "pool": "r"},
            }
        )
        for pool, key, address in zip("pqr", "azz", addresses, strict=True):
            wanted["pools"][pool]["nodes"][key]["address"] = address
        LoadBalancer("lb", Spec.load(wanted), LTM)

    return registered(run, preview=False)


def test_one_output_in_several_pools_is_one_node(made: tuple[Device, Engine]):  # LB-4
    at, engine = made
    one = pulumi.Output.from_input("10.0.0.7")
    engine.up(shared(one, one, pulumi.Output.from_input("10.0.0.8")))
    settled(at, engine)
    names = {pool: [name for name in found if "lbkit--" in name] for pool, found in at.members.items()}
    assert names == {
        "/Common/lb--p--pool": ["/Common/lbkit--p--a--10-0-0-7--node:8000"],
        "/Common/lb--q--pool": ["/Common/lbkit--p--a--10-0-0-7--node:9000"],
        "/Common/lb--r--pool": ["/Common/lbkit--r--z--10-0-0-8--node:9000"],
    }


@pytest.mark.parametrize("literal", [True, False])
def test_outputs_that_came_out_the_same_are_named_by_their_paths(literal: bool):  # LB-4
    first = "10.0.0.7" if literal else pulumi.Output.from_input("10.0.0.7")
    with pytest.raises(Belated) as caught:
        shared(first, pulumi.Output.from_input("10.0.0.7"), "10.0.0.9")
    (found,) = caught.value.problems
    assert found.path == "pools.q.nodes.z.address"
    assert ("the node 10.0.0.7" if literal else "pools.p.nodes.a") in found.reason
    assert "the same Output" in found.remedy


LATE = {
    "the server's own": ("10.1.0.10", "10.1.0.10", "pools.p.nodes.a.address", "call itself"),
    "the device's": ("10.0.0.7", "192.0.2.1", "Ltm.address", "management"),
    "no client's": ("10.0.0.7", "127.0.0.1", "Ltm.address", "No traffic"),
    "another kind than SNAT's": ("fd00::7", "10.1.0.10", "pools.p.nodes.a.address", "no IPv6 address"),
    "another kind than the clients'": ("10.0.0.7", "2001:db8::9", "listeners.l.allow", "can reach an IPv6"),
}


@pytest.mark.parametrize("case", LATE)
def test_a_late_address_keeps_the_rules_of_the_placement(case: str):  # LB-4, F5-8
    node, server, path, reason = LATE[case]

    def run() -> None:
        wanted = data({"listeners.l.allow": ["10.0.0.0/8"]})
        wanted["pools"]["p"]["nodes"]["a"]["address"] = pulumi.Output.secret(node)
        appliance = Appliance(address=pulumi.Output.from_input("https://192.0.2.1"), token="t")
        ltm = Ltm(address=pulumi.Output.secret(server), snat=["10.9.0.1"], device=appliance)
        LoadBalancer("lb", Spec.load(wanted), ltm)

    with pytest.raises(Belated) as caught:
        registered(run, preview=False)
    found = {problem.path: problem for problem in caught.value.problems}
    assert reason in found[path].reason
    assert node not in str(caught.value)
    assert server not in str(caught.value)


def test_a_foreign_node_with_the_address_is_refused_and_not_taken_over(made: tuple[Device, Engine]):
    _, engine = made
    engine.up(program())
    other = Engine(engine.provider)
    with pytest.raises(ProviderError, match="0107176c"):
        other.up(program(name="other", ltm=Ltm(address="10.1.0.20")))
