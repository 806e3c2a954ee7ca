"""What every target is: its gaps as data by the spec's own paths, and one rendering.

A field that a target neither renders nor names in its gaps is a bug; a test walks the whole schema for it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from lbkit.errors import Problem, Unsupported
from lbkit.spec import Spec
from lbkit.spec.base import Model
from lbkit.spec.gaps import Bounds as Bounds
from lbkit.spec.gaps import Choices as Choices
from lbkit.spec.gaps import Gap as Gap
from lbkit.spec.gaps import Rule as Rule
from lbkit.spec.gaps import asked_too_much

if TYPE_CHECKING:
    import pulumi


@dataclass(slots=True)
class Rendered:
    """What a target made, as outputs of the component."""

    endpoint: pulumi.Output[str]
    """Host name or address of the balancer."""
    urls: dict[str, pulumi.Output[str]]
    """By listener."""
    pools: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By pool: names and ids of what carries it, in the target's own words."""
    resources: dict[str, pulumi.Resource] = field(default_factory=dict)
    """Every child, keyed by its name without the balancer's prefix."""


class Target(Model, ABC):
    """A home for load balancers, with the placement's own arguments as fields."""

    title: ClassVar[str]
    """What the user calls it, such as `AWS ALB`."""
    gaps: ClassVar[Mapping[str, Rule]]
    """By path pattern: what can't be done."""

    @classmethod
    def problems(cls, spec: Spec) -> Iterable[Problem]:
        """What can't be done for reasons that lie in several fields at once."""
        return ()

    def misplaced(self, spec: Spec) -> Iterable[Problem]:
        """What can't be done in this very placement."""
        return ()

    @classmethod
    def notes(cls, spec: Spec) -> Iterable[str]:
        """Where the target deviates from a default that the user did not set."""
        return ()

    @classmethod
    def dangers(cls, spec: Spec) -> Iterable[str]:
        """Legal but dangerous choices of the spec, wherever it is placed."""
        return ()

    def warnings(self, spec: Spec) -> Iterable[str]:
        """All dangerous choices, those of this very placement too."""
        return self.dangers(spec)

    def survey(self, opts: pulumi.ResourceOptions | None) -> None:
        """Ask the place what no spec says, with the component's own options. Raise what makes it unfit."""

    @abstractmethod
    def render(self, name: str, spec: Spec, parent: pulumi.ComponentResource) -> Rendered:
        """Make the resources, flat below `parent`, each named `{name}-...`."""


def problems(spec: Spec, target: Target | type[Target]) -> list[Problem]:
    """All that the target can't do: wherever it is placed, and in its placement if that is given."""
    placed = target.misplaced(spec) if isinstance(target, Target) else ()
    return [*asked_too_much(spec, target.gaps), *target.problems(spec), *placed]


def check(name: str, spec: Spec, target: Target) -> None:
    """Raise Unsupported with everything at once."""
    if found := problems(spec, target):
        raise Unsupported(f"LoadBalancer '{name}': {target.title} can't do what the spec asks", found)
