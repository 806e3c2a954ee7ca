"""Requests of production services: when they came, how much they asked and got. Arrivals are open-loop."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path

AZURE, MOONCAKE = "AzureLLMInferenceTrace_conv.csv", "mooncake_conversation_trace.jsonl"


class NoTrace(Exception):
    """The traces are not where they were looked for."""


@dataclass(slots=True, frozen=True)
class Request:
    at: float
    """Seconds after the first."""
    asked: int
    """Tokens of the prompt."""
    answered: int
    """Tokens of the answer."""


def load(folder: Path, name: str, count: int, skip: int = 0) -> list[Request]:
    """A piece of a trace. Raises NoTrace."""
    path = folder / (AZURE if name == "azure" else MOONCAKE)
    if not path.is_file():
        raise NoTrace(f"There is no trace {path}. Give the folder with --traces.")
    with path.open() as lines:
        rows = _azure(lines) if name == "azure" else _mooncake(lines)
        found = list(islice(rows, skip, skip + count))
    return scaled(found, 1.0)


def scaled(requests: list[Request], factor: float) -> list[Request]:
    """From zero on, and `factor` times as fast."""
    first = requests[0].at if requests else 0.0
    return [Request((one.at - first) / factor, one.asked, one.answered) for one in requests]


def rate(requests: list[Request]) -> float:
    """Requests a second."""
    return (len(requests) - 1) / (requests[-1].at - requests[0].at)


def _azure(lines: Iterator[str]) -> Iterator[Request]:
    next(lines)
    for line in lines:
        at, asked, answered = line.strip().split(",")
        yield Request(datetime.fromisoformat(at[:26]).timestamp(), int(asked), max(1, int(answered)))


def _mooncake(lines: Iterator[str]) -> Iterator[Request]:
    for line in lines:
        row = json.loads(line)
        yield Request(row["timestamp"] / 1e3, row["input_length"], max(1, row["output_length"]))


def synthetic(count: int, per_second: float, seed: int = 1) -> list[Request]:
    """Like the conversation trace of Azure: Poisson arrivals; prompts of 1,020 tokens in the middle and 2,735 at the 90th
    percentile, answers of 129 and 424 (log-normal, cut at the trace's largest)."""
    dice = random.Random(seed)
    at, found = 0.0, []
    for _ in range(count):
        at += dice.expovariate(per_second)
        asked, answered = _between(dice, 1020, 2735, 14_050), _between(dice, 129, 424, 1000)
        found.append(Request(at, asked, answered))
    return found


def _between(dice: random.Random, median: float, tenth: float, most: int) -> int:
    spread = math.log(tenth / median) / 1.2816
    return max(1, min(most, round(dice.lognormvariate(math.log(median), spread))))
