"""What happened, and whether it may have: a request may fail only on a node at its death, or while it hangs."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass, field

GRACE = 1.5
"""Seconds after a node's death within which its requests fail."""
LAG = 0.25
"""Seconds until a busy balancer has read that a kept connection is gone; what it sent on it until then is lost."""


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
        """Whether the request was under way then; one on a node that died failed at once."""
        together = outcome.began <= self.ended + LAG and self.began <= outcome.ended
        return together and (self.kind == "hang" or outcome.ended <= self.ended + GRACE)


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
    if len(samples) < 5:
        return 0.0
    return fifths(samples)[-1] - fifths(samples)[1]


def fifths(samples: list[float]) -> list[float]:
    """The median of each fifth."""
    size = max(1, len(samples) // 5)
    return [statistics.median(samples[i * size : (i + 1) * size] or [0.0]) for i in range(5)]
