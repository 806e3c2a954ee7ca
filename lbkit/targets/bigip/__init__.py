"""F5 BIG-IP LTM. The appliance exists already; lbkit fills it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from lbkit.errors import Problem
from lbkit.spec import Spec
from lbkit.spec.inputs import Input, Inputs
from lbkit.spec.values import Address, Count
from lbkit.targets.base import Rendered, Rule, Target
from lbkit.targets.bigip.device import Device, ObjectName, Pair, TrafficGroup, checked
from lbkit.targets.bigip.gaps import GAPS
from lbkit.targets.bigip.notes import dangers, notes
from lbkit.targets.bigip.notes import placement as placement_warnings
from lbkit.targets.bigip.placement import problems as placement_problems
from lbkit.targets.bigip.placement import servable, translation
from lbkit.targets.bigip.rules import problems

if TYPE_CHECKING:
    import pulumi

__all__ = ["Device", "Ltm", "Pair"]
HostAddress = Annotated[Address, AfterValidator(servable)]


class Ltm(Target):
    """Virtual servers on a BIG-IP."""

    title: ClassVar[str] = "F5 BIG-IP LTM"
    gaps: ClassVar[Mapping[str, Rule]] = GAPS

    address: Input[HostAddress]
    """Address of the virtual servers, for listeners that name none."""
    device: Annotated[Device | Pair | Any, AfterValidator(checked)] = None
    """Device(...), Pair(...), or a pulumi_f5bigip.Provider of yours. Unset: the default provider, from its configuration."""
    partition: ObjectName = "Common"
    """Partition of all objects; it must exist."""
    snat: Annotated[Literal["automap", "none"] | Inputs[HostAddress], BeforeValidator(translation)] = Field(
        default="automap", min_length=1
    )
    """Source address towards the nodes: the device's own, these addresses, or the client's. `none` works only where the
    nodes answer through the BIG-IP."""
    traffic_group: TrafficGroup | None = "/Common/traffic-group-1"
    """Traffic group that the virtual addresses move with; of a pair, the group's device answers on them. None: the
    addresses belong to somebody else, such as another balancer. Decide at the beginning: the device lets neither side
    go while a virtual server uses an address."""
    tmms: Count | None = None
    """Traffic processes of the device (`show sys tmm-info`). A connection limit is divided over them, so `limits.hard`
    needs it and must be a multiple."""
    websocket: bool = False
    """Let the device follow WebSocket frames. Without it they pass as well, as bytes."""
    save: bool = True
    """Save the configuration on the device after each change, so that it outlives a restart. Needs an administrator
    with bash; in appliance mode set it to False."""

    @classmethod
    def problems(cls, spec: Spec) -> Iterable[Problem]:
        return problems(spec)

    def misplaced(self, spec: Spec) -> Iterable[Problem]:
        return placement_problems(spec, self)

    @classmethod
    def notes(cls, spec: Spec) -> Iterable[str]:
        return notes(spec)

    @classmethod
    def dangers(cls, spec: Spec) -> Iterable[str]:
        return dangers(spec)

    def warnings(self, spec: Spec) -> Iterable[str]:
        return [*dangers(spec), *placement_warnings(self)]

    def render(self, name: str, spec: Spec, parent: pulumi.ComponentResource) -> Rendered:
        from lbkit.targets.bigip.ltm import render

        return render(name, spec, self, parent)
