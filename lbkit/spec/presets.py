"""Other services' settings as values: what they choose for you, and what they do not let you change.

Sources: Crusoe Cloud's, SaladCloud's and Unikraft Cloud's documentation of their load balancers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel

from lbkit.errors import Problem
from lbkit.spec.base import shown

if TYPE_CHECKING:
    from lbkit.spec.pool import Pool

Preset = Literal["crusoe", "salad", "salad_legacy", "unikraft"]


@dataclass(slots=True, frozen=True)
class Settings:
    """By path inside the pool: `chosen` fills what is left out; `only` is all that the service allows; `most` its maximum."""

    title: str
    chosen: Mapping[str, Any] = field(default_factory=dict)
    only: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    most: Mapping[str, float] = field(default_factory=dict)
    queues: bool = False
    """A hard limit brings a queue with it."""
    replaces: tuple[str, ...] = ()
    """A change of one of these makes a new balancer."""


_SALAD_CODES = {"codes.first_byte": 524, "codes.died": 500, "codes.refused": 504}
_SALAD_FIXED = ("algorithm", "limits", "timeouts.first_byte")

PRESETS: Mapping[str, Settings] = {
    "crusoe": Settings(
        "Crusoe Cloud",
        chosen={"protocol": "tcp", "algorithm": "source_hash"},
        only={"protocol": ("tcp",), "algorithm": ("source_hash",), "health_check.path": (None,), "firewall": (False,)},
    ),
    "salad": Settings(
        "SaladCloud",
        chosen=_SALAD_CODES,
        only={"algorithm": ("round_robin", "least_connections"), "limits.hard": (None, 1), "limits.soft": (None,)},
        most={"limits.queue.timeout": 100, "timeouts.first_byte": 100},
        queues=True,
        replaces=_SALAD_FIXED,
    ),
    "salad_legacy": Settings(
        "SaladCloud's legacy gateway",
        chosen={**_SALAD_CODES, "algorithm": "least_connections", "limits.hard": 1},
        only={
            "algorithm": ("least_connections",), "limits.hard": (1,), "limits.soft": (None,),
            "limits.queue.timeout": (100,), "timeouts.first_byte": (100,),
        },
        queues=True,
        replaces=_SALAD_FIXED,
    ),
    "unikraft": Settings(
        "Unikraft Cloud",
        chosen={"algorithm": "least_connections"},
        only={"algorithm": ("least_connections",), "limits.queue": (None,)},
    ),
}  # fmt: skip


def filled(data: Any) -> Any:
    """Pool data with its preset's choices in the places that were left out."""
    preset = PRESETS.get(str(data.get("preset"))) if isinstance(data, Mapping) else None
    if preset is None:
        return data
    result = dict(data)
    for path, value in preset.chosen.items():
        _set_if_absent(result, path.split("."), value)
    limits = _open(result.get("limits", {}))
    if preset.queues and isinstance(limits, dict) and limits.get("hard"):
        result["limits"] = {"queue": {}, **limits}
    return result


def breaches(pool: Pool) -> Iterator[Problem]:
    """What the pool asks for and the service of its preset does not do."""
    if pool.preset is None:
        return
    preset = PRESETS[pool.preset]
    for path, allowed in preset.only.items():
        path, value = _reached(pool, path)
        if value not in allowed:
            choices = " or ".join("nothing" if v is None else shown(v) for v in allowed)
            yield Problem(
                path, f"{preset.title} does not do this.", f"Leave it out, or choose {choices}.", shown(value)
            )
    for path, most in preset.most.items():
        value = at(pool, path)
        if value is not None and value > most:
            yield Problem(path, f"{preset.title} allows {most:g} s at most.", f"Choose {most:g} or less.", shown(value))


def _reached(pool: Pool, path: str) -> tuple[str, Any]:
    """The path and its value, or the part of the path that is None."""
    value: Any = pool
    parts = path.split(".")
    for number, name in enumerate(parts, 1):
        value = getattr(value, name)
        if value is None:
            return ".".join(parts[:number]), None
    return path, value


def settings_that_replace(pool: Pool) -> dict[str, Any]:
    """The settings of a pool, by path, that its preset does not let change in place."""
    paths = PRESETS[pool.preset].replaces if pool.preset else ()
    return {path: _plain(at(pool, path)) for path in paths}


def at(model: BaseModel, path: str) -> Any:
    """The value at a path; None where a part of the path is None."""
    value: Any = model
    for name in path.split("."):
        value = getattr(value, name, None)
    return value


def _plain(value: Any) -> Any:
    return value.model_dump() if isinstance(value, BaseModel) else value


def _open(value: Any) -> Any:
    """A model as the dict of what was set in it, so that it can be added to."""
    if isinstance(value, BaseModel):
        return {name: getattr(value, name) for name in value.model_fields_set}
    return dict(value) if isinstance(value, Mapping) else value


def _set_if_absent(data: dict[str, Any], path: list[str], value: Any) -> None:
    for part in path[:-1]:
        data[part] = _open(data.get(part, {}))
        if not isinstance(data[part], dict):
            return
        data = data[part]
    data.setdefault(path[-1], value)
