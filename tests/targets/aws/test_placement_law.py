"""LB-3 for the placement: change any of its fields, and the plan changes."""

from __future__ import annotations

from typing import Any

import pytest

from lbkit.targets.aws import Alb, Logs, Machines, Nlb
from tests.laws.leaves import FLEET
from tests.targets.aws.house import FIXED_FLEET, GROUP, IDS, TLS, alb, nlb, planned

FIRST = IDS["subnet_ids"][0]
COMMON: dict[str, tuple[dict[str, Any], Any]] = {
    "vpc_id": ({}, "vpc-0f1e2d3c"),
    "subnet_ids": ({}, ["subnet-0a1b2c3d", "subnet-0f1e2d3c"]),
    "node_subnet_ids": ({}, [FIRST]),
    "node_security_group_ids": ({"nodes": True}, [GROUP]),
    "outside_vpc": ({"nodes": True}, ["10.0.0.0/24"]),
    "internal": ({}, True),
    "ip": ({}, "dualstack"),
    "cross_zone": ({}, False),
    "deletion_protection": ({}, True),
    "root_device": ({}, "/dev/sda1"),
    "machines": ({}, {"p": {"efa": 1, "subnet_ids": [FIRST]}}),
    "tags": ({}, {"a": "b"}),
}
OF_ALB = {
    **COMMON,
    "access_logs": ({}, {"bucket": "ours"}),
    "connection_logs": ({}, {"bucket": "ours"}),
    "http2": ({"tls": True}, ["p"]),
    "grpc": ({"tls": True}, {"p": "0"}),
}
OF_NLB = {
    **COMMON,
    "static_addresses": ({}, True),
    "allocation_ids": ({}, ["eipalloc-0a1b2c3d", "eipalloc-0f1e2d3c"]),
    "preserve_client_ip": ({}, True),
}
OF_MACHINES: dict[str, Any] = {
    "subnet_ids": [FIRST],
    "root_device": "/dev/sda1",
    "instance_profile": "gpu",
    "security_group_ids": [GROUP],
    "egress": ["10.0.0.0/8"],
    "capacity_reservation": "cr-0a1b2c3d",
    "capacity_block": True,
    "placement_group": "close",
    "efa": 1,
}
ASKED_ONLY = {"check_placement"}
"""What asks AWS and changes no resource; its tests are with the question."""


def test_every_field_is_under_the_law():
    assert set(Alb.model_fields) == set(OF_ALB) | ASKED_ONLY
    assert set(Nlb.model_fields) == set(OF_NLB) | ASKED_ONLY
    assert set(Machines.model_fields) == set(OF_MACHINES)
    assert set(Logs.model_fields) == {"bucket", "prefix", "enabled"}


@pytest.mark.parametrize(
    ("make", "fleet", "field", "case"),
    [(alb, FLEET, name, case) for name, case in OF_ALB.items()]
    + [(nlb, FIXED_FLEET, name, case) for name, case in OF_NLB.items()],
)
def test_a_field_of_the_placement_changes_the_plan(make: Any, fleet: dict[str, Any], field: str, case: Any):  # LB-3
    beside, value = case
    changes = {} if beside.get("nodes") else {**fleet, **(TLS if beside.get("tls") else {})}
    assert planned(changes, make()) != planned(changes, make(**{field: value}))


@pytest.mark.parametrize("field", OF_MACHINES)
def test_a_field_of_the_machines_changes_the_plan(field: str):  # LB-3
    beside = (
        {"capacity_reservation": "cr-0f1e2d3c", "subnet_ids": [FIRST]} if field in ("efa", "capacity_block") else {}
    )
    before, after = (
        planned(FLEET, alb(machines={"p": {**beside, **more}})) for more in ({}, {field: OF_MACHINES[field]})
    )
    assert before != after


@pytest.mark.parametrize(("field", "value"), [("bucket", "yours"), ("prefix", "a"), ("enabled", False)])
def test_a_field_of_the_logs_changes_the_plan(field: str, value: Any):  # LB-3
    logs = {"bucket": "ours"}
    assert planned({}, alb(access_logs=logs)) != planned({}, alb(access_logs={**logs, field: value}))
