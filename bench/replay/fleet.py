"""The mixed fleet: how many engines of each kind, how fast, and what they carry together."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path

from bench.replay.engine import A40, A100, Profile, calibrated
from bench.replay.traces import NoTrace, Request, rate, scaled

_PROFILES = {"a100": "aibrix_simulator-llama2-7b-a100.jsonl", "a40": "aibrix_simulator-llama2-7b-a40.jsonl"}


@dataclass(slots=True, frozen=True)
class Fleet:
    engines: list[Profile]
    seats: int
    """Requests that one engine runs at once."""
    weights: list[int]
    """In proportion to what each carries, the slowest has 2."""

    def capacity(self, requests: list[Request]) -> float:
        """Requests of this kind a second, with every engine full."""
        asked, answered = (
            statistics.mean(values) for values in zip(*((r.asked, r.answered) for r in requests), strict=True)
        )
        return sum(engine.capacity(asked, answered, self.seats) for engine in self.engines)

    def loaded(self, requests: list[Request], share: float) -> list[Request]:
        """The requests, their arrivals so much faster or slower that they fill this share of the capacity."""
        return scaled(requests, self.capacity(requests) * share / rate(requests))


def mixed(fast: int, slow: int, seats: int, profiles: Path | None = None) -> Fleet:
    """A100s and A40s. `profiles`: where AIBrix's tables lie; without it, what was calibrated from them. Raises NoTrace."""
    kinds = (A100, A40)
    if profiles is not None:
        if absent := [name for name in _PROFILES.values() if not (profiles / name).is_file()]:
            raise NoTrace(f"There is no {profiles / absent[0]}. Give the folder with --traces.")
        kinds = (calibrated(profiles / _PROFILES["a100"]), calibrated(profiles / _PROFILES["a40"]))
    ratio = kinds[0].capacity(1024, 128, seats) / kinds[1].capacity(1024, 128, seats)
    return Fleet([kinds[0]] * fast + [kinds[1]] * slow, seats, [round(2 * ratio)] * fast + [2] * slow)
