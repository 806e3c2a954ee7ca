"""Spec words to F5 words: values, borders, refusals, and the rules of the device over whole specs."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbkit.errors import SpecError
from lbkit.spec import Spec
from lbkit.targets.base import problems
from lbkit.targets.bigip import Device, Ltm
from lbkit.targets.bigip.rules import pattern
from lbkit.targets.bigip.translate import plan
from tests.targets.aws.test_refusals import changed

LTM = Ltm(address="10.1.0.10")


def planned(changes: dict[str, Any]) -> dict[str, Any]:
    spec = changed(changes)
    assert not problems(spec, LTM)
    return plan("lb", spec, LTM)


@pytest.mark.parametrize(
    ("interval", "rise", "fall", "timeout", "until_up"), [(5, 3, 2, 11, 10), (30, 2, 2, 61, 30), (5, 1, 1, 6, 0)]
)
def test_counts_become_times(interval: int, rise: int, fall: int, timeout: int, until_up: int):
    check = {"path": "/", "interval": interval, "rise": rise, "fall": fall}
    monitor = planned({"pools.p.health_check": check})["monitors"]["p--http"]
    assert (monitor["timeout"], monitor["time_until_up"]) == (timeout, until_up)


@pytest.mark.parametrize(
    ("algorithm", "weight", "mode"),
    [
        ("round_robin", 1, "round-robin"),
        ("least_connections", 1, "least-connections-member"),
        ("round_robin", 3, "ratio-member"),
        ("least_connections", 3, "ratio-least-connections-member"),
    ],
)
def test_algorithms(algorithm: str, weight: int, mode: str):  # F5-6
    found = planned({"pools.p.algorithm": algorithm, "pools.p.nodes.a.weight": weight})
    assert found["pools"]["p"]["load_balancing_mode"] == mode
    assert found["members"]["p--a"]["ratio"] == weight


@pytest.mark.parametrize(
    ("codes", "good", "bad"),
    [("200-399", ["200", "302"], ["199", "404"]), ("200", ["200"], ["201"]), ("200,404", ["404"], ["403"])],
)
def test_codes_become_a_pattern(codes: str, good: list[str], bad: list[str]):
    for code in good:
        assert re.search(pattern(codes), f"HTTP/1.1 {code} X")
    for code in bad:
        assert not re.search(pattern(codes), f"HTTP/1.1 {code} X")


@pytest.mark.parametrize(
    ("changes", "path", "reason"),
    [
        ({"pools.p.health_check.timeout": 2}, "pools.p.health_check.timeout", "no timeout for one probe"),
        ({"pools.p.health_check.codes": "200-204"}, "pools.p.health_check.codes", "pattern"),
        ({"pools.p.limits": {"hard": 4}}, "pools.p.limits.hard", "divides the limit"),
        ({"pools.p.limits": {"hard": 4, "queue": {}}}, "pools.p.limits.queue", "does not expose"),
        ({"pools.p.drain": 30}, "pools.p.drain", "no deadline"),
        ({"pools.p.health_check.interval": 5.5}, "pools.p.health_check.interval", "Outside"),
    ],
)
def test_what_a_bigip_cannot_do_is_named(changes: dict[str, Any], path: str, reason: str):  # LB-2
    found = {p.path: p for p in problems(changed(changes), LTM)}
    assert reason in found[path].reason
    assert found[path].remedy


SEED = [
    ("no nodes in the pool", lambda: changed({"pools.p.nodes": {}}), r"pools\.p\.nodes"),
    (
        "a host name as address",
        lambda: changed({"pools.p.nodes.a.address": "10-0-0-1.ec2.internal"}),
        r"nodes\.a\.address",
    ),
    ("an empty destination", lambda: Ltm(address=""), r"Ltm\.address"),
    ("`host` for the device", lambda: Device(host="x", user="u", password="p"), r"Device\.host"),  # type: ignore[call-arg]
    ("a device without address", lambda: Device(user="u", password="p"), r"Device\.address"),  # type: ignore[call-arg]
    ("a listener without port", lambda: changed({"listeners.l": {"pool": "p"}}), r"listeners\.l\.port"),
    (
        "an algorithm of another name",
        lambda: changed({"pools.p.algorithm": "least-connections-members"}),
        r"pools\.p\.algorithm",
    ),
    ("a partition with a path", lambda: Ltm(address="10.0.0.9", partition="/Common"), r"Ltm\.partition"),
    ("`partition` on a pool", lambda: changed({"pools.p.partition": "Common"}), r"pools\.p\.partition"),
    ("`allow_snat` as a field", lambda: changed({"pools.p.allow_snat": True}), r"pools\.p\.allow_snat"),
    ("`monitors` as a field", lambda: changed({"pools.p.monitors": ["http"]}), r"pools\.p\.monitors"),
    ("`profiles` as a field", lambda: changed({"listeners.l.profiles": [{"name": "http"}]}), r"listeners\.l\.profiles"),
]


@pytest.mark.parametrize(("mistake", "make", "path"), SEED, ids=[row[0] for row in SEED])
def test_the_seeds_mistakes_cannot_be_written(mistake: str, make: Any, path: str):  # F5-8
    with pytest.raises(SpecError, match=path):
        make()


def test_the_devices_password_is_not_shown():  # F5-1
    device = Device(address="192.0.2.10", user="admin", password="hunter2-secret")
    assert "hunter2" not in repr(device)
    with pytest.raises(SpecError) as caught:
        Device(address="", user="admin", password="hunter2-secret")
    assert "hunter2" not in str(caught.value)


addresses = st.integers(1, 250).map(lambda n: f"10.0.0.{n}")
pools = st.fixed_dictionaries(
    {
        "port": st.integers(1, 65535),
        "algorithm": st.sampled_from(["round_robin", "least_connections"]),
        "health_check": st.one_of(
            st.none(),
            st.fixed_dictionaries({"path": st.just("/h"), "interval": st.integers(5, 60), "fall": st.integers(1, 9)}),
        ),
        "nodes": st.lists(addresses, min_size=1, max_size=5, unique=True).map(
            lambda found: {f"n{i}": {"address": a, "weight": i + 1} for i, a in enumerate(found)}
        ),
    }
)


@given(st.lists(pools, min_size=1, max_size=4))
def test_every_plan_keeps_the_devices_rules(found: list[dict[str, Any]]):  # F5-8
    spec = Spec.load(
        {
            "pools": {f"p{i}": pool for i, pool in enumerate(found)},
            "listeners": {f"l{i}": {"port": 80 + i, "pool": f"p{i}"} for i in range(len(found))},
        }
    )
    assert not problems(spec, LTM)
    made = plan("lb", spec, LTM)
    for kind in ("monitors", "nodes", "pools", "virtual_servers"):
        assert all(re.fullmatch(r"/Common/[A-Za-z0-9._-]+", item["name"]) for item in made[kind].values())
    assert all(m["timeout"] > m["interval"] for m in made["monitors"].values())
    nodes = [node["address"] for node in made["nodes"].values()]
    assert len(nodes) == len(set(nodes)), "one address is one node on a device"
    places = [(v["destination"], v["port"]) for v in made["virtual_servers"].values()]
    assert len(places) == len(set(places))
    assert all(p["allow_snat"] in ("yes", "no") for p in made["pools"].values())
    assert {m["of"] for m in made["members"].values()} == set(made["nodes"])
