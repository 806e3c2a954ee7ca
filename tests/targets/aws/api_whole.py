"""Rules over a whole plan: what is named stands before, what may be there once is, and the firewall is the least."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from lbkit.targets.aws.plan import Plan, Ref

Found = Iterator[str]


def refs(value: Any) -> Iterator[Ref]:
    """All references inside an argument."""
    if isinstance(value, Ref):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from refs(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from refs(item)


def unmade(plan: Plan) -> Found:
    """Everything that is named stands before."""
    seen: set[str] = set()
    for label, item in plan.items():
        named = (
            {ref.key for ref in refs(item.args)}
            | set(item.after)
            | ({item.replaced_with} if item.replaced_with else set())
        )
        yield from (f"{label} names {key}, which comes later or never" for key in named - seen)
        seen.add(label)


def shared(plan: Plan) -> Found:
    """What may be there once: ports, numbers, rules, nodes in a group."""
    keys = {
        "lb.Listener": lambda args: args["port"],
        "lb.ListenerRule": lambda args: (args["listener_arn"], args["priority"]),
        "lb.TargetGroupAttachment": lambda args: (args["target_group_arn"], args["target_id"], args["port"]),
        "lb.ListenerCertificate": lambda args: (args["listener_arn"], args["certificate_arn"]),
    }
    for kind, key in keys.items():
        counts = Counter(key(item.args) for item in plan.values() if item.kind == kind)
        yield from (f"{kind} {what} is there {count} times" for what, count in counts.items() if count > 1)
    rules = Counter(
        (item.kind, str(sorted(item.args.items(), key=str))) for item in plan.values() if item.kind.startswith("vpc.")
    )
    yield from (f"two equal rules: {what}" for what, count in rules.items() if count > 1)


def least(plan: Plan) -> Found:
    """The least that the balancer and nodes need, and nothing more (AW-15)."""
    balancer = Ref("firewall--balancer", "id")
    inward = [item.args for item in plan.values() if item.kind == "vpc.SecurityGroupIngressRule"]
    ports = {rule["from_port"] for rule in inward if rule["security_group_id"] == balancer}
    if ports != {item.args["port"] for item in plan.values() if item.kind == "lb.Listener"}:
        yield f"clients reach {ports}"
    outward = {
        item.args["from_port"] for item in plan.values()
        if item.kind == "vpc.SecurityGroupEgressRule" and item.args["security_group_id"] == balancer
    }  # fmt: skip
    wanted = {item.args["port"] for item in plan.values() if item.kind == "lb.TargetGroupAttachment"}
    for item in plan.values():
        if item.kind == "lb.TargetGroup":
            check = item.args["health_check"]["port"]
            wanted |= {int(check)} if check != "traffic-port" else set()
        if item.kind == "autoscaling.Attachment":
            wanted.add(plan[item.args["lb_target_group_arn"].key].args["port"])
    if outward != wanted:
        yield f"the balancer reaches {outward}, and should {wanted}"
