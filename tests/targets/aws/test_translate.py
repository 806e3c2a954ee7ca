"""Spec words become AWS words: each field, at its borders, without Pulumi."""

from __future__ import annotations

import base64
import copy
from typing import Any

import pulumi
import pytest

from lbkit import LoadBalancer
from lbkit.errors import SpecError
from lbkit.spec import Spec
from lbkit.targets.aws import Alb
from lbkit.targets.aws.translate import plan
from lbkit.targets.base import problems
from tests.laws.leaves import BASE, FLEET, put
from tests.mocks import registered
from tests.targets.aws.test_refusals import IDS

OTHER_FLEET = {
    "port": 8000,
    "health_check": {"path": "/up"},
    "fleet": FLEET["pools.p.fleet"],
    "limits": {"soft": 4},
}
FLEETS = {**FLEET, "pools.q": OTHER_FLEET, "listeners.m": {"port": 90, "pool": "q"}}


def changed(changes: dict[str, Any]) -> Spec:
    data = copy.deepcopy(BASE)
    for path, value in changes.items():
        put(data, path, copy.deepcopy(value))
    return Spec.load(data)


def planned(changes: dict[str, Any], **placement: Any) -> dict[str, Any]:
    alb, spec = Alb(**{**IDS, **placement}), changed(changes)
    assert not problems(spec, alb)
    return plan(spec, alb)


def at(found: Any, path: str) -> Any:
    for part in path.split("."):
        found = found[int(part)] if isinstance(found, list) else found[part]
    return found


GROUP, CHECK = "target_groups.p", "target_groups.p.health_check"
MACHINES = "fleets.p.template"


@pytest.mark.parametrize(
    ("changes", "path", "value"),
    [
        ({}, f"{GROUP}.port", 8000),
        ({}, f"{GROUP}.target_type", "ip"),
        (FLEET, f"{GROUP}.target_type", "instance"),  # AW-8
        ({}, f"{GROUP}.load_balancing_algorithm_type", "round_robin"),
        ({"pools.p.algorithm": "least_connections"}, f"{GROUP}.load_balancing_algorithm_type", "least_outstanding_requests"),
        ({"pools.p.drain": 0}, f"{GROUP}.deregistration_delay", 0),
        ({"pools.p.drain": 3600}, f"{GROUP}.deregistration_delay", 3600),
        ({}, f"{GROUP}.stickiness", {"type": "lb_cookie", "enabled": False}),
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
        ({"pools.p.timeouts": {"idle": 4000}}, "load_balancer.idle_timeout", 4000),
        ({"listeners.l.timeouts": {"keep_alive": 60}}, "load_balancer.client_keep_alive", 60),
        ({"pools.p.nodes.a.port": 7}, "attachments.p--a", {"target_id": "10.0.0.1", "port": 7}),
        ({}, "listeners.l", {"port": 80, "protocol": "HTTP", "pool": "p"}),
        (FLEET, f"{MACHINES}.metadata_options.http_tokens", "required"),  # AW-9
        (FLEET, f"{MACHINES}.block_device_mappings.0.ebs.encrypted", "true"),  # AW-9
        ({**FLEET, "pools.p.fleet.disk": 99}, f"{MACHINES}.block_device_mappings.0.ebs.volume_size", 99),
        ({**FLEET, "pools.p.fleet.grace": 0}, "fleets.p.group.health_check_grace_period", 0),  # AW-7
        (FLEET, "fleets.p.group.desired_capacity", 1),  # AW-6
        ({**FLEET, "pools.p.fleet.desired": 3}, "fleets.p.group.desired_capacity", 3),  # AW-6
        ({**FLEET, "pools.p.fleet.min": 3}, "fleets.p.policy.target_value", 4.0),  # AW-13, LB-3
        ({**FLEET, "pools.p.fleet.min": 3, "pools.p.limits": {}}, "fleets.p.policy", None),
    ],
)  # fmt: skip
def test_a_field_becomes_its_argument(changes: dict[str, Any], path: str, value: Any):
    assert at(planned(changes), path) == value


@pytest.mark.parametrize(
    ("field", "value", "path"),
    [
        ("internal", True, "load_balancer.internal"),
        ("subnet_ids", ["subnet-0a1b2c3d", "subnet-0f1e2d3c"], "load_balancer.subnets"),  # AW-2
        ("node_subnet_ids", ["subnet-0f1e2d3c"], "fleets.p.group.vpc_zone_identifiers"),
        ("root_device", "/dev/sda1", f"{MACHINES}.block_device_mappings.0.device_name"),
        ("vpc_id", "vpc-0f1e2d3c", f"{GROUP}.vpc_id"),  # AW-10
    ],
)
def test_the_placement_becomes_its_argument(field: str, value: Any, path: str):
    assert at(planned(FLEET, **{field: value}), path) == value


def test_user_data_travels_as_base64():
    found = planned({**FLEET, "pools.p.fleet.user_data": "#!/bin/sh\necho é"})
    assert base64.b64decode(at(found, f"{MACHINES}.user_data")).decode() == "#!/bin/sh\necho é"
    assert planned({**FLEET, "pools.p.fleet.user_data": "x" * 16_384})


@pytest.mark.parametrize(
    ("changes", "path", "reason"),
    [
        ({"pools.p.retries": 0}, "pools.p.retries", "decides by itself"),
        ({"pools.p.timeouts": {"keep_alive": 0}}, "pools.p.timeouts.keep_alive", "decides by itself"),
        ({"pools.p.nodes.a.address": "127.0.0.1"}, "pools.p.nodes.a.address", "one machine"),
        ({"pools.p.nodes.a.address": "169.254.169.254"}, "pools.p.nodes.a.address", "one machine"),
        ({"pools.p.health_check.path": "/" * 1025}, "pools.p.health_check.path", "1024"),
        ({"pools.p.health_check.timeout": 1}, "pools.p.health_check.timeout", "2 to 120"),
        ({**FLEET, "pools.p.fleet.grace": 60.5}, "pools.p.fleet.grace", "Outside"),
        ({**FLEET, "pools.p.fleet.image": "ami-zzz"}, "pools.p.fleet.image", "hexadecimal"),
        ({**FLEET, "pools.p.fleet.image": "ami-123456"}, "pools.p.fleet.image", "placeholder"),  # AW-14
        ({**FLEET, "pools.p.fleet.user_data": "é" * 8193}, "pools.p.fleet.user_data", "16386"),
    ],
)
def test_what_aws_would_refuse_or_round_is_refused_before(
    changes: dict[str, Any], path: str, reason: str
):  # LB-2, LB-3
    found = {p.path: p for p in problems(changed(changes), Alb(**IDS))}
    assert list(found) == [path]
    assert reason in found[path].reason
    assert found[path].remedy


@pytest.mark.parametrize(
    ("field", "value"), [("vpc_id", "subnet-0a1b2c3d"), ("subnet_ids", ["vpc-0a1b2c3d", "subnet-0f1e2d3c"])]
)
def test_an_id_of_another_kind_is_refused(field: str, value: Any):
    with pytest.raises(SpecError, match=r"and 8 or 17 hexadecimal"):
        Alb(**{**IDS, field: value})


def meaning(rule: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(sorted((key, str(value)) for key, value in rule.items()))


@pytest.mark.parametrize("port", [8000, 9000], ids=["one port", "two ports"])
def test_two_fleets_have_rules_of_their_own_and_none_twice(port: int):  # AW-15, CR-17
    rules = list(planned({**FLEETS, "pools.q.port": port})["rules"].values())
    assert len({meaning(rule) for rule in rules}) == len(rules), "AWS refuses two equal rules"
    admitted = {(r["group"], r["from_port"], r["peer"]) for r in rules if r["way"] == "ingress" and "peer" in r}
    assert admitted == {("nodes--p", 8000, "balancer"), ("nodes--q", port, "balancer")}
    reached = {(r["peer"], r["from_port"]) for r in rules if r["way"] == "egress" and r["group"] == "balancer"}
    assert reached == {("nodes--p", 8000), ("nodes--q", port)}


def test_clients_reach_the_listeners_ports_from_the_allowed_ranges_only():  # AW-15
    rules = planned({"listeners.l.allow": ["10.0.0.0/8", "fd00::/8"]})["rules"].values()
    inward = [
        (r["from_port"], r["to_port"], r.get("cidr_ipv4"), r.get("cidr_ipv6")) for r in rules if r["way"] == "ingress"
    ]
    assert inward == [(80, 80, "10.0.0.0/8", None), (80, 80, None, "fd00::/8")]


def test_nodes_by_address_get_no_rules_on_their_own_side():  # CR-16
    assert {rule["group"] for rule in planned({})["rules"].values()} == {"balancer"}


def test_every_deviation_from_an_unset_default_is_said():
    said = "\n".join(Alb(**IDS).notes(changed({})))
    for word in ("health_check.timeout: 4 s", "first_byte: 300 s", "10 s for a node", "tries again", "X-Forwarded-For"):
        assert word in said


@pytest.mark.parametrize("preview", [True, False], ids=["preview", "up"])
def test_late_ids_image_and_user_data_are_accepted(preview: bool):  # LB-4
    def late(value: str) -> Any:
        return pulumi.Output.from_input(value)

    def program() -> None:
        data = copy.deepcopy(BASE)
        for path, value in FLEET.items():
            put(data, path, copy.deepcopy(value))
        data["pools"]["p"]["fleet"] |= {"image": late("ami-0a1b2c3d"), "user_data": late("#!/bin/sh")}
        alb = Alb(vpc_id=late(IDS["vpc_id"]), subnet_ids=[late(item) for item in IDS["subnet_ids"]])
        LoadBalancer("lb", Spec.load(data), alb)

    (template,) = registered(program, preview=preview).of("aws:ec2/launchTemplate:LaunchTemplate").values()
    assert template["inputs"]["imageId"] == "ami-0a1b2c3d"
    assert base64.b64decode(template["inputs"]["userData"]).decode() == "#!/bin/sh"


def test_each_fleets_machines_carry_their_own_group():  # AW-15
    def program() -> None:
        LoadBalancer("lb", changed(FLEETS), Alb(**IDS))

    found = registered(program, preview=False)
    templates = found.of("aws:ec2/launchTemplate:LaunchTemplate")
    assert {name: value["inputs"]["vpcSecurityGroupIds"] for name, value in templates.items()} == {
        "lb--p--template": ["lb--nodes--p-id"],
        "lb--q--template": ["lb--nodes--q-id"],
    }
    rules = found.of("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
    assert rules["lb--nodes--q--8000"]["inputs"]["securityGroupId"] == "lb--nodes--q-id"
    assert rules["lb--nodes--q--8000"]["inputs"]["referencedSecurityGroupId"] == "lb--balancer-id"
