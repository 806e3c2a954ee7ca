"""Every mistake gets a text that a person can act on: the path, what is wrong, what to do."""

from __future__ import annotations

import copy
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from lbkit.dataplane.core.node import NodeState
from lbkit.errors import SpecError
from lbkit.spec import Certificate, HealthCheck, Limits, Node, Pool, Spec, Timeouts
from lbkit.targets.bigip import Device
from tests.laws.leaves import BASE, put

NODES = {"a": Node(address="10.0.0.1")}

TCP: dict[str, Any] = {"pools.p.protocol": "tcp", "listeners.l.protocol": "tcp", "pools.p.health_check": {}}

# CR-6: a node is a private address, a public one needs an explicit word. CR-13: UDP is refused.
MISTAKES: list[tuple[str, dict[str, Any], str, str, str]] = [
    ("unknown field", {"pools.p.limits": {"hrd": 3}}, "pools.p.limits.hrd = 3", "no such field", "Did you mean `hard`?"),
    ("unknown field far off", {"pools.p.zzz": 1}, "pools.p.zzz = 1", "no such field", "It may be one of: port,"),
    ("a unit", {"pools.p.drain": "100ms"}, "pools.p.drain = '100ms'", "plain seconds", "Write 0.1"),
    ("milliseconds", {"pools.p.timeouts": {"first_byte": 100_000}}, "first_byte = 100000", "more than a day", "write 100"),
    ("an unused pool", {"pools.q": {"port": 1, "nodes": {"z": {"address": "10.1.1.1"}}}}, "pools.q", "No listener uses", "pool='q'"),
    ("a missing pool", {"listeners.l.pool": "pp"}, "listeners.l.pool = 'pp'", "no such pool", "Pools are: p."),
    ("a port twice", {"listeners.m": {"port": 80, "pool": "p"}}, "listeners.m.port = 80", "'l' has this port", "another"),
    ("-- in a name", {"pools.p.nodes.a--b": {"address": "10.0.0.9"}}, "nodes.a--b", "joins names", "single '-'"),
    ("a name with a blank", {"listeners.a b": {"port": 81, "pool": "p"}}, "listeners.a b", "letters, digits", "begin with"),
    ("a host name", {"pools.p.nodes.a.address": "gpu-0.local"}, "nodes.a.address = 'gpu-0.local'", "a name", "IP address"),
    ("address and port", {"pools.p.nodes.a.address": "10.0.0.1:80"}, "nodes.a.address", "not one IPv4", "field of its own"),
    ("a public address", {"pools.p.nodes.a.address": "8.8.8.8"}, "nodes.a.address = '8.8.8.8'", "public", "public=True"),
    ("an address twice", {"pools.p.nodes.b.address": "10.0.0.1"}, "nodes.b.address", "'a' has the same", "weight"),
    ("min above max", {"pools.p.nodes": {}, "pools.p.fleet": {"image": "ami-1", "size": "x", "min": 5, "max": 2}},
     "pools.p.fleet.min = 5", "above the maximum of 2", "Swap"),
    ("desired outside", {"pools.p.nodes": {}, "pools.p.fleet": {"image": "i", "size": "x", "max": 2, "desired": 9}},
     "pools.p.fleet.desired = 9", "Outside", "from 1 to 2"),
    ("no nodes", {"pools.p.nodes": {}}, "pools.p.nodes", "no nodes", "Add a node"),
    ("all backups", {"pools.p.nodes": {"a": {"address": "10.0.0.1", "backup": True}}}, "pools.p.nodes", "backup", "Leave"),
    ("soft above hard", {"pools.p.limits": {"soft": 9, "hard": 3}}, "pools.p.limits.soft = 9", "above the hard", "At most 3"),
    ("a queue that nothing enters", {"pools.p.limits": {"queue": {}}}, "limits.queue", "nothing ever waits", "limits.hard"),
    ("a standby that nothing wakes", {"pools.p.nodes.b.standby": True}, "limits.soft", "soft limit", "Add it"),
    ("UDP", {"pools.p.protocol": "udp"}, "pools.p.protocol = 'udp'", "'http', 'https' or 'tcp'", ""),
    ("protocols that do not fit", {"listeners.l.protocol": "tcp"}, "listeners.l.pool = 'p'", "can't lead to", "tcp pools"),
    ("https without certificate", {"listeners.l.protocol": "https"}, "listeners.l.tls", "certificate", "Certificate("),
    ("TLS where there is none", {"listeners.l.tls": {"default": {"certificate": "/x"}}}, "listeners.l.tls", "doesn't end TLS", "https"),
    ("a probe longer than its interval", {"pools.p.health_check": {"timeout": 9}}, "health_check.timeout = 9", "end before", "interval"),
    ("a body for a TCP check", {"pools.p.health_check": {"body": "ok"}}, "health_check.body = 'ok'", "only connects", "Add `path`"),
    ("a status code range", {"pools.p.health_check.codes": "2xx"}, "health_check.codes = '2xx'", "'200-299'", ""),
    ("a path without slash", {"pools.p.health_check.path": "health"}, "health_check.path = 'health'", "begins with '/'", ""),
    ("a zone", {"pools.p.nodes.a.address": "fe80::1%eth0"}, "nodes.a.address = 'fe80::1%eth0'", "one machine only", "needs none"),
    ("port 0", {"listeners.l.port": 0}, "listeners.l.port = 0", "too small.", "At least 1."),
    ("a route without condition", {"listeners.l.routes": {"r": {"pool": "p"}}}, "listeners.l.routes.r", "fits everything", "pool"),
    ("a route to two places", {"listeners.l.routes": {"r": {"path": "/a", "pool": "p", "answer": {}}}}, "routes.r", "one place", "one of"),
    ("a redirect to itself", {"listeners.l.redirect": {}}, "listeners.l.redirect", "leads back", "scheme"),
    ("sticky TCP", {"pools.p.protocol": "tcp", "pools.p.sticky": {}, "listeners.l.protocol": "tcp", "pools.p.health_check": {}},
     "pools.p.sticky", "only carries bytes", "Leave it out"),
    ("a port on every address, then on one", {"listeners.l.address": "10.0.0.1", "listeners.m": {"port": 80, "pool": "p"}},
     "listeners.m.port = 80", "'l' has this port", "another"),
    ("a port on all of IPv4, then on one",
     {"listeners.l.address": "0.0.0.0", "listeners.m": {"port": 80, "pool": "p", "address": "10.0.0.1"}},
     "listeners.m.port = 80", "'l' has this port", "another"),
    ("an open range of codes", {"pools.p.health_check.codes": "200-"}, "health_check.codes = '200-'", "'200-299'", ""),
    ("codes in other digits", {"pools.p.health_check.codes": "٢٠٠"}, "health_check.codes", "'200-299'", ""),
    ("a pattern where a host is wanted", {"listeners.l.pool": None, "listeners.l.redirect": {"host": "*.example.com"}},
     "listeners.l.redirect.host = '*.example.com'", "DNS name", ""),
    ("a query in a route", {"listeners.l.routes": {"r": {"exact": "/a?b=1", "pool": "p"}}},
     "routes.r.exact = '/a?b=1'", "path alone", "out"),
    ("a body where none is sent", {"listeners.l.routes": {"r": {"path": "/a", "answer": {"status": 204, "body": "x"}}}},
     "routes.r.answer.body", "has no body", "Leave it out"),
    ("limits of requests for TCP", {**TCP, "listeners.l.limits": {"fields": 9}, "listeners.l.timeouts": {"header": 3, "body": 9}},
     "listeners.l.limits.fields = 9", "sees no request", "Leave it out"),
    ("a timer of requests for TCP", {**TCP, "listeners.l.timeouts": {"header": 3}}, "listeners.l.timeouts.header = 3", "sees no", "out"),
    ("status codes for TCP", {**TCP, "pools.p.passive_check": {"codes": "500"}}, "passive_check.codes = '500'", "no status", "out"),
    ("a queue that the legacy gateway always has", {"pools.p.preset": "salad_legacy", "pools.p.limits": {"queue": None}},
     "pools.p.limits.queue", "legacy gateway does not", "choose 100"),
    ("a mapping that is a list", {"pools.p.nodes": ["10.0.0.1"]}, "pools.p.nodes", "mapping keyed by names", ""),
]  # fmt: skip


def text_of(changes: dict[str, Any]) -> str:
    data = copy.deepcopy(BASE)
    for path, value in changes.items():
        put(data, path, copy.deepcopy(value))
    with pytest.raises(SpecError) as caught:
        Spec.load(data)
    return str(caught.value)


@pytest.mark.parametrize(
    ("changes", "path", "reason", "remedy"), [m[1:] for m in MISTAKES], ids=[m[0] for m in MISTAKES]
)
def test_a_mistake_is_named(changes: dict[str, Any], path: str, reason: str, remedy: str):
    text = text_of(changes)
    assert path in text
    assert reason in text
    assert remedy in text
    assert "pydantic" not in text


def test_several_mistakes_come_at_once():
    text = text_of({"pools.p.drain": "5s", "pools.p.nodes.a.address": "x", "listeners.l.port": 0, "pools.p.nods": {}})
    for path in ("pools.p.drain = '5s'", "pools.p.nodes.a.address = 'x'", "listeners.l.port = 0", "pools.p.nods"):
        assert path in text


def test_an_error_in_python_names_the_users_own_line(tmp_path: Path):
    program = tmp_path / "mine.py"
    program.write_text(
        textwrap.dedent(
            """
            from lbkit import Limits, Node

            limits = Limits(hard=4)
            node = Node(
                address="gpu-0",
            )
            """
        )
    )
    found = subprocess.run([sys.executable, program], capture_output=True, text=True, check=False)
    assert "Node is not right (mine.py, line 5)" in found.stderr
    assert "Node.address = 'gpu-0'" in found.stderr


def test_a_secret_in_the_spec_is_refused_and_not_shown():
    text = text_of({"pools.p.health_check.headers": {"Authorization": "Bearer hunter2"}})
    assert "credential" in text
    assert "file:/path" in text
    assert "hunter2" not in text
    HealthCheck(path="/", headers={"Authorization": "file:/run/secrets/token"})
    for length in (1, 2000):
        with pytest.raises(SpecError) as caught:
            Certificate(certificate="-----BEGIN PRIVATE KEY-----" + "hunter2" * length)
        assert "PEM text" in str(caught.value)
        assert "hunter2" not in str(caught.value)
    with pytest.raises(SpecError) as caught:
        Device(address="10.0.0.1", user="admin", password=12345)  # type: ignore[arg-type]
    assert "Device.password" in str(caught.value)
    assert "12345" not in str(caught.value)


def test_a_value_is_shown_where_only_the_name_is_that_of_a_secret():
    text = text_of({"listeners.l.limits": {"headers": 0}})
    assert "listeners.l.limits.headers = 0" in text


def test_what_is_no_mapping_at_all_is_named():
    with pytest.raises(SpecError) as caught:
        Spec.load([1])  # type: ignore[arg-type]
    assert "(all of it)" in str(caught.value)


def test_a_routed_tls_listener_loads_from_its_own_dump():
    data = copy.deepcopy(BASE)
    for path, value in {**TCP, "listeners.l.protocol": "tls"}.items():
        put(data, path, value)
    data["listeners"]["l"]["routes"] = {"r": {"host": "*.a.example", "pool": "p", "path": None}}
    spec = Spec.load(data)
    assert Spec.load(spec.model_dump()) == spec


@pytest.mark.parametrize("make", [lambda: Limits(hard=True), lambda: Timeouts(idle=True), lambda: Limits(hard=2.5)])  # type: ignore[arg-type]
def test_a_number_is_a_number(make: Any):
    with pytest.raises(SpecError):
        make()


def test_nodes_of_one_pool_are_of_one_kind():  # UK-3
    pool = Pool(port=8000, nodes={"a": Node(address="10.0.0.1"), "b": Node(address="10.0.0.2", port=9000)})
    assert [NodeState(name, node, pool).port for name, node in pool.nodes.items()] == [8000, 9000]
    with pytest.raises(SpecError, match=r"Node\.protocol"):
        Node(address="10.0.0.1", protocol="tcp")  # type: ignore[call-arg]


PRESETS: list[tuple[str, dict[str, Any], str]] = [
    ("crusoe", {"algorithm": "round_robin"}, "algorithm"),  # CR-15
    ("crusoe", {"health_check": {"path": "/"}}, "health_check.path"),  # CR-15
    ("salad", {"algorithm": "source_hash"}, "algorithm"),
    ("salad", {"limits": {"hard": 2}}, "limits.hard"),
    ("salad", {"limits": {"hard": 1, "queue": {"timeout": 101}}}, "limits.queue.timeout"),  # SA-11
    ("salad", {"timeouts": {"first_byte": 101}}, "timeouts.first_byte"),  # SA-14
    ("salad_legacy", {"algorithm": "round_robin"}, "algorithm"),  # SA-20
    ("unikraft", {"limits": {"hard": 2, "queue": {}}}, "limits.queue"),  # UK-12
]


@pytest.mark.parametrize(("preset", "settings", "path"), PRESETS)
def test_a_preset_refuses_what_its_service_cannot_do(preset: str, settings: dict[str, Any], path: str):
    with pytest.raises(SpecError) as caught:
        Pool.load({"port": 80, "preset": preset, "nodes": {"a": {"address": "10.0.0.1"}}, **settings})
    assert path in [p.path for p in caught.value.problems]


def test_the_crusoe_preset_has_its_values():  # CR-15, CR-8..11, CR-14
    pool = Pool(port=6443, preset="crusoe", nodes=NODES)
    check = pool.health_check
    assert (pool.protocol, pool.algorithm, pool.firewall) == ("tcp", "source_hash", False)
    assert check
    assert (check.path, check.timeout, check.interval, check.rise, check.fall) == (None, 5, 5, 3, 2)


def test_the_salad_presets_have_their_values():  # SA-11, SA-12, SA-13, SA-14, SA-15, SA-16, SA-18, SA-20
    pool = Pool(port=80, preset="salad", limits=Limits(hard=1), nodes=NODES)
    assert pool.limits.queue
    assert (pool.limits.queue.timeout, pool.timeouts.first_byte) == (100, 100)
    assert (pool.codes.first_byte, pool.codes.died, pool.codes.queue, pool.codes.connect) == (524, 500, 504, 504)
    assert Pool(port=80, preset="salad", nodes=NODES).limits.queue is None, "SA-6: nothing waits without a limit"
    legacy = Pool(port=80, preset="salad_legacy", nodes=NODES)
    assert (legacy.algorithm, legacy.limits.hard) == ("least_connections", 1)
    assert legacy.limits.queue
    assert legacy.limits.queue.timeout == 100


def test_the_unikraft_preset_has_its_values():  # UK-12, UK-14
    pool = Pool(port=80, preset="unikraft", limits=Limits(hard=5), nodes=NODES)
    assert (pool.algorithm, pool.limits.queue) == ("least_connections", None)
