"""The plan made real: one call per resource, flat below the component, edges by Output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pulumi
import pulumi_aws as aws

from lbkit.spec import Spec
from lbkit.targets.aws.fleet import fleet
from lbkit.targets.aws.network import security_groups
from lbkit.targets.aws.translate import BALANCER, nodes_group
from lbkit.targets.aws.translate import plan as translate
from lbkit.targets.base import Rendered
from lbkit.targets.naming import child, fitted

if TYPE_CHECKING:
    from lbkit.targets.aws import Alb

AUTONAMED = 24
"""Longest Pulumi name of a balancer or target group: AWS takes 32, and Pulumi adds 8."""


def render(name: str, spec: Spec, alb: Alb, parent: pulumi.ComponentResource) -> Rendered:
    plan = translate(spec, alb)
    opts = pulumi.ResourceOptions(parent=parent)
    groups = security_groups(name, plan, alb.vpc_id, opts)
    balancer = aws.lb.LoadBalancer(
        fitted(name, AUTONAMED), security_groups=[groups[BALANCER].id], opts=opts, **plan["load_balancer"]
    )
    targets = {
        key: aws.lb.TargetGroup(fitted(child(name, key), AUTONAMED), opts=opts, **args)
        for key, args in plan["target_groups"].items()
    }
    for key, args in plan["attachments"].items():
        arn = targets[key.partition("--")[0]].arn
        aws.lb.TargetGroupAttachment(child(name, key), target_group_arn=arn, opts=opts, **args)
    listeners = {
        key: _listener(child(name, key), dict(args), balancer, targets, opts) for key, args in plan["listeners"].items()
    }
    fleets = {
        key: fleet(name, key, args, groups[nodes_group(key)], balancer, targets[key], list(listeners.values()), parent)
        for key, args in plan["fleets"].items()
    }
    return Rendered(
        endpoint=balancer.dns_name,
        urls={key: _url(balancer, item.port) for key, item in spec.listeners.items()},
        pools={
            key: {"target_group_arn": group.arn, **({"autoscaling_group": fleets[key].name} if key in fleets else {})}
            for key, group in targets.items()
        },
    )


def _listener(
    name: str, args: dict[str, Any], balancer: Any, targets: dict[str, Any], opts: pulumi.ResourceOptions
) -> aws.lb.Listener:
    forward: Any = [{"type": "forward", "target_group_arn": targets[args.pop("pool")].arn}]
    return aws.lb.Listener(name, load_balancer_arn=balancer.arn, default_actions=forward, opts=opts, **args)


def _url(balancer: aws.lb.LoadBalancer, port: int) -> pulumi.Output[str]:
    return pulumi.Output.concat("http://", balancer.dns_name, "" if port == 80 else f":{port}")
