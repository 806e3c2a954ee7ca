"""What a home for the spec can't do, as data keyed by the spec's own paths.

`*` stands for a name the user chose: `pools.*.limits.queue`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from lbkit.errors import Problem
from lbkit.spec.base import shown
from lbkit.spec.inputs import is_output
from lbkit.spec.said import Said, matches, said, values


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
        return Problem(
            path, self.reason, self.remedy or f"Choose {' or '.join(map(shown, self.allowed))}.", shown(value)
        )


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
        return Problem(
            path,
            self.reason or "Outside of what the service takes.",
            f"{kind} from {self.low:g} to {self.high:g}.",
            shown(value),
        )


Rule = Gap | Choices | Bounds


def asked_too_much(spec: BaseModel, gaps: Mapping[str, Rule]) -> Iterator[Problem]:
    """Everything in the spec that a rule forbids."""
    asked = list(said(spec))
    for pattern, rule in gaps.items():
        found = values(spec, pattern) if not isinstance(rule, Gap) else _asked(asked, pattern)
        for path, value in found:
            if problem := rule.judge(path, value):
                yield problem


def _asked(asked: list[Said], pattern: str) -> Iterator[tuple[str, Any]]:
    return ((item.path, item.value) for item in asked if item.asks and matches(pattern, item.path))
