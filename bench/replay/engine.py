"""A simulated inference engine with continuous batching. No IO and no clock: time comes in, tokens come out.

One step takes in waiting prompts while there is a seat, and makes one token for each request that runs:

    seconds = base + slope * running + prefill * prompt tokens taken in

The coefficients come from AIBrix's profiles of Llama 2 7B on one A100 and one A40.
"""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FULL = 48
"""Requests that ran at once where the profiles' throughput levels off; about what the cards' memory holds."""
PROMPTS = 4096
"""Prompt tokens that one step takes in, at least one prompt."""


@dataclass(slots=True, frozen=True)
class Profile:
    base: float
    slope: float
    prefill: float

    def capacity(self, asked: float, answered: float, seats: int) -> float:
        """Requests a second when it is full."""
        return 1 / (self.prefill * asked + answered * (self.base / seats + self.slope))


A100 = Profile(base=0.0099, slope=0.00025, prefill=74e-6)
A40 = Profile(base=0.0288, slope=0.00073, prefill=151e-6)
"""What `calibrated` gives for the profiles, to two digits."""


def calibrated(path: Path) -> Profile:
    """Coefficients from the profile's own numbers: base from unloaded answers, the others from its highest throughput."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    prefill = 1 / _most(rows, 1024, 4) / 1024
    base = (_unloaded(rows, 128, 256) - _unloaded(rows, 128, 128)) / 128
    slope = (1 / _most(rows, 1024, 128) - prefill * 1024) / 128 - base / _FULL
    return Profile(base, slope, prefill)


def _most(rows: list[dict[str, Any]], asked: int, answered: int) -> float:
    return max(
        float(r["mean"])
        for r in rows
        if (r["input_tokens"], r["output_tokens"], r["metric"]) == (asked, answered, "TPUT")
    )


def _unloaded(rows: list[dict[str, Any]], asked: int, answered: int) -> float:
    wanted = (asked, answered, "E2E", 1.0)
    return next(
        float(r["P50"])
        for r in rows
        if (r["input_tokens"], r["output_tokens"], r["metric"], r["request_rate"]) == wanted
    )


@dataclass(slots=True, eq=False)
class Job:
    """A request inside an engine."""

    asked: int
    answered: int
    made: int = 0


class Engine:
    """`due` is when the present step ends; call `step` then. Nothing is due while it is idle."""

    def __init__(self, profile: Profile, seats: int) -> None:
        self.profile, self.seats = profile, seats
        """`seats`: requests that run at once, vLLM's `max_num_seqs`; others wait inside, first in, first out."""
        self.waiting: deque[Job] = deque()
        self.running: dict[Job, None] = {}
        self.due: float | None = None

    def arrive(self, job: Job, now: float) -> None:
        self.waiting.append(job)
        if self.due is None:
            self._begin(now)

    def leave(self, job: Job) -> None:
        """The client is gone."""
        self.running.pop(job, None)
        if job in self.waiting:
            self.waiting.remove(job)

    def step(self) -> list[Job]:
        """The step is over: those that have one token more."""
        assert self.due is not None
        served = list(self.running)
        for job in served:
            job.made += 1
            if job.made >= job.answered:
                del self.running[job]
        now, self.due = self.due, None
        if self.running or self.waiting:
            self._begin(now)
        return served

    def _begin(self, now: float) -> None:
        profile, taken = self.profile, 0
        decoding = len(self.running)
        while (
            self.waiting and len(self.running) < self.seats and (not taken or taken + self.waiting[0].asked <= PROMPTS)
        ):
            job = self.waiting.popleft()
            self.running[job] = None
            taken += job.asked
        self.due = now + profile.base + profile.slope * decoding + profile.prefill * taken
