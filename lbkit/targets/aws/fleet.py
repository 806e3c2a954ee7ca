"""Machines that come and go: launch template, autoscaling group, one scaling policy."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_aws as aws

from lbkit.targets.naming import child


def fleet(
    name: str,
    pool: str,
    plan: dict[str, Any],
    nodes: aws.ec2.SecurityGroup,
    balancer: aws.lb.LoadBalancer,
    targets: aws.lb.TargetGroup,
    listeners: list[aws.lb.Listener],
    parent: pulumi.Resource,
) -> aws.autoscaling.Group:
    """One pool's machines. The group waits for the listeners: machines behind no listener never turn healthy."""
    opts = pulumi.ResourceOptions(parent=parent)
    template = aws.ec2.LaunchTemplate(
        child(name, pool, "template"), vpc_security_group_ids=[nodes.id], opts=opts, **plan["template"]
    )
    group = aws.autoscaling.Group(
        child(name, pool, "group"),
        target_group_arns=[targets.arn],
        launch_template={"id": template.id, "version": template.latest_version.apply(lambda number: str(int(number)))},
        tags=[{"key": "Name", "value": child(name, pool), "propagate_at_launch": True}],
        opts=pulumi.ResourceOptions(parent=parent, depends_on=listeners, ignore_changes=["desiredCapacity"]),
        **plan["group"],
    )
    if plan["policy"]:
        _policy(child(name, pool, "scaling"), plan["policy"], group, balancer, targets, opts)
    return group


def _policy(
    name: str,
    plan: dict[str, Any],
    group: aws.autoscaling.Group,
    balancer: aws.lb.LoadBalancer,
    targets: aws.lb.TargetGroup,
    opts: pulumi.ResourceOptions,
) -> None:
    dimensions = [
        {"name": "LoadBalancer", "value": balancer.arn_suffix},
        {"name": "TargetGroup", "value": targets.arn_suffix},
    ]
    metrics: list[dict[str, Any]] = [
        {
            "id": key,
            "return_data": False,
            "metric_stat": {
                "metric": {"namespace": "AWS/ApplicationELB", "metric_name": metric, "dimensions": dimensions},
                "stat": stat,
            },
        }
        for key, (metric, stat) in plan["metrics"].items()
    ]
    metrics.append(
        {"id": "inflight", "expression": plan["expression"], "label": "in flight per machine", "return_data": True}
    )
    tracking: Any = {
        "target_value": plan["target_value"],
        "customized_metric_specification": {"metrics": metrics},
    }
    aws.autoscaling.Policy(
        name,
        autoscaling_group_name=group.name,
        policy_type=plan["policy_type"],
        target_tracking_configuration=tracking,
        opts=opts,
    )
