"""Time to first token over a whole replay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(slots=True)
class Result:
    name: str
    p50: float
    p90: float
    p99: float
    within: float
    """Share of all requests whose first token came within the objective."""
    failed: int
    note: str = ""


def result(name: str, first: Sequence[float | None], objective: float) -> Result:
    """A failed request (None) is outside every objective, and in no quantile."""
    came = sorted(value for value in first if value is not None)
    within = sum(value <= objective for value in came) / len(first)
    p50, p90, p99 = (quantile(came, share) for share in (0.5, 0.9, 0.99))
    return Result(name, p50, p90, p99, within, len(first) - len(came))


def quantile(values: Sequence[float], share: float) -> float:
    """Of sorted values; the next one where it falls between two."""
    return values[min(len(values) - 1, int(share * len(values)))] if values else float("nan")


def lines(results: Sequence[Result], objective: float) -> list[str]:
    head = f"{'':<48} {'p50 s':>8} {'p90 s':>8} {'p99 s':>8} {f'<= {objective:g} s':>9} {'failed':>7}"
    return [head, *(line(one) for one in results)]


def line(one: Result) -> str:
    if one.note:
        return f"{one.name:<48} {one.note}"
    return f"{one.name:<48} {one.p50:>8.2f} {one.p90:>8.2f} {one.p99:>8.2f} {one.within:>8.1%} {one.failed:>7}"
