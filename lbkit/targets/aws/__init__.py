"""AWS: an Application Load Balancer, for the plain HTTP case so far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import Field, model_validator

from lbkit.errors import Problem
from lbkit.spec import Spec
from lbkit.spec.base import shown, wrong
from lbkit.spec.inputs import Input, is_output
from lbkit.targets.aws.gaps import GAPS
from lbkit.targets.aws.ids import SubnetId, VpcId
from lbkit.targets.aws.rules import notes, problems
from lbkit.targets.base import Rendered, Rule, Target

if TYPE_CHECKING:
    import pulumi


class Alb(Target):
    """An Application Load Balancer in a VPC that exists already."""

    title: ClassVar[str] = "AWS ALB"
    gaps: ClassVar[Mapping[str, Rule]] = GAPS

    vpc_id: Input[VpcId]
    """The VPC of the balancer and its nodes."""
    subnet_ids: list[Input[SubnetId]] = Field(min_length=2)
    """Subnets of the balancer, in at least two zones. Fleets start their machines there too, unless `node_subnet_ids` is set."""
    node_subnet_ids: list[Input[SubnetId]] = Field(default_factory=list)
    """Subnets of the fleets' machines."""
    internal: bool = False
    """Reachable from inside the VPC only."""
    root_device: str = "/dev/xvda"
    """Name of the root disk in the fleets' image; `/dev/sda1` on Ubuntu."""

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        plain = [str(item) for item in self.subnet_ids if not is_output(item)]
        if len(set(plain)) < len(plain):
            reason = "An ALB wants subnets in two zones, and one is named twice."
            raise wrong(Problem("subnet_ids", reason, "Name two different ones.", shown(plain[0])))
        return self

    @classmethod
    def problems(cls, spec: Spec) -> Iterable[Problem]:
        return problems(spec)

    def notes(self, spec: Spec) -> Iterable[str]:
        return notes(spec)

    def render(self, name: str, spec: Spec, parent: pulumi.ComponentResource) -> Rendered:
        from lbkit.targets.aws.alb import render

        return render(name, spec, self, parent)
