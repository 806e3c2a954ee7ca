"""What every target is: its gaps as data by the spec's own paths, and one rendering.

A field that a target neither renders nor names in its gaps is a bug; a test walks the whole schema for it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from lbkit.errors import Problem, Unsupported
from lbkit.spec import Spec
from lbkit.spec.base import Model, shown
from lbkit.spec.inputs import is_output
from lbkit.spec.said import Said, matches, said, values

if TYPE_CHECKING:
    import pulumi


@dataclass(slots=True, frozen=True)
class Gap:
    """The target can't do this at all: refused wherever the user asks for it."""

    reason: str
    remedy: str

    def judge(self, path: str, value: Any) -> Problem | None:
        return Problem(path, self.reason, self.remedy, shown(value))


@dataclass(slots=True, frozen=True)
class Choices:
    """The target can do only some values. Holds for defaults too."""

    allowed: tuple[Any, ...]
    reason: str
    remedy: str = ""

    def judge(self, path: str, value: Any) -> Problem | None:
        if is_output(value) or value in self.allowed:
            return None
        return Problem(path, self.reason, self.remedy or f"Choose {' or '.join(map(shown, self.allowed))}.", shown(value))


@dataclass(slots=True, frozen=True)
class Bounds:
    """The target can do a range of numbers, or only whole ones. Holds for defaults too."""

    low: float
    high: float
    whole: bool = False
    reason: str = ""

    def judge(self, path: str, value: Any) -> Problem | None:
        if value is None or is_output(value):
            return None
        if self.low <= value <= self.high and (not self.whole or float(value).is_integer()):
            return None
        kind = "A whole number" if self.whole else "A number"
        return Problem(path, self.reason or "Outside of what the service takes.", f"{kind} from {self.low:g} to {self.high:g}.", shown(value))


Rule = Gap | Choices | Bounds


@dataclass(slots=True)
class Rendered:
    """What a target made, as outputs of the component."""

    endpoint: pulumi.Output[str]
    """Host name or address of the balancer."""
    urls: dict[str, pulumi.Output[str]]
    """By listener."""
    pools: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By pool: names and ids of what carries it, in the target's own words."""


class Target(Model, ABC):
    """A home for load balancers, with the placement's own arguments as fields."""

    title: ClassVar[str]
    """What the user calls it, such as `AWS ALB`."""
    gaps: ClassVar[Mapping[str, Rule]]
    """By path pattern: what can't be done."""

    def problems(self, spec: Spec) -> Iterable[Problem]:
        """What can't be done for reasons that lie in several fields at once."""
        return ()

    def notes(self, spec: Spec) -> Iterable[str]:
        """Where the target deviates from a default that the user did not set, and other legal but dangerous choices."""
        return ()

    @abstractmethod
    def render(self, name: str, spec: Spec, parent: pulumi.ComponentResource) -> Rendered:
        """Make the resources, flat below `parent`, each named `{name}-...`."""


def problems(spec: Spec, target: Target) -> list[Problem]:
    """All that the target can't do, in the spec's own order."""
    return [*_gaps(spec, target.gaps), *target.problems(spec)]


def check(name: str, spec: Spec, target: Target) -> None:
    """Raise Unsupported with everything at once."""
    if found := problems(spec, target):
        raise Unsupported(f"LoadBalancer '{name}': {target.title} can't do what the spec asks", found)


def _gaps(spec: Spec, gaps: Mapping[str, Rule]) -> Iterator[Problem]:
    asked = list(said(spec))
    for pattern, rule in gaps.items():
        found = values(spec, pattern) if not isinstance(rule, Gap) else _asked(asked, pattern)
        for path, value in found:
            if problem := rule.judge(path, value):
                yield problem


def _asked(asked: list[Said], pattern: str) -> Iterator[tuple[str, Any]]:
    return ((item.path, item.value) for item in asked if item.asks and matches(pattern, item.path))
