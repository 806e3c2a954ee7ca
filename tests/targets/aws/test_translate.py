"""Spec words become AWS words: each field, at its borders, without Pulumi."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from lbkit.targets.aws import Alb
from lbkit.targets.aws.plan import Ref
from tests.laws.leaves import FLEET
from tests.targets.aws.house import (
    CERTIFICATE,
    GROUP,
    IDS,
    OTHER,
    TLS,
    TRUST,
    alb,
    at,
    changed,
    planned,
    refusals,
    routed,
)

CHECK = "p:health_check"
MACHINES = "template--p"
STORE = "trust--cebe2b96"
NODE = {"type": "forward", "target_group_arn": Ref("p", "arn")}
SELF_SIGNED = {"pools.p.protocol": "https", "pools.p.tls": {"verify": False}}


@pytest.mark.parametrize(
    ("changes", "path", "value"),
    [
        ({}, "p:port", 8000),
        ({}, "p:protocol", "HTTP"),
        (SELF_SIGNED, "p:protocol", "HTTPS"),
        (SELF_SIGNED, f"{CHECK}.protocol", "HTTPS"),
        ({**SELF_SIGNED, "pools.p.health_check.protocol": "http"}, f"{CHECK}.protocol", "HTTP"),
        ({"pools.p.health_check.protocol": "https"}, f"{CHECK}.protocol", "HTTPS"),
        ({}, "p:target_type", "ip"),
        (FLEET, "p:target_type", "instance"),  # AW-8
        ({}, "p:load_balancing_algorithm_type", "round_robin"),
        ({"pools.p.algorithm": "least_connections"}, "p:load_balancing_algorithm_type", "least_outstanding_requests"),
        ({"pools.p.drain": 0}, "p:deregistration_delay", 0),
        ({"pools.p.drain": 3600}, "p:deregistration_delay", 3600),
        ({}, "p:stickiness", {"type": "lb_cookie", "enabled": False, "cookie_duration": 86_400}),
        ({"pools.p.sticky": {}}, "p:stickiness", {"type": "lb_cookie", "enabled": True, "cookie_duration": 86_400}),
        ({"pools.p.sticky": {"ttl": 1}}, "p:stickiness.cookie_duration", 1),
        ({"pools.p.sticky": {"ttl": 86_400}}, "p:stickiness.cookie_duration", 86_400),
        ({}, "p:slow_start", 0),
        ({"pools.p.slow_start": 30}, "p:slow_start", 30),
        ({"pools.p.slow_start": 900}, "p:slow_start", 900),
        ({}, f"{CHECK}.port", "traffic-port"),
        ({"pools.p.health_check.port": 9}, f"{CHECK}.port", "9"),
        ({"pools.p.health_check.interval": 300}, f"{CHECK}.interval", 300),
        ({"pools.p.health_check.rise": 10}, f"{CHECK}.healthy_threshold", 10),
        ({"pools.p.health_check.fall": 10}, f"{CHECK}.unhealthy_threshold", 10),
        ({"pools.p.health_check.codes": "200,499"}, f"{CHECK}.matcher", "200,499"),
        ({}, f"{CHECK}.timeout", 4),
        ({"pools.p.health_check.interval": 6}, f"{CHECK}.timeout", 5),
        ({"pools.p.health_check.timeout": 2}, f"{CHECK}.timeout", 2),
        ({"pools.p.health_check": {"path": "/", "interval": 121, "timeout": 120}}, f"{CHECK}.timeout", 120),
        ({"pools.p.timeouts": {"idle": 4000}}, "load_balancer:idle_timeout", 4000),
        ({"listeners.l.timeouts": {"keep_alive": 60}}, "load_balancer:client_keep_alive", 60),
        ({"pools.p.nodes.a.port": 7}, "node--p--10-0-0-1-7:port", 7),
        ({"pools.p.nodes.a.port": 7}, "node--p--10-0-0-1-7:target_id", "10.0.0.1"),
        ({}, "listener--l:protocol", "HTTP"),
        ({}, "listener--l:default_actions", [NODE]),
        (TLS, "listener--l:protocol", "HTTPS"),
        (TLS, "listener--l:certificate_arn", CERTIFICATE.format("a")),
        (TLS, "listener--l:ssl_policy", "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09"),
        ({**TLS, "listeners.l.tls.min_version": "1.3"}, "listener--l:ssl_policy", "ELBSecurityPolicy-TLS13-1-3-PQ-2025-09"),
        (TLS, "listener--l:mutual_authentication", {"mode": "off"}),
        ({**TLS, "listeners.l.tls.client_ca": TRUST}, "listener--l:mutual_authentication",
         {"mode": "verify", "trust_store_arn": TRUST}),
        ({**TLS, "listeners.l.tls.client_ca": "s3://ours/ca/all.pem"}, "listener--l:mutual_authentication",
         {"mode": "verify", "trust_store_arn": Ref(STORE, "arn")}),
        ({**TLS, "listeners.l.tls.client_ca": "s3://ours/ca/all.pem"}, f"{STORE}:ca_certificates_bundle_s3_key", "ca/all.pem"),
        ({**TLS, "listeners.l.tls.names": {"x": {"certificate": CERTIFICATE.format("b")}}}, "certificate--l--b:certificate_arn",
         CERTIFICATE.format("b")),
        (routed(r={"path": "/v1"}) | {"listeners.l.pool": None, "listeners.n": {"port": 91, "pool": "p"}},
         "listener--l:default_actions.0.fixed_response.status_code", "404"),
        (FLEET, f"{MACHINES}:metadata_options.http_tokens", "required"),  # AW-9
        (FLEET, f"{MACHINES}:block_device_mappings.0.ebs.encrypted", "true"),  # AW-9
        ({**FLEET, "pools.p.fleet.disk": 99}, f"{MACHINES}:block_device_mappings.0.ebs.volume_size", 99),
        ({**FLEET, "pools.p.fleet.grace": 0}, "machines--p:health_check_grace_period", 0),  # AW-7
        (FLEET, "machines--p:desired_capacity", 1),  # AW-6
        ({**FLEET, "pools.p.fleet.desired": 3}, "machines--p:desired_capacity", 3),  # AW-6
        (FLEET, "scaling--p:target_tracking_configuration.target_value", 4.0),  # AW-13
    ],
)  # fmt: skip
def test_a_field_becomes_its_argument(changes: dict[str, Any], path: str, value: Any):
    assert at(planned(changes), path) == value


@pytest.mark.parametrize(
    ("field", "value", "path", "becomes"),
    [
        ("internal", True, "load_balancer:internal", True),
        ("ip", "dualstack", "load_balancer:ip_address_type", "dualstack"),
        ("deletion_protection", True, "load_balancer:enable_deletion_protection", True),
        ("cross_zone", False, "p:load_balancing_cross_zone_enabled", "false"),
        ("subnet_ids", ["subnet-0a1b2c3d", "subnet-0f1e2d3c"], "load_balancer:subnets", None),  # AW-2
        ("node_subnet_ids", ["subnet-0f1e2d3c"], "machines--p:vpc_zone_identifiers", None),
        ("root_device", "/dev/sda1", f"{MACHINES}:block_device_mappings.0.device_name", None),
        ("vpc_id", "vpc-0f1e2d3c", "p:vpc_id", None),  # AW-10
        ("access_logs", {"bucket": "ours", "prefix": "a"}, "load_balancer:access_logs",
         {"bucket": "ours", "prefix": "a", "enabled": True}),
        ("access_logs", {"bucket": "ours", "enabled": False}, "load_balancer:access_logs.enabled", False),
        ("connection_logs", {"bucket": "ours"}, "load_balancer:connection_logs.bucket", "ours"),
        ("tags", {"team": "ml"}, "load_balancer:tags", None),
        ("tags", {"team": "ml"}, f"{MACHINES}:tag_specifications", [{"resource_type": "volume", "tags": {"team": "ml"}}]),
        ("tags", {"team": "ml"}, "machines--p:tags.1", {"key": "team", "value": "ml", "propagate_at_launch": True}),
    ],
)  # fmt: skip
def test_the_placement_becomes_its_argument(field: str, value: Any, path: str, becomes: Any):
    assert at(planned(FLEET, alb(**{field: value})), path) == (value if becomes is None else becomes)


def test_nodes_outside_the_vpc_belong_to_all_zones():
    plan = planned({"pools.p.nodes.b.address": "192.168.7.2"}, alb(outside_vpc=["192.168.0.0/16"]))
    assert at(plan, "node--p--192-168-7-2-8000:availability_zone") == "all"
    assert at(plan, "node--p--10-0-0-1-8000:availability_zone") is None
    assert "availability_zone" not in planned({})["node--p--10-0-0-1-8000"].args


def test_user_data_travels_as_base64():
    found = planned({**FLEET, "pools.p.fleet.user_data": "#!/bin/sh\necho é"})
    assert base64.b64decode(at(found, f"{MACHINES}:user_data")).decode() == "#!/bin/sh\necho é"
    assert planned({**FLEET, "pools.p.fleet.user_data": "x" * 16_384})


def test_nothing_is_tagged_unless_asked():
    assert not [label for label, item in planned({}).items() if "tags" in item.args]


def test_a_fleet_of_fixed_size_has_no_policy_and_obeys_its_size():
    for limits in ({}, {"soft": 4}):
        found = planned({**FLEET, "pools.p.fleet.min": 3, "pools.p.limits": limits})
        assert "scaling--p" not in found
        assert found["machines--p"].ignored == ()
    (told,) = (text for text in Alb.dangers(changed({**FLEET, "pools.p.fleet.min": 3})) if "limits.soft" in text)
    assert told == (
        "pools.p.limits.soft: nothing scales on it, for the fleet has always 3 machines. Make `max` larger, or leave `soft` out."
    )
    assert not [text for text in Alb.dangers(changed(FLEET)) if "limits.soft" in text]
    assert planned(FLEET)["machines--p"].ignored == ("desiredCapacity",)  # else each `up` resets the scale


def test_a_node_by_instance_id_is_reached_by_its_group():
    nodes = {"pools.p.nodes": {"a": {"instance": "i-0a1b2c3d4e5f60718"}}}
    found = planned(nodes, alb(node_security_group_ids=[GROUP]))
    assert at(found, "p:target_type") == "instance"
    assert at(found, "node--p--i-0a1b2c3d4e5f60718-8000:target_id") == "i-0a1b2c3d4e5f60718"
    assert at(found, f"reach--{GROUP}--8000:referenced_security_group_id") == GROUP
    assert "node_security_group_ids" in refusals(nodes)["pools.p.nodes.a.instance"]


def test_a_target_group_serves_one_balancer_so_it_is_replaced_with_it():
    assert planned(OTHER | {"listeners.m": {"port": 90, "pool": "q"}})["q"].replaced_with == "load_balancer"


def test_a_listener_waits_for_all_that_serves_its_pool():
    assert planned({})["listener--l"].after == ["node--p--10-0-0-1-8000", "node--p--10-0-0-2-8000"]
    assert planned(FLEET)["listener--l"].after == ["join--p"]
    assert planned(routed(r={"path": "/v1"}))["route--l--" + str(number(planned(routed(r={"path": "/v1"}))))].after == [
        "node--q--10-0-1-1-9000"
    ]


def number(found: Any) -> int:
    (label,) = [label for label in found if label.startswith("route--l--")]
    return int(label.rpartition("--")[2])


def test_every_deviation_from_an_unset_default_is_said():
    sticky = {"pools.p.sticky": {}, "listeners.l.routes": {"r": {"headers": {"X-A": "b"}, "answer": {"status": 200}}}}
    said = "\n".join(alb().notes(changed(sticky)))
    for word in ("health_check.timeout: 4 s", "first_byte: 300 s", "10 s for a node", "tries again", "X-Forwarded-For",
                 "AWSALB and is kept for a day", "drops headers whose name", "without regard to case", "without the charset"):  # fmt: skip
        assert word in said
    assert "until its answer begins" in "\n".join(alb().notes(changed(FLEET)))


@pytest.mark.parametrize(
    ("changes", "placement", "word"),
    [
        ({"pools.p.drain": 60}, {}, "pools.p.drain: 60 s is less"),
        ({**FLEET, "pools.p.fleet.spot": 100}, {}, "take all machines at once"),
        ({**FLEET, "pools.p.fleet.rollout": 50}, {}, "serves nothing"),
        (FLEET, {"node_subnet_ids": IDS["subnet_ids"][:1]}, "one subnet is one zone"),
        ({}, {"cross_zone": False}, "few nodes"),
        (
            FLEET,
            {
                "machines": {
                    "p": {
                        "capacity_reservation": "cr-0a1b2c3d",
                        "capacity_block": True,
                        "subnet_ids": IDS["subnet_ids"][:1],
                    }
                }
            },
            "no room for new machines",
        ),
        ({"pools.p.nodes": {f"n{i}": {"address": f"10.0.1.{i}"} for i in range(61)}}, {}, "61 nodes by address"),
        ({f"listeners.l{i}": {"port": 1000 + i, "pool": "p"} for i in range(50)}, {}, "51 listeners"),
    ],
)
def test_dangerous_choices_are_warned_of(changes: dict[str, Any], placement: dict[str, Any], word: str):
    home = alb(**placement)
    assert not refusals(changes, home)
    assert any(word in warning for warning in home.warnings(changed(changes)))


def test_a_careful_spec_has_no_warnings():
    assert list(alb().warnings(changed({**FLEET, "pools.p.drain": 300}))) == []
