"""Every leaf that a user set, by path, and patterns over those paths.

A pattern has `*` where a path has a name chosen by the user, such as `pools.*.limits.queue`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from lbkit.spec.base import join
from lbkit.spec.inputs import is_output


class Said(NamedTuple):
    """Something the user set: a leaf, or what holds further fields before those."""

    path: str
    value: Any
    default: Any = None

    @property
    def asks(self) -> bool:
        """Whether this wants anything done: None, False, 0 and empty do not, unless the default is something else."""
        if isinstance(self.value, BaseModel) and isinstance(self.default, BaseModel):
            return self.value != self.default
        return is_output(self.value) or bool(self.value) or bool(self.default)


def said(model: BaseModel, at: str = "") -> Iterator[Said]:
    """All that was set below the model. Defaults that were left alone are absent."""
    for name, field in type(model).model_fields.items():
        if name in model.model_fields_set:
            default = None if field.default is PydanticUndefined else field.default
            yield from _walk(Said(join(at, name), getattr(model, name), default))


def _walk(item: Said) -> Iterator[Said]:
    if is_output(item.value):
        yield item
    elif isinstance(item.value, BaseModel):
        yield item
        yield from said(item.value, item.path)
    elif isinstance(item.value, dict) and any(isinstance(inner, BaseModel) for inner in item.value.values()):
        yield item
        for key, inner in item.value.items():
            yield from _walk(Said(join(item.path, key), inner))
    else:
        yield item


def matches(pattern: str, path: str) -> bool:
    """Whether the pattern names this very path."""
    wanted, found = pattern.split("."), path.split(".")
    return len(wanted) == len(found) and all(w in ("*", f) for w, f in zip(wanted, found, strict=True))


def values(model: BaseModel, pattern: str) -> Iterator[tuple[str, Any]]:
    """(path, value) of everything the pattern names, set or default; nothing below a None."""
    yield from _descend(model, pattern.split("."), "")


def _descend(value: Any, parts: list[str], path: str) -> Iterator[tuple[str, Any]]:
    if not parts:
        yield path, value
    elif parts[0] == "*" and isinstance(value, dict):
        for key, item in value.items():
            yield from _descend(item, parts[1:], join(path, key))
    elif isinstance(value, BaseModel):
        yield from _descend(getattr(value, parts[0]), parts[1:], join(path, parts[0]))
