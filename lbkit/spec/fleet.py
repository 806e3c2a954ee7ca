"""Machines that the target starts, scales and stops by itself."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from lbkit.errors import Problem
from lbkit.spec.base import Model, shown, wrong
from lbkit.spec.inputs import Input
from lbkit.spec.values import Number, Seconds

Size = Annotated[Number, Field(ge=0, le=10_000)]


class Fleet(Model):
    """A group of equal machines between `min` and `max`; the balancer's health check decides who is replaced."""

    image: Input[str]
    """Machine image: on AWS an AMI id."""
    size: str = Field(min_length=1)
    """Machine type: on AWS an instance type such as `g5.2xlarge`."""
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
        if problems:
            raise wrong(*problems)
        return self
