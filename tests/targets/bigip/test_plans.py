"""Plans of one feature each, as golden files; preview is up; whole specs keep the device's rules."""

from __future__ import annotations

import copy
import re
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lbkit import LoadBalancer
from lbkit.errors import SpecError
from lbkit.spec import Spec
from lbkit.targets.base import problems
from lbkit.targets.bigip import Device as Appliance
from lbkit.targets.bigip import Ltm, Pair
from lbkit.targets.bigip.parts import Ref
from lbkit.targets.bigip.translate import plan
from tests.mocks import Registered, golden, registered
from tests.targets.bigip.double.device import TOKEN, Device
from tests.targets.bigip.double.engine import Engine
from tests.targets.bigip.double.provider import Provider
from tests.targets.bigip.double.words import ALGORITHMS
from tests.targets.bigip.files import file_of
from tests.targets.bigip.house import LTM, Q, program
from tests.targets.bigip.test_translate import HTTPS, ON_DEVICE, TCP

DEVICES = {
    key: Appliance(address=f"192.0.2.{n}", user="admin", password="hunter2-secret") for key, n in (("a", 1), ("b", 2))
}
FEATURES: dict[str, tuple[dict[str, Any], Ltm]] = {
    "plain": ({}, LTM),
    "weights-backup-limits": (
        {"pools.p.nodes.a.weight": 3, "pools.p.nodes.b.backup": True, "pools.p.limits": {"hard": 8}, "pools.p.slow_start": 30}, LTM),
    "probe": ({"pools.p.health_check": {"path": "/h", "method": "HEAD", "codes": "200-204,301", "headers": {"X-A": "b"},
                                        "body": "ok"}}, LTM),
    "tcp-hash": ({**TCP, "pools.p.algorithm": "source_hash"}, LTM),
    "sticky": ({"pools.p.sticky": {"ttl": 3600}}, LTM),
    "policy": ({"pools.q": Q, "listeners.l.routes": {"r": {"host": "a.example", "path": "/v1", "pool": "q"}}}, LTM),
    "rule": ({"pools.q": Q, "listeners.l.routes": {"r": {"path": "/v1", "pool": "q"}, "s": {"exact": "/", "redirect": {"path": "/v1"}},
                                                  "t": {"path": "/t", "answer": {"body": "t"}}}}, LTM),
    "tls": ({**ON_DEVICE, "listeners.l.tls.min_version": "1.3", "listeners.l.tls.client_ca": "device:/Common/ca.crt"}, LTM),
    "https-nodes": ({**HTTPS, "pools.p.tls": {"ca": "device:/Common/ca.crt", "server_name": "n.example"}}, LTM),
    "ranges": ({"listeners.l.allow": ["10.0.0.0/8", "172.16.0.0/12"]}, LTM),
    "pair": ({}, Ltm(address="10.1.0.10", device=Pair(devices=DEVICES, talk_to="b", group="both"))),
    "snat": ({}, Ltm(address="10.1.0.10", snat=["10.9.0.1"], partition="Team", save=False, traffic_group=None)),
}  # fmt: skip


@pytest.mark.parametrize("feature", FEATURES)
def test_the_plan_of_a_feature_is_the_golden_one(feature: str):  # F5-2, F5-3, F5-4, F5-6
    changes, ltm = FEATURES[feature]
    golden(f"bigip-{feature}", program(changes, ltm).resources)


@pytest.mark.parametrize("feature", FEATURES)
def test_preview_shows_what_up_makes(feature: str):  # LB-4
    changes, ltm = FEATURES[feature]
    up, preview = program(changes, ltm), program(changes, ltm, preview=True)
    assert {k: v["inputs"] for k, v in up.resources.items()} == {k: v["inputs"] for k, v in preview.resources.items()}


def test_a_hundred_pools_with_a_thousand_nodes_are_translated_in_time():
    pools_ = {f"p{i}": {"port": 8000, "health_check": {"path": "/h"},
                        "nodes": {f"n{j}": {"address": f"10.9.{i}.{j + 1}"} for j in range(10)}} for i in range(100)}  # fmt: skip
    wanted = Spec.load(
        {"pools": pools_, "listeners": {f"l{i}": {"port": 1000 + i, "pool": f"p{i}"} for i in range(100)}}
    )
    began = time.process_time()
    assert not problems(wanted, LTM)
    made = plan("lb", wanted, LTM)
    spent = time.process_time() - began
    assert len(made["members"]) == 1000
    assert spent < 1, f"{spent:.2f} s of our own"


def test_the_children_can_be_reached():
    seen: dict[str, Any] = {}

    def run() -> None:
        seen.update(LoadBalancer("lb", Spec.load(copy.deepcopy(DATA)), LTM).resources)

    made = registered(run, preview=False)
    children = {key.partition("::lb--")[2] for key in made.resources if "::lb--" in key}
    assert set(seen) == children


DATA = {
    "pools": {"p": {"port": 1, "nodes": {"a": {"address": "10.0.0.1"}}}},
    "listeners": {"l": {"port": 80, "pool": "p"}},
}
addresses = st.integers(1, 60).map(lambda n: f"10.0.0.{n}") | st.integers(1, 9).map(lambda n: f"fd00::{n}")
checks = st.none() | st.fixed_dictionaries(
    {"interval": st.sampled_from([1, 2.5, 5, 3600, 86_400]), "fall": st.integers(1, 40), "rise": st.integers(1, 40)},
    optional={"path": st.just("/h"), "codes": st.sampled_from(["200", "200-204,301", "100-599"]), "timeout": st.sampled_from([1, 5]),
              "protocol": st.sampled_from(["tcp", "http", "https"]), "port": st.just(9001), "body": st.sampled_from(["ok", "ö"])},
)  # fmt: skip
nodes = st.dictionaries(
    st.sampled_from(["a", "b", "c", "d"]),
    st.fixed_dictionaries(
        {"address": addresses},
        optional={"weight": st.integers(1, 9), "backup": st.booleans(), "port": st.integers(8000, 8003),
                  "admin_state": st.sampled_from(["ready", "drain", "maintenance"])},
    ),
    min_size=1,
)  # fmt: skip
pools = st.fixed_dictionaries(
    {"port": st.integers(1, 65_535), "nodes": nodes, "health_check": checks},
    optional={"algorithm": st.sampled_from(["round_robin", "least_connections", "source_hash", "random_two"]),
              "protocol": st.sampled_from(["http", "https", "tcp"]), "limits": st.sampled_from([{"hard": 8}, {"hard": 7}, {"soft": 2}]),
              "sticky": st.sampled_from([{}, {"ttl": 60}, {"ttl": 0.5}]), "slow_start": st.sampled_from([0, 30, 0.5]),
              "timeouts": st.sampled_from([{"idle": 60}, {"connect": 2}, {"keep_alive": 0}]), "drain": st.just(9),
              "tls": st.sampled_from([{"verify": False}, {"ca": "device:/Common/ca.crt"}, {"server_name": "n.x"}])},
)  # fmt: skip
WHERE: list[dict[str, Any]] = [
    {"pool": "p0"},
    {"pool": "p1"},
    {"answer": {"body": "x"}},
    {"redirect": {"scheme": "https"}},
]
conditions = st.fixed_dictionaries({"path": st.sampled_from(["/", "/v1"])}, optional={"methods": st.just(["GET"])})
some_routes = st.dictionaries(
    st.sampled_from(["r", "s"]), st.tuples(conditions, st.sampled_from(WHERE)).map(lambda both: {**both[0], **both[1]})
)
listeners = st.fixed_dictionaries(
    {"pool": st.sampled_from(["p0", "p1"])},
    optional={"protocol": st.sampled_from(["http", "tcp", "tls", "https"]), "routes": some_routes,
              "allow": st.sampled_from([["10.0.0.0/8"], ["10.0.0.0/8", "172.16.0.0/12"], ["fd00::/8"]]),
              "tls": st.sampled_from([{"default": {"certificate": "device:/Common/a.crt", "key": "device:/Common/a.key"}},
                                      {"default": {"certificate": "device:a"}}]),
              "address": st.sampled_from(["10.1.0.11", "2001:db8::9"]), "trust_forwarded": st.just(["10.0.0.0/8"])},
)  # fmt: skip


def whole(some: list[Any], others: list[Any]) -> dict[str, Any]:
    """A spec whose parts mostly fit together: every pool is used, and by listeners of its kind."""
    found: dict[str, Any] = {"pools": {f"p{i}": pool for i, pool in enumerate(some)}, "listeners": {}}
    for index, item in enumerate([*others, *({"pool": key} for key in found["pools"])]):
        listener = {"port": 80 + index, **copy.deepcopy(item)}
        listener["pool"] = listener["pool"] if listener["pool"] in found["pools"] else "p0"
        bytes_only = found["pools"][listener["pool"]].get("protocol") == "tcp"
        if bytes_only or listener.get("protocol") in ("tcp", "tls"):
            listener = {key: value for key, value in listener.items() if key in ("port", "pool", "allow", "address")}
            listener["protocol"] = "tcp" if bytes_only else "http"
        if listener.get("protocol") == "https":
            listener.setdefault(
                "tls", {"default": {"certificate": "device:/Common/mine.crt", "key": "device:/Common/mine.key"}}
            )
        else:
            listener.pop("tls", None)
        found["listeners"][f"l{index}"] = listener
    return found


def mended(found: dict[str, Any]) -> Spec | None:
    """The spec with everything taken out that was refused, as an obedient user would."""
    for _ in range(8):
        try:
            wanted = Spec.load(found)
        except SpecError as error:
            refused = error.problems
        else:
            refused = problems(wanted, LTM)
            if not refused:
                return wanted
        assert all(p.path and p.reason for p in refused)
        for problem in refused:
            take_out(found, problem.path.split("."))
    return None


def take_out(found: Any, path: list[str]) -> None:
    *parents, last = path
    for part in parents:
        found = found.get(part, {}) if isinstance(found, dict) else {}
    if isinstance(found, dict):
        found.pop(last, None)


@settings(max_examples=300, deadline=None)
@given(st.lists(pools, min_size=1, max_size=2), st.lists(listeners, min_size=1, max_size=3))
def test_a_spec_keeps_the_devices_rules_or_is_refused_with_reasons(some: list[Any], others: list[Any]):  # F5-8, LB-2
    wanted = mended(whole(some, others))
    if wanted:
        keeps_the_rules(plan("lb", wanted, LTM, file_of))


class Wire(Provider):
    """The provider with a device at the other end of a function call."""

    def __init__(self, device: Device) -> None:
        self.device, self.token, self.results = device, TOKEN, []

    def _call(self, method: str, path: str, body: Any = None, *, missing_is_fine: bool = False) -> Any:
        status, answer = self.device.handle(method, path, body, self.token)
        assert status == 200 or (status == 404 and missing_is_fine), answer
        return answer if status == 200 else None


def made_by(wanted: Spec) -> Registered:
    def run() -> None:
        LoadBalancer("lb", wanted, LTM)

    return registered(run, preview=False)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(*[st.tuples(st.lists(pools, min_size=1, max_size=2), st.lists(listeners, min_size=1, max_size=2))] * 2)
def test_a_device_takes_any_plan_and_any_change_of_it(before: Any, after: Any):  # F5-8
    engine = Engine(Wire(made := Device()))
    plans = []
    for parts in (before, after):
        if wanted := mended(whole(*parts)):
            plans.append(made_by(wanted))
    for found in plans:
        engine.up(found)
        assert made.empty == []
        assert engine.up(found) == []
    made.empty.clear()
    engine.destroy()
    assert made.own() == []


def keeps_the_rules(made: dict[str, dict[str, Any]]) -> None:
    """The tables of what a device takes: names, words, times, uniqueness, references, profiles."""
    for kind, found in made.items():
        names = [item["name"] for item in found.values() if "name" in item]
        assert len(names) == len(set(names))
        ours = kind not in ("members", "certificates", "keys", "virtual_addresses")
        assert not ours or all(re.fullmatch(r"/Common/[A-Za-z0-9._-]+", name) for name in names)
        for item in found.values():
            for ref in refs(item):
                assert ref.key in made[ref.kind], "whatever is named exists"
    for monitor in made["monitors"].values():
        assert 1 <= monitor["interval"] < monitor["timeout"] <= 86_400
        assert 0 <= monitor["time_until_up"] <= 86_400
        assert "\n" not in monitor["send"]
        assert re.compile(monitor["receive"])
    addresses_ = [str(node["address"]) for node in made["nodes"].values()]
    assert len(addresses_) == len(set(addresses_)), "one address is one node on a device"
    for pool in made["pools"].values():
        assert pool["load_balancing_mode"] in ALGORITHMS
        assert {pool["allow_snat"], pool["allow_nat"]} <= {"yes", "no"}
    for key in made["pools"]:
        assert any(item["pool"].key == key for item in made["members"].values()), "an attached pool is never empty"
    assert all(1 <= item["ratio"] <= 65_535 and item["priority_group"] > 0 for item in made["members"].values())
    servers = list(made["virtual_servers"].values())
    places = [(item["destination"], item["port"], item["source"]) for item in servers]
    assert len(places) == len(set(places))
    for server in servers:
        kinds = [ref.kind for ref in server["profiles"]]
        assert kinds in (["fast_l4"], ["tcp", "http", "one_connect"])
        http = "http" in kinds
        assert http or not (
            server["irules"] or server["policies"] or server["client_profiles"] or server["server_profiles"]
        )
        assert http or not any(ref.kind == "cookies" for ref in server["persistence_profiles"])
        assert server["persistence_profiles"] == (
            [server["default_persistence_profile"]] if server["default_persistence_profile"] else []
        )
        assert (":" in server["destination"]) == (":" in server["source"]) == (":" in server["mask"])
        defaults = [made["client_tls"][ref.key]["sni_default"] for ref in server["client_profiles"]]
        assert not defaults or defaults.count("true") == 1


def refs(value: Any) -> list[Ref]:
    if isinstance(value, Ref):
        return [value]
    if isinstance(value, dict | list | tuple):
        return [ref for item in (value.values() if isinstance(value, dict) else value) for ref in refs(item)]
    return []
