"""Security groups and their rules, each rule a resource of its own so that one changes without the others."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_aws as aws

from lbkit.targets.aws.translate import BALANCER, Args
from lbkit.targets.naming import child

_TEXTS = {
    True: "lbkit: the balancer",
    False: "lbkit: machines behind the balancer",
}  # a changed text replaces the group


def security_groups(
    name: str, plan: dict[str, Any], vpc_id: Any, opts: pulumi.ResourceOptions
) -> dict[str, aws.ec2.SecurityGroup]:
    """The groups that the rules speak of, with all rules."""
    wanted = sorted({rule["group"] for rule in plan["rules"].values()} | {BALANCER})
    groups = {
        key: aws.ec2.SecurityGroup(child(name, key), vpc_id=vpc_id, description=_TEXTS[key == BALANCER], opts=opts)
        for key in wanted
    }
    for key, rule in plan["rules"].items():
        _rule(child(name, key), dict(rule), groups, opts)
    return groups


def _rule(name: str, rule: Args, groups: dict[str, aws.ec2.SecurityGroup], opts: pulumi.ResourceOptions) -> None:
    made = aws.vpc.SecurityGroupIngressRule if rule.pop("way") == "ingress" else aws.vpc.SecurityGroupEgressRule
    rule["security_group_id"] = groups[rule.pop("group")].id
    if "peer" in rule:
        rule["referenced_security_group_id"] = groups[rule.pop("peer")].id
    if "host" in rule:
        rule["cidr_ipv4"] = pulumi.Output.concat(rule.pop("host"), "/32")
    made(name, opts=opts, **rule)
