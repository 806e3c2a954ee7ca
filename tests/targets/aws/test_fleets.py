"""Machines: types and their fallbacks, spot, GPUs in reservations and blocks, the fabric, roll-outs, warm ones, drains."""

from __future__ import annotations

from typing import Any

import pytest

from lbkit.errors import SpecError
from lbkit.targets.aws.placement import Machines
from lbkit.targets.aws.plan import Ref
from tests.laws.leaves import FLEET
from tests.targets.aws.house import GROUP, IDS, alb, at, planned, refusals

SUBNET = IDS["subnet_ids"][:1]
BLOCK = {"capacity_reservation": "cr-0a1b2c3d4e5f60718", "capacity_block": True, "subnet_ids": SUBNET}
MIXED = "machines--p:mixed_instances_policy"
TEMPLATE = {"id": Ref("template--p", "id"), "version": Ref("template--p", "latest_version")}


def fleet(**fields: Any) -> dict[str, Any]:
    return {**FLEET, **{f"pools.p.fleet.{name}": value for name, value in fields.items()}}


@pytest.mark.parametrize(
    ("changes", "path", "value"),
    [
        (fleet(), "machines--p:launch_template", TEMPLATE),  # AW-9
        (fleet(), "machines--p:capacity_rebalance", False),
        (fleet(spot=40), "machines--p:capacity_rebalance", True),
        (fleet(spot=40), f"{MIXED}.instances_distribution.on_demand_percentage_above_base_capacity", 60),
        (fleet(spot=40, on_demand=2), f"{MIXED}.instances_distribution.on_demand_base_capacity", 2),
        (fleet(spot=40), f"{MIXED}.instances_distribution.spot_allocation_strategy", "price-capacity-optimized"),
        (fleet(fallbacks=["g5.xlarge"]), f"{MIXED}.launch_template.overrides",
         [{"instance_type": "t3.small"}, {"instance_type": "g5.xlarge"}]),
        (fleet(fallbacks=["g5.xlarge"]), f"{MIXED}.instances_distribution.on_demand_allocation_strategy", "prioritized"),
        (fleet(fallbacks=["g5.xlarge"]), f"{MIXED}.instances_distribution.on_demand_percentage_above_base_capacity", 100),
        (fleet(warm=2), "machines--p:warm_pool",
         {"pool_state": "Stopped", "min_size": 2, "instance_reuse_policy": {"reuse_on_scale_in": True}}),
        (fleet(), "machines--p:instance_refresh.preferences", {"min_healthy_percentage": 100, "max_healthy_percentage": 110}),
        (fleet(rollout=0), "machines--p:instance_refresh.preferences", {"min_healthy_percentage": 0, "max_healthy_percentage": 100}),
        (fleet(), "drain--p:heartbeat_timeout", 300),
        (fleet(), "drain--p:default_result", "CONTINUE"),
        ({**fleet(), "pools.p.drain": 30}, "drain--p:heartbeat_timeout", 30),
        (fleet(), "join--p:lb_target_group_arn", Ref("p", "arn")),  # AW-8
    ],
)  # fmt: skip
def test_a_field_becomes_its_argument(changes: dict[str, Any], path: str, value: Any):
    assert at(planned(changes), path) == value


@pytest.mark.parametrize(
    ("standing", "path", "value"),
    [
        ({"subnet_ids": SUBNET}, "machines--p:vpc_zone_identifiers", SUBNET),
        ({"root_device": "/dev/sda1"}, "template--p:block_device_mappings.0.device_name", "/dev/sda1"),
        ({"instance_profile": "gpu"}, "template--p:iam_instance_profile", {"name": "gpu"}),
        ({"security_group_ids": [GROUP]}, "template--p:vpc_security_group_ids", [Ref("firewall--nodes--p", "id"), GROUP]),
        ({"placement_group": "close"}, "machines--p:placement_group", "close"),
        (BLOCK, "template--p:instance_market_options", {"market_type": "capacity-block"}),
        (BLOCK, "template--p:capacity_reservation_specification.capacity_reservation_target.capacity_reservation_id",
         "cr-0a1b2c3d4e5f60718"),
        ({"efa": 2, "subnet_ids": SUBNET, "security_group_ids": [GROUP]}, "template--p:network_interfaces", [
            {"device_index": device, "network_card_index": card, "interface_type": "efa", "delete_on_termination": "true",
             "security_groups": [Ref("firewall--nodes--p", "id"), GROUP]} for device, card in ((0, 0), (1, 1))]),
        ({"efa": 1, "subnet_ids": SUBNET}, "fabric--p--in:referenced_security_group_id", Ref("firewall--nodes--p", "id")),
        ({"efa": 1, "subnet_ids": SUBNET}, "fabric--p--out:ip_protocol", "-1"),
    ],
)  # fmt: skip
def test_the_machines_placement_becomes_its_argument(standing: dict[str, Any], path: str, value: Any):
    assert at(planned(fleet(), alb(machines={"p": standing})), path) == value


def test_groups_stand_in_one_place_only():
    plan = planned(fleet(), alb(machines={"p": {"efa": 1, "subnet_ids": SUBNET}}))
    assert "vpc_security_group_ids" not in plan["template--p"].args


def test_machines_roll_only_when_asked():
    still = {**FLEET, "pools.p.fleet": {**FLEET["pools.p.fleet"], "rollout": None}}
    assert "instance_refresh" not in planned(still)["machines--p"].args
    assert "warm_pool" not in planned(fleet())["machines--p"].args


def test_machines_join_after_the_hook_and_the_rules_and_before_the_listener():
    plan = planned(fleet())
    assert set(plan["join--p"].after) == {"out--p--8000", "admit--p--8000", "drain--p"}
    assert plan["listener--l"].after == ["join--p"]
    assert plan["scaling--p"].after == ["join--p"]
    assert "drain--p" not in planned({**fleet(), "pools.p.drain": 0})


@pytest.mark.parametrize(
    ("changes", "standing", "path", "reason"),
    [
        (fleet(warm=1, spot=1), {}, "pools.p.fleet.warm", "no warm machines"),
        (fleet(warm=1, fallbacks=["g5.xlarge"]), {}, "pools.p.fleet.warm", "mixed types"),
        (fleet(size="large"), {}, "pools.p.fleet.size", "a dot between"),
        (fleet(fallbacks=["G5"]), {}, "pools.p.fleet.fallbacks", "a dot between"),
        (fleet(spot=5), {"capacity_reservation": "cr-0a1b2c3d"}, "Alb.machines.p.capacity_reservation", "on demand"),
        (fleet(), {**BLOCK, "subnet_ids": []}, "Alb.machines.p.subnet_ids", "one zone"),
        (fleet(warm=1), BLOCK, "Alb.machines.p.capacity_block", "no warm machines"),
        (fleet(), {"efa": 1}, "Alb.machines.p.efa", "one zone"),
        ({}, {"efa": 1}, "Alb.machines.p", "no pool of this name"),
        (fleet(user_data="export KEY=AKIA" + "ABCDEFGHIJKLMNOP"), {}, "pools.p.fleet.user_data", "instance profile"),
        (fleet(image="ami-zzz"), {}, "pools.p.fleet.image", "hexadecimal"),
        (fleet(image="ami-123456"), {}, "pools.p.fleet.image", "placeholder"),  # AW-14
        (fleet(user_data="é" * 8193), {}, "pools.p.fleet.user_data", "16386"),
        (fleet(grace=60.5), {}, "pools.p.fleet.grace", "whole"),
        (fleet(min=0), {}, "pools.p.fleet.min", "nothing would wake"),
        ({**fleet(), "pools.p.limits": {}}, {}, "pools.p.limits.soft", "no number"),
    ],
)
def test_what_can_not_be_is_refused(changes: dict[str, Any], standing: dict[str, Any], path: str, reason: str):  # LB-2
    found = refusals(changes, alb(machines={"p": standing}) if standing else alb())
    assert list(found) == [path]
    assert reason in found[path]


def test_an_image_may_be_named_by_its_parameter():
    assert not refusals(fleet(image="resolve:ssm:/ours/llm"))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"capacity_block": True}, "reservation's id"),
        ({"capacity_reservation": "cr-1234567890abcdef0"}, "placeholder"),
        ({"efa": 33}, "At most 32"),
        ({"egress": ["everywhere"]}, "A range"),
        ({"gpu": 1}, "no such field"),
    ],
)
def test_wrong_machines_are_refused(fields: dict[str, Any], reason: str):
    with pytest.raises(SpecError, match=reason):
        Machines(**fields)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"on_demand": 1}, "Without spot machines all are on demand"),
        ({"fallbacks": ["t3.small"]}, "stands here twice"),
        ({"fallbacks": ["a.b", "a.b"]}, "stands here twice"),
        ({"spot": 101}, "At most 100"),
        ({"min": 4}, "above the maximum"),  # AW-6
        ({"desired": 9}, "Outside of the fleet"),  # AW-6
    ],
)
def test_a_fleet_that_contradicts_itself_is_refused(fields: dict[str, Any], reason: str):
    with pytest.raises(SpecError, match=reason):
        refusals(fleet(**fields))
