"""The plan made real: one call per resource, flat below the component, edges by Output."""

from __future__ import annotations

from functools import partial
from typing import Any

import pulumi
import pulumi_aws as aws

from lbkit.spec import Spec
from lbkit.spec.listener import url
from lbkit.targets.aws.placement import Placement
from lbkit.targets.aws.plan import BALANCER, Planned, Ref, Text, key
from lbkit.targets.aws.translate import plan as translate
from lbkit.targets.base import Rendered
from lbkit.targets.naming import child, fitted

AUTONAMED = 24
"""Longest Pulumi name of a balancer or target group: AWS takes 32, and Pulumi adds 8."""
_SHORT = ("lb.LoadBalancer", "lb.TargetGroup", "lb.TrustStore")
Made = dict[str, pulumi.Resource]


def render(name: str, spec: Spec, home: Placement, parent: pulumi.ComponentResource) -> Rendered:
    made: Made = {}
    for label, item in translate(spec, home, name).items():
        made[label] = _make(name if label == BALANCER else child(name, item.named or label), item, made, parent)
    endpoint = _endpoint(made)
    return Rendered(
        endpoint=endpoint,
        urls={label: endpoint.apply(partial(url, item)) for label, item in spec.listeners.items()},
        pools={label: _pool(label, made) for label in spec.pools},
        resources=made,
    )


def _make(name: str, item: Planned, made: Made, parent: pulumi.Resource) -> pulumi.Resource:
    module, _, cls = item.kind.partition(".")
    opts = pulumi.ResourceOptions(
        parent=parent,
        depends_on=[made[label] for label in item.after],
        ignore_changes=list(item.ignored) or None,
        delete_before_replace=True if item.delete_first else None,
        replace_on_changes=list(item.replaced_on) or None,
        replace_with=[made[item.replaced_with]] if item.replaced_with else None,
        deleted_with=made[item.goes_with] if item.goes_with else None,
    )
    fits = fitted(name, AUTONAMED) if item.kind in _SHORT else name
    arguments = {field: _resolved(value, made) for field, value in item.args.items() if value is not None}
    resource: pulumi.Resource = getattr(getattr(aws, module), cls)(fits, opts=opts, **arguments)
    return resource


def _resolved(value: Any, made: Made) -> Any:
    """An argument with the other resources' outputs in the places that name them."""
    if isinstance(value, Ref):
        output = getattr(made[value.key], value.attribute)
        return output.apply(lambda number: str(int(number))) if value.attribute == "latest_version" else output
    if isinstance(value, Text):
        return pulumi.Output.concat(*value.parts)
    if isinstance(value, dict):
        return {field: _resolved(item, made) for field, item in value.items()}
    if isinstance(value, list):
        return [_resolved(item, made) for item in value]
    return value


def _endpoint(made: Made) -> pulumi.Output[str]:
    """The only static address, where there is one; else the DNS name."""
    elastic = [item for item in made.values() if isinstance(item, aws.ec2.Eip)]
    balancer = made[BALANCER]
    assert isinstance(balancer, aws.lb.LoadBalancer)
    return elastic[0].public_ip if len(elastic) == 1 else balancer.dns_name


def _pool(label: str, made: Made) -> dict[str, Any]:
    group, machines = made[label], made.get(key("machines", label))
    assert isinstance(group, aws.lb.TargetGroup)
    fleet = {"autoscaling_group": machines.name} if isinstance(machines, aws.autoscaling.Group) else {}
    return {"target_group_arn": group.arn, **fleet}
