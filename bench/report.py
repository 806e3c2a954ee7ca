"""What a measurement says: arithmetic and tables, no load."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(slots=True)
class Run:
    """One proxy under one load once."""

    cpu: float
    """Seconds of the proxy's processor time."""
    units: float
    """Requests, chunks or GB."""
    seconds: float
    errors: int = 0

    @property
    def each(self) -> float:
        """Seconds of processor time for one unit."""
        return self.cpu / self.units if self.units else float("nan")


@dataclass(slots=True)
class Row:
    """One proxy under one load, over all rounds."""

    load: str
    unit: str
    peer: str
    each: float
    """Microseconds of processor time for one unit; seconds where the unit is a GB. Median of the rounds."""
    ratio: float
    """To the base in the same round; median."""
    lowest: float
    highest: float
    rate: float
    busy: float
    errors: int


def rows(load: str, unit: str, runs: dict[str, list[Run]], base: dict[str, str]) -> list[Row]:
    """Every peer's row; its ratios are paired with its base round by round."""
    found = []
    scale = 1.0 if unit == "GB" else 1e6
    for peer, mine in runs.items():
        ratios = [own.each / other.each for own, other in zip(mine, runs[base[peer]], strict=True)]
        found.append(
            Row(
                load, unit, peer, statistics.median(run.each for run in mine) * scale, statistics.median(ratios),
                min(ratios), max(ratios), statistics.median(run.units / run.seconds for run in mine),
                statistics.median(run.cpu / run.seconds for run in mine), sum(run.errors for run in mine),
            )
        )  # fmt: skip
    return found


HEAD = f"{'load':<22} {'proxy':<20} {'CPU each':>16} {'ratio (min..max)':>20} {'rate/s':>9} {'busy':>5} {'errors':>6}"


def lines(found: Sequence[Row]) -> list[str]:
    """The ratios for people. `busy` below 0.95 on a load without a set rate: the load generator was the limit."""
    said = []
    before = ""
    for row in found:
        name = row.load if row.load != before else ""
        before = row.load
        unit = "s/GB" if row.unit == "GB" else f"us/{row.unit}"
        spread = f"{row.ratio:.2f} ({row.lowest:.2f}..{row.highest:.2f})"
        rate = f"{row.rate:.2f}" if row.rate < 100 else f"{row.rate:.0f}"
        said.append(
            f"{name:<22} {row.peer:<20} {row.each:>8.2f} {unit:<7} {spread:>20} {rate:>9} {row.busy:>5.2f} {row.errors:>6}"
        )
    return said


@dataclass(slots=True)
class Held:
    """What connections cost in memory."""

    load: str
    peer: str
    connections: int
    before: float
    after: float
    """MB of the process, without and with them."""
    errors: int
    idle_cpu: float | None = None
    """Share of a core while nothing happens on them."""

    @property
    def each(self) -> float:
        """kB for one connection."""
        return (self.after - self.before) * 1024 / self.connections if self.connections else 0.0


def memory_table(found: Sequence[Held]) -> str:
    lines = [
        f"{'load':<30} {'proxy':<10} {'number':>7} {'MB before':>10} {'MB after':>9} {'kB each':>8} {'CPU share':>10} {'errors':>6}"
    ]
    for held in found:
        idle = f"{held.idle_cpu:.3f}" if held.idle_cpu is not None else "-"
        lines.append(
            f"{held.load:<30} {held.peer:<10} {held.connections:>7} {held.before:>10.1f} {held.after:>9.1f} {held.each:>8.2f} "
            f"{idle:>10} {held.errors:>6}"
        )
    return "\n".join(lines)


def write(place: Path, found: Sequence[Row], held: Sequence[Held], about: dict[str, object]) -> None:
    """All numbers as JSON."""
    place.mkdir(parents=True, exist_ok=True)
    document = {"about": about, "ratios": [asdict(row) for row in found], "memory": [asdict(one) for one in held]}
    (place / "report.json").write_text(json.dumps(document, indent=2) + "\n")
