"""F5 BIG-IP LTM, for the plain HTTP case so far. The appliance exists already; lbkit fills it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import AfterValidator, Field

from lbkit.errors import Problem
from lbkit.spec import Spec
from lbkit.spec.base import Model
from lbkit.spec.inputs import Input
from lbkit.spec.values import Address
from lbkit.targets.base import Rendered, Rule, Target
from lbkit.targets.bigip.gaps import GAPS
from lbkit.targets.bigip.rules import notes, problems

if TYPE_CHECKING:
    import pulumi


def _device_address(value: str) -> str:
    if not value.strip() or "/" in value.removeprefix("https://").removeprefix("http://"):
        raise ValueError(
            "The device's management address, such as 192.0.2.10 or bigip.example.com:8443, without a path."
        )
    return value


class Device(Model):
    """How to reach a BIG-IP. The password becomes a secret of Pulumi's at once, and no error or log shows it."""

    address: Input[Annotated[str, AfterValidator(_device_address)]]
    """Management address; `:8443` behind it on an appliance with one network card."""
    user: Input[str]
    """Account name."""
    password: Input[str] = Field(repr=False)
    """Its password. Take it from `config.require_secret(...)`."""


class Ltm(Target):
    """Virtual servers on a BIG-IP."""

    title: ClassVar[str] = "F5 BIG-IP LTM"
    gaps: ClassVar[Mapping[str, Rule]] = GAPS

    address: Input[Address]
    """Address of the virtual servers, for listeners that name none."""
    device: Device | Any = None
    """Device(...), or a pulumi_f5bigip.Provider of yours. Unset: the default provider, from its configuration or environment."""
    partition: str = Field(default="Common", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    """Partition of all objects; it must exist."""

    @classmethod
    def problems(cls, spec: Spec) -> Iterable[Problem]:
        return problems(spec)

    def notes(self, spec: Spec) -> Iterable[str]:
        return notes(spec)

    def render(self, name: str, spec: Spec, parent: pulumi.ComponentResource) -> Rendered:
        from lbkit.targets.bigip.ltm import render

        return render(name, spec, self, parent)
