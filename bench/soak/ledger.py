"""What happened, and whether it may have: a request may fail only on a node at its death, or while it hangs."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass, field

GRACE = 1.5
"""Seconds after a node's death within which its requests fail."""


@dataclass(slots=True)
class Outcome:
    kind: str
    began: float
    ended: float
    result: str


@dataclass(slots=True)
class Trouble:
    """A node that was cut off on purpose, from and to."""

    kind: str
    node: str
    began: float
    ended: float = float("inf")

    def explains(self, outcome: Outcome) -> bool:
        """Whether the request was under way when it began, or began while it lasted."""
        if self.kind == "hang":
            return outcome.began <= self.ended and self.began <= outcome.ended
        return outcome.began <= self.began <= outcome.ended and outcome.ended - self.began <= GRACE


@dataclass
class Ledger:
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    excused: Counter[str] = field(default_factory=Counter)
    troubles: list[Trouble] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    failed: list[Outcome] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    """Calls of the control API that went wrong."""
    memory: list[float] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        good = outcome.result == "ok" or outcome.result.startswith("refused ")
        self.counts[outcome.kind, outcome.result if good else "failed"] += 1
        if not good:
            self.failed.append(outcome)

    def unexplained(self) -> list[Outcome]:
        """Failures that nobody's death or hanging explains."""
        self.excused.clear()
        found = []
        for outcome in self.failed:
            reason = next((trouble for trouble in self.troubles if trouble.explains(outcome)), None)
            if reason is None:
                found.append(outcome)
            else:
                self.excused[reason.kind] += 1
        return found


def growth(samples: list[float]) -> float:
    """How much the last fifth is above the second fifth; the first is warming up."""
    fifth = len(samples) // 5
    if not fifth:
        return 0.0
    return statistics.median(samples[-fifth:]) - statistics.median(samples[fifth : 2 * fifth])
