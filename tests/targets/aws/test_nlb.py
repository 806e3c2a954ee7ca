"""The Network Load Balancer: bytes, static addresses, the client's address."""

from __future__ import annotations

from typing import Any

import pytest

from lbkit.errors import SpecError
from lbkit.targets.aws import Nlb
from lbkit.targets.aws.plan import Ref
from tests.targets.aws.house import FIXED_FLEET, IDS, alb, at, changed, nlb, planned, refusals

ONE = {"subnet_ids": IDS["subnet_ids"][:1]}
ADDRESS = "eipalloc-0a1b2c3d4e5f60718"
STICKY = {"type": "source_ip", "enabled": True}
HTTP_CHECK = {"pools.p.health_check": {"path": "/up", "codes": "200-599"}}


@pytest.mark.parametrize(
    ("changes", "path", "value"),
    [
        ({}, "load_balancer:load_balancer_type", "network"),
        ({}, "listener--l:protocol", "TCP"),
        ({"listeners.l.protocol": "tls"}, "listener--l:protocol", "TCP"),  # CR-19: TLS passes unopened
        ({}, "listener--l:tcp_idle_timeout_seconds", 300),
        ({"pools.p.timeouts": {"idle": 6000}}, "listener--l:tcp_idle_timeout_seconds", 6000),
        ({}, "p:protocol", "TCP"),
        ({}, "p:health_check", {"enabled": True, "protocol": "TCP", "port": "traffic-port", "interval": 5, "timeout": 5,
                                "healthy_threshold": 3, "unhealthy_threshold": 2}),  # CR-8..11, exact here
        (HTTP_CHECK, "p:health_check.protocol", "HTTP"),
        (HTTP_CHECK, "p:health_check.matcher", "200-599"),
        ({}, "p:stickiness", {**STICKY, "enabled": False}),
        ({"pools.p.algorithm": "source_hash"}, "p:stickiness", STICKY),
        ({}, "p:proxy_protocol_v2", False),
        ({"pools.p.proxy_protocol": "v2"}, "p:proxy_protocol_v2", True),
        ({"pools.p.drain": 9}, "p:deregistration_delay", 9),
        ({}, "p:connection_termination", True),
        (FIXED_FLEET, "p:target_type", "instance"),
    ],
)  # fmt: skip
def test_a_field_becomes_its_argument(changes: dict[str, Any], path: str, value: Any):
    assert at(planned(changes, nlb()), path) == value


@pytest.mark.parametrize(
    ("placement", "path", "value"),
    [
        ({}, "load_balancer:enable_cross_zone_load_balancing", True),
        ({"cross_zone": False}, "load_balancer:enable_cross_zone_load_balancing", False),
        ({}, "p:preserve_client_ip", "false"),
        ({"preserve_client_ip": True}, "p:preserve_client_ip", "true"),
        ({}, "load_balancer:security_groups", [Ref("firewall--balancer", "id")]),
        ({}, "load_balancer:subnet_mappings", [{"subnet_id": item} for item in IDS["subnet_ids"]]),
        ({**ONE, "static_addresses": True}, "load_balancer:subnet_mappings",
         [{"subnet_id": ONE["subnet_ids"][0], "allocation_id": Ref(f"address--{ONE['subnet_ids'][0]}", "id")}]),  # CR-4
        ({**ONE, "allocation_ids": [ADDRESS]}, "load_balancer:subnet_mappings.0.allocation_id", ADDRESS),
    ],
)  # fmt: skip
def test_the_placement_becomes_its_argument(placement: dict[str, Any], path: str, value: Any):
    assert at(planned({}, nlb(**placement)), path) == value


def test_an_elastic_ip_serves_one_balancer_so_the_old_one_goes_first():  # CR-4
    plan = planned({}, nlb(**ONE, static_addresses=True))
    assert plan["load_balancer"].delete_first
    assert plan["p"].replaced_with == ""
    assert not planned({}, nlb())["load_balancer"].delete_first


def test_an_address_belongs_to_its_subnet():  # CR-4
    first, second = IDS["subnet_ids"]
    one = planned({}, nlb(subnet_ids=[second], static_addresses=True))
    two = planned({}, nlb(subnet_ids=[first, second], static_addresses=True))
    assert {label for label in one if label.startswith("address")} < {
        label for label in two if label.startswith("address")
    }


@pytest.mark.parametrize(
    ("changes", "path", "reason"),
    [
        ({"pools.p.algorithm": "round_robin"}, "pools.p.algorithm", "a hash"),
        ({"pools.p.algorithm": "least_connections"}, "pools.p.algorithm", "a hash"),
        ({"pools.p.proxy_protocol": "v1"}, "pools.p.proxy_protocol", "version 2"),
        ({"pools.p.slow_start": 30}, "pools.p.slow_start", "full share"),
        ({"pools.p.health_check.interval": 4, "pools.p.health_check.timeout": 4}, "pools.p.health_check.interval", "5 to 300"),
        ({"pools.p.timeouts": {"idle": 59}}, "pools.p.timeouts.idle", "60 to 6000"),
        ({**FIXED_FLEET, "pools.p.limits": {"soft": 4}}, "pools.p.limits.soft", "no connections"),
        ({**FIXED_FLEET, "pools.p.fleet.max": 4}, "pools.p.fleet", "Alb"),
        ({"listeners.l.protocol": "tls", "listeners.l.routes": {"r": {"host": "a.example", "pool": "p"}}},
         "listeners.l.routes", "name asked for"),
        ({"pools.p.health_check": {"path": "/", "codes": "100"}}, "pools.p.health_check.codes", "200 to 599"),
        ({"pools.p.preset": "crusoe", "pools.p.firewall": True}, "pools.p.firewall", ""),
    ],
)  # fmt: skip
def test_what_nlb_can_not_do_is_refused(changes: dict[str, Any], path: str, reason: str):  # LB-2
    if "pools.p.preset" in changes:
        with pytest.raises(SpecError, match="firewall"):
            refusals(changes, nlb())
        return
    found = refusals(changes, nlb())
    assert list(found) == [path]
    assert reason in found[path]


def test_the_crusoe_preset_is_exact_here():  # CR-15, CR-8..11
    found = planned({"pools.p.preset": "crusoe"}, nlb())
    assert at(found, "p:stickiness.enabled") is True
    assert at(found, "p:health_check.timeout") == at(found, "p:health_check.interval") == 5


def test_http_and_tcp_in_one_spec_are_two_balancers():  # LB-2
    both = {
        "pools.t": {"port": 22, "protocol": "tcp", "nodes": {"z": {"address": "10.0.1.1"}}},
        "listeners.t": {"port": 22, "protocol": "tcp", "pool": "t"},
    }
    assert "two balancers" in refusals(both)["listeners.t.protocol"]
    assert "pools.t.protocol" in refusals(both)
    http = {
        "pools.h": {"port": 80, "health_check": {"path": "/"}, "nodes": {"z": {"address": "10.0.1.1"}}},
        "listeners.h": {"port": 81, "pool": "h"},
    }
    assert "two balancers" in refusals(http, nlb())["listeners.h.protocol"]


@pytest.mark.parametrize(
    ("placement", "reason"),
    [
        ({"static_addresses": True, "allocation_ids": [ADDRESS, ADDRESS]}, "lbkit makes addresses"),
        ({"allocation_ids": [ADDRESS]}, "2 subnets"),
        ({"static_addresses": True, "internal": True}, "Elastic IPs are public"),
        ({"allocation_ids": ["eipalloc-1234567890abcdef0"] * 2}, "placeholder"),  # AW-14
        ({"subnet_ids": []}, "not be empty"),
        ({"access_logs": {"bucket": "ours"}}, "no such field"),
    ],
)
def test_a_wrong_placement_is_refused(placement: dict[str, Any], reason: str):
    with pytest.raises(SpecError, match=reason):
        nlb(**placement)


def test_deviations_are_said_and_dangers_warned_of():
    said = "\n".join(
        nlb().notes(changed({"pools.p.protocol": "tcp", "listeners.l.protocol": "tcp", "pools.p.health_check": {}}))
    )
    assert "not in turn" in said
    spec = changed({"pools.p.protocol": "tcp", "listeners.l.protocol": "tcp", "pools.p.health_check": {}})
    assert any("one subnet is one zone" in text for text in nlb(**ONE).warnings(spec))
    assert isinstance(nlb(), Nlb)
    assert alb().title != nlb().title
