"""Where the subnets lie, as AWS says at preview: in the VPC, and one for each zone. Nothing is made before that is known,
the component neither.

Only ids that are plain are asked for. A late one is unknown at preview, and whoever makes a subnet chose its zone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import pulumi
import pulumi_aws as aws

from lbkit.errors import OperationError, Problem, SpecError
from lbkit.spec.inputs import is_output
from lbkit.targets.aws.placement import Placement, listed


class _Subnet(NamedTuple):
    field: str
    id: str
    vpc: str
    zone: str


def check_subnets(home: Placement, opts: pulumi.ResourceOptions | None) -> None:
    """Raise SpecError with all that is wrong with the placement's subnets. `opts` are the component's: they say who is asked."""
    kind, asking = type(home).__name__, _asking(opts or pulumi.ResourceOptions())
    named = {"subnet_ids": home.subnet_ids, "node_subnet_ids": home.node_subnet_ids}
    named |= {f"machines.{pool}.subnet_ids": standing.subnet_ids for pool, standing in home.machines.items()}
    subnets = [
        _asked(kind, field, str(item), asking)
        for field, items in named.items()
        for item in listed(items)
        if not is_output(item)
    ]
    vpc = next((item.vpc for item in subnets), "") if is_output(home.vpc_id) else str(home.vpc_id)
    if problems := [*_networks(kind, vpc, subnets), *_zones(kind, subnets)]:
        raise SpecError("The placement is not right", problems)


def _asking(opts: pulumi.ResourceOptions) -> pulumi.InvokeOptions:
    """As a child of a component with these options would: by a provider of theirs, else by the parent's."""
    several = opts.providers or []
    given = [opts.provider, *(several.values() if isinstance(several, Mapping) else several)]
    own = [item for item in given if item is not None and item.package == "aws"]
    return pulumi.InvokeOptions(parent=opts.parent, provider=own[-1] if own else None)


def _asked(kind: str, field: str, subnet: str, asking: pulumi.InvokeOptions) -> _Subnet:
    try:
        found = aws.ec2.get_subnet(id=subnet, opts=asking)
    except Exception as error:  # the SDK raises no narrower one
        reason = " ".join(str(error).split())[:300]
        remedy = f"Mend that, or say {kind}(check_placement=False)."
        raise OperationError(
            "AWS did not say where the subnets lie", [Problem(f"{kind}.{field}", reason, remedy, repr(subnet))]
        ) from None
    return _Subnet(field, subnet, found.vpc_id or "", found.availability_zone or "")


def _networks(kind: str, vpc: str, subnets: list[_Subnet]) -> Iterator[Problem]:
    for item in subnets:
        if item.vpc and item.vpc != vpc:
            reason = f"This subnet lies in {item.vpc}, and the balancer in {vpc}."
            yield Problem(f"{kind}.{item.field}", reason, "Name subnets of one VPC.", repr(item.id))


def _zones(kind: str, subnets: list[_Subnet]) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for item in subnets:
        if not item.zone or item.field != "subnet_ids":
            continue
        other = seen.setdefault(item.zone, item.id)
        if other != item.id:
            reason = f"This subnet lies in {item.zone}, as {other} does, and the balancer takes one for each zone."
            yield Problem(f"{kind}.{item.field}", reason, "Name one in another zone.", repr(item.id))
