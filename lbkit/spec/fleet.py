"""Machines that the target starts, scales and stops by itself."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from lbkit.errors import Problem
from lbkit.spec.base import Model, shown, wrong
from lbkit.spec.inputs import Input
from lbkit.spec.values import Number, Seconds

Percent = Annotated[Number, Field(ge=0, le=100)]
Size = Annotated[Number, Field(ge=0, le=10_000)]


class Fleet(Model):
    """A group of equal machines between `min` and `max`; the balancer's health check decides who is replaced."""

    image: Input[str]
    """Machine image: on AWS an AMI id."""
    size: str = Field(min_length=1)
    """Machine type: on AWS an instance type such as `g5.2xlarge`."""
    fallbacks: list[str] = Field(default_factory=list, max_length=39)
    """Further machine types, taken in this order while the first can't be had. Empty: only `size`."""
    spot: Percent = 0
    """Percent of the machines above `on_demand` that are spot machines: cheaper, and taken back at short notice."""
    on_demand: Size = 0
    """Machines at least that are never spot machines. Machines; needs `spot`."""
    min: Size = 1
    """Machines at least."""
    max: Size
    """Machines at most."""
    desired: Size | None = None
    """Machines at the start. Unset: `min`. Afterwards load decides."""
    grace: Seconds = 300
    """Seconds after a machine's start in which its health is not judged: boot and loading of the model."""
    disk: Number = Field(default=30, ge=1, le=65_536)
    """Size of the root disk in GiB; it is always encrypted."""
    warm: Size = 0
    """Machines kept beside the running ones, booted once and stopped, so that load is met sooner. 0: none."""
    rollout: Percent | None = 100
    """Percent of the machines that keep serving while a changed image, type or script is rolled out; at 100 new ones come
    first. None: running machines stay as they are."""
    user_data: Input[str] | None = Field(default=None, repr=False)
    """Script or document that a machine runs at its first boot. Never put a secret in it."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        problems = []
        if self.min > self.max:
            problems.append(
                Problem("min", f"The minimum is above the maximum of {self.max}.", "Swap them?", shown(self.min))
            )
        elif self.desired is not None and not self.min <= self.desired <= self.max:
            problems.append(
                Problem(
                    "desired",
                    "Outside of the fleet's size.",
                    f"Choose from {self.min} to {self.max}.",
                    shown(self.desired),
                )
            )
        if self.on_demand and not self.spot:
            reason = "Without spot machines all are on demand."
            problems.append(Problem("on_demand", reason, "Add `spot`, or leave it out.", shown(self.on_demand)))
        twice = [size for index, size in enumerate(self.fallbacks) if size in (self.size, *self.fallbacks[:index])]
        if twice:
            problems.append(Problem("fallbacks", "A machine type stands here twice.", "Once each.", shown(twice[0])))
        if problems:
            raise wrong(*problems)
        return self
