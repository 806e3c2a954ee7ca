"""What a BIG-IP can't do is refused before anything exists, with path and remedy: rules, mistakes of the seed, and our own."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest

from lbkit.errors import Problem, SpecError, Unsupported
from lbkit.spec import Spec
from lbkit.targets.base import check, problems
from lbkit.targets.bigip import Device, Ltm, Pair
from tests.targets.bigip.house import LTM, Q, spec
from tests.targets.bigip.test_translate import HTTPS, NAMED, TCP, TLS

MANAGED = Ltm(address="10.1.0.10", device=Device(address="https://192.0.2.1:8443", token="t"))
MEMBERS = {key: Device(address=f"192.0.2.{number}", token="t") for number, key in enumerate("ab", start=1)}
PAIRED = Ltm(address="10.1.0.10", device=Pair(devices=MEMBERS, talk_to="a", group="g"))
TWO = {"pools.q": Q, "listeners.l.routes": {"r": {"path": "/v1", "pool": "q"}}}

REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"pools.p.algorithm": "random_two"}, "pools.p.algorithm", "better of two"),
    ({"pools.p.nodes.a.standby": True, "pools.p.limits": {"soft": 4}}, "pools.p.nodes.a.standby", "can't wake"),
    ({"pools.p.nodes.a.standby": True, "pools.p.limits": {"soft": 4}}, "pools.p.limits.soft", "can't wake"),
    ({"pools.p.nodes.a.admin_state": "maintenance"}, "pools.p.nodes.a.admin_state", "lets the running work"),
    ({"pools.p.nodes": {}, "pools.p.fleet": {"image": "i", "size": "s", "max": 2}}, "pools.p.fleet", "starts no machines"),
    ({"pools.p.limits": {"hard": 4, "queue": {}}}, "pools.p.limits.queue", "does not expose"),
    ({"pools.p.passive_check": {}}, "pools.p.passive_check", "no passive"),
    ({"pools.p.codes": {"overflow": 429}}, "pools.p.codes", "instead of answering"),
    ({"pools.p.drain": 30}, "pools.p.drain", "no deadline"),
    ({"pools.p.proxy_protocol": "v2"}, "pools.p.proxy_protocol", "PROXY"),
    ({"pools.p.firewall": True}, "pools.p.firewall", "firewall"),
    ({"pools.p.slow_start": 0.5}, "pools.p.slow_start", "Outside"),
    # health
    ({"pools.p.health_check.interval": 5.5}, "pools.p.health_check.interval", "Outside"),
    ({"pools.p.health_check": {"interval": 0.5, "timeout": 0.5}}, "pools.p.health_check.interval", "Outside"),
    ({"pools.p.health_check.timeout": 2}, "pools.p.health_check.timeout", "no time limit for one probe"),
    ({"pools.p.health_check": {"interval": 86_400, "fall": 1}}, "pools.p.health_check.fall", "86401 s"),
    ({"pools.p.health_check": {"interval": 3600, "rise": 26}}, "pools.p.health_check.rise", "90000 s"),
    ({"pools.p.health_check.headers": {"Authorization": "file:/t"}}, "pools.p.health_check.headers.Authorization", "no file"),
    ({"pools.p.health_check.body": "grün"}, "pools.p.health_check.body", "ASCII"),
    ({"pools.p.health_check.body": "a\nb"}, "pools.p.health_check.body", "ASCII"),
    # timers
    ({"pools.p.timeouts.connect": 2}, "pools.p.timeouts.connect", "full proxy"),
    ({**TCP, "pools.p.timeouts.connect": 0.5}, "pools.p.timeouts.connect", "whole seconds"),
    ({"pools.p.timeouts.idle": 0.5}, "pools.p.timeouts.idle", "Outside"),
    ({"pools.p.timeouts.total": 20}, "pools.p.timeouts.total", "whole request"),
    ({"pools.p.timeouts.first_byte": 20}, "pools.p.timeouts.first_byte", "first byte"),
    ({"pools.p.timeouts.keep_alive": 0}, "pools.p.timeouts.keep_alive", "shares connections"),
    ({"listeners.l.timeouts": {"header": 3}}, "listeners.l.timeouts", "timers"),
    ({"listeners.l.limits": {"body": 9}}, "listeners.l.limits", "closes the connection"),
    ({"listeners.l.proxy_protocol": ["10.0.0.0/8"]}, "listeners.l.proxy_protocol", "PROXY"),
    # hashing and sticking
    ({"pools.p.algorithm": "source_hash", "pools.p.nodes.b.weight": 2}, "pools.p.nodes.b.weight", "weights"),
    ({"pools.p.algorithm": "source_hash", "pools.p.nodes.b.backup": True}, "pools.p.nodes.b.backup", "backup"),
    ({"pools.p.algorithm": "source_hash", "pools.p.sticky": {}}, "pools.p.sticky", "persistence"),
    ({"pools.p.sticky": {"ttl": 0.5}}, "pools.p.sticky.ttl", "Outside"),
    ({**TWO, "pools.p.sticky": {}}, "pools.p.sticky", "several pools"),
    ({**TWO, "pools.q.algorithm": "source_hash"}, "pools.q.algorithm", "several pools"),
    ({**TWO, "pools.q.timeouts": {"idle": 7}}, "pools.q.timeouts.idle", "differs"),
    ({**TWO, "pools.q.timeouts": {"keep_alive": 7}}, "pools.q.timeouts.keep_alive", "differs"),
    ({**TWO, "pools.q.protocol": "https", "pools.q.tls": {"verify": False}}, "pools.q.protocol", "differs"),
    # TLS
    (HTTPS, "pools.p.tls.ca", "any certificate at all"),
    ({**HTTPS, "pools.p.tls": {"server_name": "n.x"}}, "pools.p.tls.ca", "any certificate at all"),
    ({**TCP, "listeners.l.protocol": "tls", "listeners.l.routes": {"r": {"host": "a.x", "pool": "p"}}}, "listeners.l.routes", "look into"),
    ({**TLS, "listeners.l.tls": {"default": {"certificate": "device:/Common/a.crt"}}}, "listeners.l.tls.default.key", "another object"),
    ({**TLS, "listeners.l.tls": {"default": {"certificate": "device:a.crt", "key": "device:/Common/k"}}},
     "listeners.l.tls.default.certificate", "full path"),
    ({**TLS, "listeners.l.tls": {"default": {"certificate": "arn:aws:acm:x"}}}, "listeners.l.tls.default.certificate", "AWS"),
    ({**TLS, "listeners.l.tls.names": {"x": {"certificate": "device:/Common/a.crt", "key": "device:/Common/a.key"}}},
     "listeners.l.tls.names.x.certificate", "which host names"),
    ({**TLS, "listeners.l.tls.client_ca": "device:ca"}, "listeners.l.tls.client_ca", "full path"),
    ({"pools.p.nodes.a": {"instance": "i-1"}}, "pools.p.nodes.a.instance", "by address"),
    ({"listeners.l.routes": {"r": {"query": {"a b": "c"}, "pool": "p"}}}, "listeners.l.routes.r.query", "as it was sent"),
    ({"listeners.l.routes": {"r": {"path": "/a", "answer": {"body": "grün"}}}}, "listeners.l.routes.r.answer.body", "ASCII"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "path", "reason"), REFUSED, ids=lambda value: str(value)[:50])
def test_what_a_bigip_cannot_do_is_named(changes: dict[str, Any], path: str, reason: str):  # LB-2
    found = {p.path: p for p in problems(spec(changes), Ltm)}
    assert path in found, sorted(found)
    assert reason in found[path].reason
    assert found[path].remedy or "limits.soft" in path


@pytest.mark.parametrize(
    ("changes", "ltm", "path", "reason"),
    [
        ({"pools.p.limits": {"hard": 4}}, Ltm(address="10.1.0.10"), "pools.p.limits.hard", "divides"),
        ({"pools.p.limits": {"hard": 6}}, LTM, "pools.p.limits.hard", "would be exceeded"),
        ({"pools.p.limits": {"hard": 3}}, LTM, "pools.p.limits.hard", "would be exceeded"),
        ({"listeners.l.allow": ["fd00::/8"]}, LTM, "listeners.l.allow", "IPv4"),
        ({"listeners.l.allow": ["10.0.0.0/8"]}, Ltm(address="2001:db8::1"), "listeners.l.allow", "IPv6"),
        ({"pools.p.nodes.a.address": "10.1.0.10"}, LTM, "pools.p.nodes.a.address", "call itself"),
        ({"listeners.l.address": "127.0.0.1"}, LTM, "listeners.l.address", "No traffic"),
        ({}, Ltm(address="192.0.2.1", device=Device(address="192.0.2.1:8443", token="t")), "Ltm.address", "management"),
        ({"listeners.l.address": "192.0.2.1"}, MANAGED, "listeners.l.address", "management"),
        ({"listeners.l.address": "192.0.2.2"}, PAIRED, "listeners.l.address", "management"),
        ({}, Ltm(address="10.1.0.10", snat=["10.0.0.1"]), "Ltm.snat", "answer itself"),
        (
            {},
            Ltm(address="10.1.0.10", device=Device(address="192.0.2.1", token="t", ca="/none.pem")),
            "Device.ca",
            "can't be read",
        ),
        (TLS, LTM, "listeners.l.tls.default.certificate", "can't be read"),
        (NAMED, LTM, "listeners.l.tls.names.x.certificate", "can't be read"),
        ({**HTTPS, "pools.p.tls": {"ca": "/none.pem"}}, LTM, "pools.p.tls.ca", "can't be read"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_the_placement_cannot_do_is_named(changes: dict[str, Any], ltm: Ltm, path: str, reason: str):  # LB-2
    with pytest.raises(Unsupported) as caught:
        check("lb", spec(changes), ltm)
    found = {p.path: p for p in caught.value.problems}
    assert reason in found[path].reason
    assert found[path].remedy


def test_all_problems_come_at_once():  # LB-2
    wanted = spec({"pools.p.limits": {"hard": 6, "queue": {}}, "pools.p.drain": 30, "pools.p.algorithm": "source_hash",
                   "pools.p.nodes.b.weight": 2, "listeners.l.allow": ["fd00::/8"]})  # fmt: skip
    with pytest.raises(Unsupported) as caught:
        check("lb", wanted, LTM)
    paths = {p.path for p in caught.value.problems}
    assert paths == {
        "pools.p.limits.queue",
        "pools.p.drain",
        "pools.p.nodes.b.weight",
        "pools.p.limits.hard",
        "listeners.l.allow",
    }


def pair(**changes: Any) -> Pair:
    return Pair(**{"devices": MEMBERS, "talk_to": "a", "group": "g", **changes})


MISTAKES: list[tuple[str, Any, str]] = [
    # the seed's
    ("no nodes in the pool", lambda: spec({"pools.p.nodes": {}}), "pools.p.nodes"),
    ("an empty destination", lambda: Ltm(address=""), "Ltm.address"),
    ("`host` for the device", lambda: Device(host="x", user="u", password="p"), "Device.host"),  # type: ignore[call-arg]
    ("the seed's own placeholder", lambda: Device(address="my_bigip_host", user="u", password="p"), "Device.address"),
    ("the seed's user", lambda: Device(address="192.0.2.1", user="my_bigip_user", password="p"), "Device.user"),
    ("the seed's password", lambda: Device(address="192.0.2.1", user="u", password="my_bigip_password"), "Device.password"),
    ("a device's port that is none", lambda: Device(address="192.0.2.1:99999", token="t"), "Device.address"),
    ("a pair of one device", lambda: pair(devices=dict.fromkeys("ab", MEMBERS["a"])), "Pair.devices"),
    ("a broadcast address", lambda: Ltm(address="255.255.255.255"), "Ltm.address"),
    ("SNAT to a group", lambda: Ltm(address="10.0.0.9", snat=["224.0.0.1"]), "Ltm.snat"),
    ("one SNAT address without its list", lambda: Ltm(address="10.0.0.9", snat="10.0.0.8"), "Ltm.snat"),
    ("a flag for SNAT", lambda: Ltm(address="10.0.0.9", snat=True), "Ltm.snat"),  # type: ignore[arg-type]
    ("F5's words in a probe", lambda: spec({"pools.p.health_check.receive": "200"}), "pools.p.health_check.receive"),
    ("F5's word for a weight", lambda: spec({"pools.p.nodes.a.ratio": 3}), "pools.p.nodes.a.ratio"),
    ("F5's word for a limit", lambda: spec({"pools.p.connection_limit": 3}), "pools.p.connection_limit"),
    ("F5's word for draining", lambda: spec({"pools.p.nodes.a.admin_state": "user-disabled"}), "pools.p.nodes.a.admin_state"),
    ("a full path as the pool", lambda: spec({"listeners.l.pool": "/Common/p"}), "listeners.l.pool"),
    ("a mask on the listener", lambda: spec({"listeners.l.address": "10.1.0.10/24"}), "listeners.l.address"),
    ("one port twice", lambda: spec({"pools.q": Q, "listeners.m": {"port": 80, "pool": "q"}}), "listeners.m.port"),
    ("`username` for the user", lambda: Device(address="192.0.2.1", username="u", password="p"), "Device.username"),  # type: ignore[call-arg]
    ("a listener without port", lambda: spec({"listeners.l": {"pool": "p"}}), "listeners.l.port"),
    ("`partition` on a pool", lambda: spec({"pools.p.partition": "Common"}), "pools.p.partition"),
    ("`name` on a node", lambda: spec({"pools.p.nodes.a.name": "ml-node-1"}), "pools.p.nodes.a.name"),
    ("`allow_snat` as a field", lambda: spec({"pools.p.allow_snat": True}), "pools.p.allow_snat"),
    ("`monitors` as a field", lambda: spec({"pools.p.monitors": ["http"]}), "pools.p.monitors"),
    ("`profiles` as a field", lambda: spec({"listeners.l.profiles": [{"name": "http"}]}), "listeners.l.profiles"),
    ("`destination` as a field", lambda: spec({"listeners.l.destination": ""}), "listeners.l.destination"),
    ("`load_balancing_mode` as a field", lambda: spec({"pools.p.load_balancing_mode": "x"}), "pools.p.load_balancing_mode"),
    ("a pool that nobody uses", lambda: spec({"pools.q": Q}), "pools.q"),
    # our own
    ("F5's plural algorithm", lambda: spec({"pools.p.algorithm": "least-connections-members"}), "pools.p.algorithm"),
    ("F5's word for round robin", lambda: spec({"pools.p.algorithm": "round-robin"}), "pools.p.algorithm"),
    ("a partition with a path", lambda: Ltm(address="10.0.0.9", partition="/Common"), "Ltm.partition"),
    ("a host name as a node", lambda: spec({"pools.p.nodes.a.address": "10-0-0-1.ec2.internal"}), "pools.p.nodes.a.address"),
    ("a route domain", lambda: spec({"pools.p.nodes.a.address": "10.0.0.1%1"}), "pools.p.nodes.a.address"),
    ("a port in the address", lambda: spec({"pools.p.nodes.a.address": "10.0.0.1:80"}), "pools.p.nodes.a.address"),
    ("one server twice", lambda: spec({"pools.p.nodes.b.address": "10.0.0.1"}), "pools.p.nodes.b.address"),
    ("a wildcard address", lambda: Ltm(address="0.0.0.0"), "Ltm.address"),
    ("a port in the virtual address", lambda: Ltm(address="10.0.0.9:80"), "Ltm.address"),
    ("a full path as the address", lambda: Ltm(address="/Common/10.0.0.9"), "Ltm.address"),
    ("F5's word for SNAT addresses", lambda: Ltm(address="10.0.0.9", snat="snatpool"), "Ltm.snat"),
    ("SNAT to nowhere", lambda: Ltm(address="10.0.0.9", snat=[]), "Ltm.snat"),
    ("a short traffic group", lambda: Ltm(address="10.0.0.9", traffic_group="traffic-group-1"), "Ltm.traffic_group"),
    ("the device as text", lambda: Ltm(address="10.0.0.9", device="192.0.2.1"), "Ltm.device"),
    ("a device with a path", lambda: Device(address="https://192.0.2.1/tmui", user="u", password="p"), "Device.address"),
    ("neither password nor token", lambda: Device(address="192.0.2.1", user="u"), "Device.password"),
    ("nobody", lambda: Device(address="192.0.2.1"), "Device.user"),
    ("password and token", lambda: Device(address="192.0.2.1", user="u", password="p", token="t"), "Device.token"),
    ("a pair of one", lambda: Pair(devices={"a": Device(address="192.0.2.1", token="t")}, talk_to="a", group="g"), "Pair.devices"),
    ("a third device", lambda: pair(talk_to="c"), "Pair.talk_to"),
    ("a group with a path", lambda: pair(group="/Common/g"), "Pair.group"),
    ("no traffic processes", lambda: Ltm(address="10.0.0.9", tmms=0), "Ltm.tmms"),
    ("PEM text for a path", lambda: spec({**TLS, "listeners.l.tls.default.key": "-----BEGIN PRIVATE KEY-----"}), "listeners.l.tls.default"),
    ("https without a certificate", lambda: spec({"listeners.l.protocol": "https"}), "listeners.l.tls"),
    ("UDP", lambda: spec({"listeners.l.protocol": "udp"}), "listeners.l.protocol"),
    ("milliseconds", lambda: spec({"pools.p.health_check.interval": "5s"}), "pools.p.health_check.interval"),
]  # fmt: skip


@pytest.mark.parametrize(("mistake", "make", "path"), MISTAKES, ids=[row[0] for row in MISTAKES])
def test_a_mistake_is_an_error_that_names_the_field_and_the_remedy(mistake: str, make: Any, path: str):  # F5-8
    with pytest.raises(SpecError) as caught:
        make()
    assert [p for p in caught.value.problems if p.path.startswith(path)], str(caught.value)
    assert not re.search(r"\[|pattern", str(caught.value)), "pydantic's own words"
    assert all(said(p) for p in caught.value.problems)


@pytest.mark.parametrize(("address", "right"), [("[2001:db8::1]:8443", True), ("[::::]", False), ("[10.0.0.1]", False)])
def test_an_address_in_brackets_is_one_of_ipv6(address: str, right: bool):
    if right:
        assert Device(address=address, token="t").address == address
    else:
        with pytest.raises(SpecError, match="management address"):
            Device(address=address, token="t")


def test_source_addresses_are_of_the_nodes_kind():
    wanted = spec({"pools.p.nodes.a.address": "fd00::1"})
    (found,) = problems(wanted, Ltm(address="10.1.0.10", snat=["10.9.0.1"]))
    assert (found.path, "IPv6" in found.reason) == ("pools.p.nodes.a.address", True)
    more: list[Any] = ["automap", ["10.9.0.1", "fd00::9"]]
    for snat in more:
        assert not problems(wanted, Ltm(address="10.1.0.10", snat=snat))


def test_a_pool_that_differs_is_told_apart_from_the_one_that_leads():
    """The listener's own pool sets what the virtual server has once, also where a route leads to it again."""
    routes = {"r": {"path": "/v1", "pool": "q"}, "s": {"path": "/v2", "pool": "p"}}
    wanted = spec({"pools.q": {**Q, "timeouts": {"idle": 60}}, "listeners.l.routes": routes})
    (found,) = problems(wanted, LTM)
    assert found.path == "pools.q.timeouts.idle"
    assert "Pool 'p' is behind the same listener" in found.reason


def said(problem: Problem) -> bool:
    return bool(problem.reason) and len(f"{problem.reason}{problem.remedy}") > 15


def test_no_error_shows_a_secret():  # F5-1
    device = Device(address="192.0.2.10", user="admin", password="hunter2-secret")
    assert "hunter2" not in repr(device)
    assert "hunter2" not in repr(Ltm(address="192.0.2.80", device=device))
    for broken in ({"address": ""}, {"token": "hunter2-token"}, {"user": None}):
        with pytest.raises(SpecError) as caught:
            Device(**{"address": "192.0.2.10", "user": "admin", "password": "hunter2-secret", **broken})  # type: ignore[arg-type]
        assert "hunter2" not in str(caught.value)
    account = "https://admin:hunter2/@secret@192.0.2.10"
    for make in (
        lambda: Device(address=account, token="t"),
        lambda: Device(address=account.removeprefix("https://"), token="t"),
        lambda: Ltm(address="192.0.2.80", device=account),
        lambda: Ltm(address=account),
        lambda: pair(devices={"a": account, "b": device}),
        lambda: Ltm.load({"address": "192.0.2.80", "device": account}),
    ):
        with pytest.raises(SpecError) as caught:
            make()
        assert not re.search("hunter2|secret|admin", str(caught.value)), str(caught.value)
        assert caught.value.problems[0].reason
    with pytest.raises(SpecError, match="Did you mean `password`") as caught:
        Device(address="192.0.2.10", user="admin", pasword="hunter2-secret")  # type: ignore[call-arg]
    assert "hunter2" not in str(caught.value), "a slip in the field's name"


WARNED: list[tuple[dict[str, Any], Ltm, str]] = [
    ({"pools.p.health_check": None}, LTM, "a dead node keeps its share"),
    ({"pools.p.retries": 2}, LTM, "can't be connected to"),
    ({}, LTM, "teemDisable"),
    ({}, LTM, "goes down after 11 s"),
    ({"pools.p.health_check.fall": 1}, LTM, "one lost probe"),
    ({}, LTM, "Host header is empty"),
    ({"pools.p.health_check.body": "ok"}, LTM, "first 5120 bytes"),
    ({"pools.p.limits": {"hard": 8}}, LTM, "instead of answering 503"),
    ({**HTTPS, "pools.p.tls": {"verify": False}}, LTM, "reads along"),
    ({**HTTPS, "pools.p.tls": {"ca": "device:/Common/ca.crt"}}, LTM, "not the name in it"),
    ({"pools.p.nodes.b": None}, LTM, "a single node"),
    ({"pools.p.nodes.a.admin_state": "drain", "pools.p.nodes.b.admin_state": "drain"}, LTM, "no node is ready"),
    ({"pools.p.timeouts.idle": 20}, LTM, "is cut"),
    ({"listeners.l.allow": ["10.0.0.0/8", "192.168.0.0/16"]}, LTM, "one virtual server for each range"),
    ({}, Ltm(address="10.1.0.10", snat="none"), "never see them"),
    ({}, Ltm(address="10.1.0.10", save=False), "loses this balancer"),
    ({}, Ltm(address="10.1.0.10", device=Device(address="192.0.2.1", user="u", password="p")), "in clear in the program"),
    ({}, Ltm(address="10.1.0.10", device=Device(address="192.0.2.1", token="t")), "certificate is not checked"),
    ({}, Ltm(address="10.1.0.10", device=Device(address="http://192.0.2.1", token="t")), "plain http"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "ltm", "text"), WARNED, ids=lambda value: str(value)[:40])
def test_what_is_legal_and_dangerous_is_said(changes: dict[str, Any], ltm: Ltm, text: str):
    wanted: Spec = spec(changes)
    assert any(text in note for note in (*ltm.notes(wanted), *ltm.warnings(wanted)))
    quiet = spec({"pools.p.health_check": {"path": "/h", "host": "a.x", "timeout": 5}})
    calm = Ltm(address="10.1.0.10", device=SimpleNamespace(package="f5bigip"))
    assert list(calm.warnings(quiet)) == []


def test_every_deviation_from_an_unset_default_is_said():
    wanted = spec()
    said = "\n".join(LTM.notes(wanted))
    for word in (
        "drain: a BIG-IP lets",
        "no timer for the first byte",
        "tries another node",
        "limits and timers",
        "no timeout of its own",
    ):
        assert word in said
    carried = "\n".join(LTM.notes(spec(TCP)))
    assert "first byte" not in carried
    assert "limits and timers" not in carried
