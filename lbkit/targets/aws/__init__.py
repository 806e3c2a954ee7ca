"""AWS: an Application Load Balancer for HTTP, a Network Load Balancer for TCP and for static addresses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, ClassVar

from lbkit.errors import Problem
from lbkit.spec import Spec
from lbkit.targets.aws import alb_rules, nlb_rules, placed
from lbkit.targets.aws.gaps import ALB, NLB
from lbkit.targets.aws.placement import Application, Network, Placement
from lbkit.targets.aws.placement import Logs as Logs
from lbkit.targets.aws.placement import Machines as Machines
from lbkit.targets.base import Rendered, Rule

if TYPE_CHECKING:
    import pulumi


def _survey(home: Placement, opts: pulumi.ResourceOptions | None) -> None:
    from lbkit.targets.aws.subnets import check_subnets

    if home.check_placement:
        check_subnets(home, opts)


class Alb(Application):
    """An Application Load Balancer in a VPC that exists already."""

    title: ClassVar[str] = "AWS ALB"
    gaps: ClassVar[Mapping[str, Rule]] = ALB

    @classmethod
    def problems(cls, spec: Spec) -> Iterable[Problem]:
        return alb_rules.problems(spec)

    def misplaced(self, spec: Spec) -> Iterable[Problem]:
        return placed.problems(spec, self)

    @classmethod
    def notes(cls, spec: Spec) -> Iterable[str]:
        return alb_rules.notes(spec)

    @classmethod
    def dangers(cls, spec: Spec) -> Iterable[str]:
        return alb_rules.warnings(spec)

    def warnings(self, spec: Spec) -> Iterable[str]:
        return [*self.dangers(spec), *placed.warnings(spec, self)]

    def survey(self, opts: pulumi.ResourceOptions | None) -> None:
        _survey(self, opts)

    def render(self, name: str, spec: Spec, parent: pulumi.ComponentResource) -> Rendered:
        from lbkit.targets.aws.render import render

        return render(name, spec, self, parent)


class Nlb(Network):
    """A Network Load Balancer in a VPC that exists already: bytes as they are, at an address that stays."""

    title: ClassVar[str] = "AWS NLB"
    gaps: ClassVar[Mapping[str, Rule]] = NLB

    @classmethod
    def problems(cls, spec: Spec) -> Iterable[Problem]:
        return nlb_rules.problems(spec)

    def misplaced(self, spec: Spec) -> Iterable[Problem]:
        return placed.problems(spec, self)

    @classmethod
    def notes(cls, spec: Spec) -> Iterable[str]:
        return nlb_rules.notes(spec)

    @classmethod
    def dangers(cls, spec: Spec) -> Iterable[str]:
        return nlb_rules.warnings(spec)

    def warnings(self, spec: Spec) -> Iterable[str]:
        return [*self.dangers(spec), *placed.warnings(spec, self)]

    def survey(self, opts: pulumi.ResourceOptions | None) -> None:
        _survey(self, opts)

    def render(self, name: str, spec: Spec, parent: pulumi.ComponentResource) -> Rendered:
        from lbkit.targets.aws.render import render

        return render(name, spec, self, parent)
