"""Spec words to F5 words: for each field its values and borders."""

from __future__ import annotations

import re
from typing import Any

import pytest

from lbkit.targets.base import problems
from lbkit.targets.bigip import Ltm
from lbkit.targets.bigip.health import pattern
from lbkit.targets.bigip.parts import Ref
from lbkit.targets.bigip.translate import plan
from tests.targets.bigip.files import file_of
from tests.targets.bigip.house import LTM, Q, spec

TCP = {"pools.p.protocol": "tcp", "listeners.l.protocol": "tcp", "pools.p.health_check": {}}
TLS = {
    "listeners.l.protocol": "https",
    "listeners.l.port": 443,
    "listeners.l.tls": {"default": {"certificate": "/a.pem"}},
}
NAMED = {**TLS, "listeners.l.tls.names": {"x": {"certificate": "/b.pem", "key": "/b.key"}}}
ON_DEVICE = {"listeners.l.protocol": "https", "listeners.l.tls": {"default": {
    "certificate": "device:/Common/mine.crt", "key": "device:/Common/mine.key"}}}  # fmt: skip
HTTPS = {"pools.p.protocol": "https"}


def planned(changes: dict[str, Any], ltm: Ltm = LTM) -> dict[str, Any]:
    wanted = spec(changes)
    assert not [str(p) for p in problems(wanted, Ltm)]
    return plan("lb", wanted, ltm, file_of)


VALUES: list[tuple[dict[str, Any], str, str, dict[str, Any]]] = [
    # pools
    ({}, "pools", "p", {"load_balancing_mode": "round-robin", "allow_snat": "yes", "allow_nat": "yes", "slow_ramp_time": 0}),
    ({"pools.p.algorithm": "least_connections"}, "pools", "p", {"load_balancing_mode": "least-connections-member"}),
    ({"pools.p.nodes.a.weight": 3}, "pools", "p", {"load_balancing_mode": "ratio-member"}),
    ({"pools.p.nodes.a.weight": 256, "pools.p.algorithm": "least_connections"}, "pools", "p",
     {"load_balancing_mode": "ratio-least-connections-member"}),
    ({"pools.p.nodes.a.weight": 3}, "members", "p--10-0-0-1-8000", {"ratio": 3}),
    ({"pools.p.slow_start": 30}, "pools", "p", {"slow_ramp_time": 30}),
    ({"pools.p.slow_start": 86_400}, "pools", "p", {"slow_ramp_time": 86_400}),
    ({"pools.p.retries": 0}, "pools", "p", {"reselect_tries": 0}),
    ({"pools.p.nodes.b.backup": True}, "pools", "p", {"minimum_active_members": 1}),
    ({"pools.p.nodes.b.backup": True}, "members", "p--10-0-0-1-8000", {"priority_group": 2}),
    ({"pools.p.nodes.b.backup": True}, "members", "p--10-0-0-2-8000", {"priority_group": 1}),
    ({}, "members", "p--10-0-0-1-8000", {"priority_group": 2, "connection_limit": 0, "state": "enabled", "monitor": "default"}),
    ({"pools.p.nodes.a.admin_state": "drain"}, "members", "p--10-0-0-1-8000", {"state": "forced_offline"}),
    ({"pools.p.limits": {"hard": 8}}, "members", "p--limited--10-0-0-1-8000", {"connection_limit": 8}),
    ({"pools.p.health_check": None}, "pools", "p", {"monitors": [""]}),
    # nodes
    ({}, "nodes", "10-0-0-1", {"address": "10.0.0.1", "monitor": "none", "name": "/Common/lb--10-0-0-1--node"}),
    ({"pools.p.nodes.a.address": "fd00::1"}, "nodes", "6-fd00-0000-0000-0000-0000-0000-0000-0001", {"address": "fd00::1"}),
    ({"pools.p.nodes.a.port": 8005}, "members", "p--10-0-0-1-8005", {"pool": Ref("pools", "p")}),
    # health checks
    ({}, "monitors", "p--http", {"interval": 5, "timeout": 11, "time_until_up": 10, "destination": "*:*"}),
    ({"pools.p.health_check": {"interval": 30, "rise": 2, "fall": 2}}, "monitors", "p--tcp",
     {"parent": "/Common/tcp", "timeout": 61, "time_until_up": 30, "send": "", "receive": ""}),
    ({"pools.p.health_check": {"interval": 1, "timeout": 1, "rise": 1, "fall": 1}}, "monitors", "p--tcp",
     {"timeout": 2, "time_until_up": 0}),
    ({"pools.p.health_check": {"interval": 86_399, "rise": 1, "fall": 1}}, "monitors", "p--tcp", {"timeout": 86_400}),
    ({"pools.p.health_check.port": 9001}, "monitors", "p--http-9001", {"destination": "*:9001"}),
    ({"pools.p.health_check.protocol": "https"}, "monitors", "p--https", {"parent": "/Common/https"}),
    ({**HTTPS, "pools.p.tls": {"verify": False}}, "monitors", "p--https", {"parent": "/Common/https"}),
    ({**HTTPS, "pools.p.tls": {"verify": False, "server_name": "n.x"}}, "monitors", "p--https-named",
     {"ssl_profile": Ref("server_tls", "p--named")}),
    ({"pools.p.health_check": {"path": "/h", "method": "HEAD", "host": "a.example", "headers": {"X-A": "b\\c"}}}, "monitors", "p--http",
     {"send": "HEAD /h HTTP/1.1\\r\\nHost: a.example\\r\\nX-A: b\\\\c\\r\\nConnection: Close\\r\\n\\r\\n"}),
    ({"pools.p.health_check": {"path": "/h", "codes": "200", "body": "ok (1)"}}, "monitors", "p--http",
     {"receive": "^HTTP/1\\.[01] (200).*ok \\(1\\)"}),
    # TLS to the nodes
    ({**HTTPS, "pools.p.tls": {"verify": False}}, "server_tls", "p", {"peer_cert_mode": "ignore", "ca_file": "none"}),
    ({**HTTPS, "pools.p.tls": {"ca": "device:/Common/ca.crt"}}, "server_tls", "p",
     {"peer_cert_mode": "require", "ca_file": "/Common/ca.crt"}),
    ({**HTTPS, "pools.p.tls": {"ca": "/ca.pem", "server_name": "n.x"}}, "server_tls", "p--named", {"server_name": "n.x"}),
    # timers
    ({"pools.p.timeouts.idle": 900}, "tcp", "80", {"idle_timeout": 900}),
    ({"pools.p.timeouts.keep_alive": 9}, "one_connect", "80", {"idle_timeout_override": "9", "limit_type": "none"}),
    ({**TCP, "pools.p.timeouts": {"idle": 86_400, "connect": 7}}, "fast_l4", "80", {"idle_timeout": "86400", "tcp_handshake_timeout": "7"}),
    # virtual servers
    ({}, "virtual_servers", "80", {"destination": "10.1.0.10", "port": 80, "source": "0.0.0.0/0", "mask": "255.255.255.255",
                                  "source_address_translation": "automap", "ip_protocol": "tcp", "policies": [],
                                  "profiles": [Ref("tcp", "80"), Ref("http", "80"), Ref("one_connect", "80")]}),
    ({}, "http", "80", {"insert_xforwarded_for": "enabled"}),
    (TCP, "virtual_servers", "80", {"profiles": [Ref("fast_l4", "80")], "irules": [], "client_profiles": []}),
    ({"listeners.l.address": "2001:db8::9"}, "virtual_servers", "6-2001-0db8-0000-0000-0000-0000-0000-0009-80",
     {"source": "::/0", "mask": ":".join(["ffff"] * 8)}),
    ({"listeners.l.address": "10.1.0.10"}, "virtual_servers", "80", {"description": "listener l of lb"}),
    ({"listeners.l.allow": ["10.0.0.0/8", "172.16.0.0/12"]}, "virtual_servers", "80--172-16-0-0-12", {"source": "172.16.0.0/12"}),
    ({"listeners.l.pool": None, "listeners.l.redirect": {"port": 8443}, "listeners.m": {"port": 81, "pool": "p"}},
     "virtual_servers", "80", {"pool": ""}),
    ({**HTTPS, "pools.p.tls": {"verify": False}}, "virtual_servers", "80", {"server_profiles": [Ref("server_tls", "p")]}),
    # stickiness
    ({"pools.p.sticky": {}}, "cookies", "80", {"cookie_name": "lbkit", "expiration": "0", "method": "insert"}),
    ({"pools.p.sticky": {"cookie": "c", "ttl": 86_399}}, "cookies", "80", {"cookie_name": "c", "expiration": "0:23:59:59"}),
    ({"pools.p.sticky": {"ttl": 86_400}}, "cookies", "80", {"expiration": "1:0:0:0"}),
    ({"pools.p.sticky": {}}, "virtual_servers", "80", {"persistence_profiles": [Ref("cookies", "80")],
                                                     "default_persistence_profile": Ref("cookies", "80")}),
    ({"pools.p.algorithm": "source_hash"}, "sources", "80", {"hash_algorithm": "carp", "mask": "255.255.255.255"}),
    ({**TCP, "pools.p.algorithm": "source_hash"}, "virtual_servers", "80", {"default_persistence_profile": Ref("sources", "80")}),
    # TLS from the clients
    (TLS, "client_tls", "443", {"sni_default": "true", "server_name": "", "ciphers": "TLSv1_3:DEFAULT", "peer_cert_mode": "ignore"}),
    ({**TLS, "listeners.l.tls.min_version": "1.3"}, "client_tls", "443", {"ciphers": "TLSv1_3"}),
    ({**TLS, "listeners.l.tls.client_ca": "device:/Common/ca.crt"}, "client_tls", "443",
     {"peer_cert_mode": "require", "ca_file": "/Common/ca.crt", "client_cert_ca": "/Common/ca.crt"}),
    (NAMED, "client_tls", "443--x--b.example", {"sni_default": "false", "server_name": "b.example"}),
    (NAMED, "virtual_servers", "443", {"client_profiles": [Ref("client_tls", "443"), Ref("client_tls", "443--x--b.example")]}),
    (ON_DEVICE, "client_tls", "80", {"cert": "/Common/mine.crt", "key": "/Common/mine.key", "chain": "none"}),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "kind", "key", "wanted"), VALUES, ids=lambda value: str(value)[:60])
def test_a_field_becomes_these_words(
    changes: dict[str, Any], kind: str, key: str, wanted: dict[str, Any]
):  # F5-2, F5-3, F5-4, F5-6, LB-3
    args = planned(changes)[kind][key]
    assert {field: args[field] for field in wanted} == wanted


@pytest.mark.parametrize("pool", ["p", "q"])
def test_the_configured_algorithm_reaches_each_pool_and_the_default_is_round_robin(pool: str):  # F5-6
    both = {"pools.q": Q, "listeners.m": {"port": 81, "pool": "q"}}
    assert planned(both)["pools"][pool]["load_balancing_mode"] == "round-robin"
    chosen = planned({**both, f"pools.{pool}.algorithm": "least_connections"})["pools"]
    assert {key: item["load_balancing_mode"] for key, item in chosen.items()} == {
        "p": "round-robin",
        "q": "round-robin",
        pool: "least-connections-member",
    }


@pytest.mark.parametrize(
    "codes", ["200", "200-399", "200-204", "199-201", "100-599", "204,301-308,404", "250-349", "399-400", "555-599"]
)
def test_a_pattern_fits_exactly_the_codes(codes: str):
    good = set()
    for part in codes.split(","):
        low, _, high = part.partition("-")
        good |= set(range(int(low), int(high or low) + 1))
    fits = {code for code in range(100, 600) if re.search(pattern(codes), f"HTTP/1.1 {code} X")}
    assert fits == good


def test_one_address_is_one_node_for_all_pools():
    made = planned(
        {"pools.q": {**Q, "nodes": {"z": {"address": "10.0.0.1"}}}, "listeners.m": {"port": 81, "pool": "q"}}
    )
    assert list(made["nodes"]) == ["10-0-0-1", "10-0-0-2"]
    assert {"p--10-0-0-1-8000", "q--10-0-0-1-9000"} <= set(made["members"])


def test_other_names_and_another_order_in_the_spec_change_nothing():  # UK-19
    other = {"pools.p.nodes": {"y": {"address": "10.0.0.2"}, "x": {"address": "10.0.0.1"}}}
    assert planned({}) == planned(other) | {
        "rules": planned({})["rules"],
        "virtual_servers": planned({})["virtual_servers"],
    }


@pytest.mark.parametrize(
    ("snat", "translation", "members"),
    [
        ("automap", "automap", None),
        ("none", "none", None),
        (["10.9.0.1", "fd00::9"], "snat", ["/Team/10.9.0.1", "/Team/fd00::9"]),
    ],
)
def test_source_addresses(snat: Any, translation: str, members: list[str] | None):
    made = planned({}, Ltm(address="10.1.0.10", snat=snat, partition="Team"))
    server = made["virtual_servers"]["80"]
    assert server["source_address_translation"] == translation
    assert server["snatpool"] == (Ref("snat_pools", "addresses") if members else "")
    assert (made["snat_pools"]["addresses"]["members"] if members else None) == members
    shared = "255.255.255.255" if snat == "none" else "any"
    assert made["one_connect"]["80"]["source_mask"] == shared, "a client's own address is never another's"


def test_every_name_is_in_the_partition():
    made = planned(NAMED, Ltm(address="10.1.0.10", partition="Team"))
    names = [
        item["name"]
        for kind, found in made.items()
        if kind not in ("members", "certificates", "keys")
        for item in found.values()
    ]
    assert all(re.fullmatch(r"/Team/[A-Za-z0-9._-]+", name) for name in names)
    assert {item["partition"] for kind in ("certificates", "keys") for item in made[kind].values()} == {"Team"}


def test_addresses_that_are_somebody_elses_are_left_alone():
    assert planned({}, Ltm(address="10.1.0.10", traffic_group=None))["virtual_addresses"] == {}
    owned = planned({"listeners.m": {"port": 81, "pool": "p", "address": "10.1.0.11"}})["virtual_addresses"]
    assert {item["name"] for item in owned.values()} == {"/Common/10.1.0.10", "/Common/10.1.0.11"}
    assert all(item["auto_delete"] is False for item in owned.values())


def test_websocket_frames():
    made = planned({}, Ltm(address="10.1.0.10", websocket=True))
    assert "/Common/websocket" in made["virtual_servers"]["80"]["profiles"]
