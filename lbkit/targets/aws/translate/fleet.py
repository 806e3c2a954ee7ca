"""Machines that come and go: launch template, autoscaling group, the hook that waits for the drain, one scaling policy.

The group joins its target group by a resource of its own: when the target group is replaced, the machines are in the
new one and the old one before the listener moves.
"""

from __future__ import annotations

import base64
from typing import Any

from lbkit.spec import Fleet, Pool, Spec
from lbkit.spec.inputs import is_output
from lbkit.targets.aws.placement import Machines, Placement
from lbkit.targets.aws.plan import BALANCER, Args, Plan, Planned, Ref, key
from lbkit.targets.aws.rules import image, judged, user_data
from lbkit.targets.aws.translate.firewall import machines_group, ports_of, ways_out

SHORTEST_HOOK = 30
"""Seconds; AWS takes no shorter one."""
_INFLIGHT = "requests * seconds / 60 / machines"
_METRICS = {
    "requests": ("RequestCount", "Sum"),
    "seconds": ("TargetResponseTime", "Average"),
    "machines": ("HealthyHostCount", "Average"),
}


def fleets(name: str, spec: Spec, home: Placement) -> Plan:
    plan: Plan = {}
    for label, pool in spec.pools.items():
        if pool.fleet:
            plan |= _fleet(label, pool, pool.fleet, home)
            named = {"Name": key(name, label), **home.tags}
            plan[key("machines", label)].args["tags"] = [
                {"key": tag, "value": value, "propagate_at_launch": True} for tag, value in named.items()
            ]
    return plan


def _fleet(name: str, pool: Pool, fleet: Fleet, home: Placement) -> Plan:
    template, group = key("template", name), key("machines", name)
    scaled = pool.limits.soft is not None and fleet.min < fleet.max
    plan: Plan = {
        template: Planned("ec2.LaunchTemplate", _template(name, fleet, home)),
        group: Planned(
            "autoscaling.Group",
            _group(name, template, fleet, home),
            after=ways_out(name, home),
            ignored=("desiredCapacity",) if scaled else (),
            replaced_with=machines_group(name),  # as another VPC replaces that, and machines can't move there
        ),
    }
    hook = key("drain", name)
    if pool.drain >= SHORTEST_HOOK:
        plan[hook] = Planned("autoscaling.LifecycleHook", _hook(group, pool))
    ways = [key(way, name, port) for port in ports_of(pool) for way in ("out", "admit")]
    plan[key("join", name)] = Planned(
        "autoscaling.Attachment",
        {"autoscaling_group_name": Ref(group, "name"), "lb_target_group_arn": Ref(name, "arn")},
        after=[*ways, *([hook] if hook in plan else [])],
    )
    if scaled:
        plan[key("scaling", name)] = Planned(
            "autoscaling.Policy", _policy(name, group, pool), after=[key("join", name)]
        )
    return plan


def _template(name: str, fleet: Fleet, home: Placement) -> Args:
    standing = home.standing(name)
    disk = {"encrypted": "true", "volume_size": fleet.disk, "volume_type": "gp3", "delete_on_termination": "true"}
    device = standing.root_device or home.root_device
    args: Args = {
        "image_id": judged(f"pools.{name}.fleet.image", fleet.image, image),
        "instance_type": fleet.size,
        "metadata_options": {"http_endpoint": "enabled", "http_tokens": "required", "http_put_response_hop_limit": 2},
        "block_device_mappings": [{"device_name": device, "ebs": disk}],
        "user_data": encoded(judged(f"pools.{name}.fleet.user_data", fleet.user_data, user_data)),
        "update_default_version": True,
        "tag_specifications": [{"resource_type": "volume", "tags": home.tags}] if home.tags else [],
        **_network(name, standing),
        **_capacity(standing),
    }
    if standing.instance_profile is not None:
        args["iam_instance_profile"] = {"name": standing.instance_profile}
    return args


def _network(name: str, standing: Machines) -> Args:
    """The machines' groups: on the fabric's interfaces where there are some, for AWS takes them in one place only."""
    groups = [Ref(machines_group(name), "id"), *standing.security_group_ids]
    if not standing.efa:
        return {"vpc_security_group_ids": groups}
    return {
        "network_interfaces": [
            {
                "device_index": 0 if card == 0 else 1,
                "network_card_index": card,
                "interface_type": "efa",
                "security_groups": groups,
                "delete_on_termination": "true",
            }
            for card in range(standing.efa)
        ]
    }


def _capacity(standing: Machines) -> Args:
    if standing.capacity_reservation is None:
        return {}
    target = {"capacity_reservation_id": standing.capacity_reservation}
    args: Args = {"capacity_reservation_specification": {"capacity_reservation_target": target}}
    if standing.capacity_block:
        args["instance_market_options"] = {"market_type": "capacity-block"}
    return args


def _group(name: str, template: str, fleet: Fleet, home: Placement) -> Args:
    args: Args = {
        "min_size": fleet.min,
        "max_size": fleet.max,
        "desired_capacity": fleet.desired if fleet.desired is not None else fleet.min,
        "vpc_zone_identifiers": home.machine_subnets(name),
        "health_check_type": "ELB",
        "health_check_grace_period": int(fleet.grace),
        "default_instance_warmup": int(fleet.grace),
        "capacity_rebalance": fleet.spot > 0,
    }
    version = Ref(template, "latest_version")
    if fleet.spot or fleet.fallbacks:
        args["mixed_instances_policy"] = _mixed(template, version, fleet)
    else:
        args["launch_template"] = {"id": Ref(template, "id"), "version": version}
    if fleet.rollout is not None:
        args["instance_refresh"] = {"strategy": "Rolling", "preferences": _rollout(fleet.rollout)}
    if fleet.warm:
        reuse = {"reuse_on_scale_in": True}
        args["warm_pool"] = {"pool_state": "Stopped", "min_size": fleet.warm, "instance_reuse_policy": reuse}
    placement_group = home.standing(name).placement_group
    return args if placement_group is None else {**args, "placement_group": placement_group}


def _mixed(template: str, version: Ref, fleet: Fleet) -> Args:
    return {
        "instances_distribution": {
            "on_demand_allocation_strategy": "prioritized",
            "on_demand_base_capacity": fleet.on_demand,
            "on_demand_percentage_above_base_capacity": 100 - fleet.spot,
            "spot_allocation_strategy": "price-capacity-optimized",
        },
        "launch_template": {
            "launch_template_specification": {"launch_template_id": Ref(template, "id"), "version": version},
            "overrides": [{"instance_type": size} for size in (fleet.size, *fleet.fallbacks)],
        },
    }


def _rollout(percent: int) -> Args:
    """At 100 % AWS starts a machine before it stops one only when it may exceed 100."""
    return {
        "min_healthy_percentage": percent,
        "max_healthy_percentage": 110 if percent == 100 else 100,
    }


def _hook(group: str, pool: Pool) -> Args:
    return {
        "autoscaling_group_name": Ref(group, "name"),
        "lifecycle_transition": "autoscaling:EC2_INSTANCE_TERMINATING",
        "heartbeat_timeout": int(pool.drain),
        "default_result": "CONTINUE",
    }


def _policy(name: str, group: str, pool: Pool) -> Args:
    """Target tracking on requests in flight per machine: rate times response time, over the healthy machines (AW-13)."""
    assert pool.limits.soft is not None
    dimensions = [
        {"name": "LoadBalancer", "value": Ref(BALANCER, "arn_suffix")},
        {"name": "TargetGroup", "value": Ref(name, "arn_suffix")},
    ]
    metrics: list[Args] = [
        {
            "id": label,
            "return_data": False,
            "metric_stat": {
                "metric": {"namespace": "AWS/ApplicationELB", "metric_name": metric, "dimensions": dimensions},
                "stat": stat,
            },
        }
        for label, (metric, stat) in _METRICS.items()
    ]
    metrics.append({"id": "inflight", "expression": _INFLIGHT, "label": "in flight per machine", "return_data": True})
    tracking = {
        "target_value": float(pool.limits.soft),
        "customized_metric_specification": {"metrics": metrics},
    }
    return {
        "autoscaling_group_name": Ref(group, "name"),
        "policy_type": "TargetTrackingScaling",
        "target_tracking_configuration": tracking,
    }


def encoded(user_data: Any) -> Any:
    """Base64, as a launch template wants it; late text when it arrives."""
    if user_data is None:
        return None
    if is_output(user_data):
        return user_data.apply(encoded)
    return base64.b64encode(str(user_data).encode()).decode()
