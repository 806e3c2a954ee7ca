"""A spec or a target as a program in another language gives it: camelCase keys, numbers as floats, no nulls."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from lbkit.package import types
from lbkit.package.spelling import camel, without


def spelled(value: Any) -> Any:
    """Only what was set, for what is set counts."""
    if isinstance(value, BaseModel):
        return _model(value)
    if isinstance(value, dict):
        return {key: spelled(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [spelled(inner) for inner in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _model(value: BaseModel) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, field, hint in types.fields(type(value)):  # type: ignore[arg-type]
        inner = getattr(value, name)
        if name not in value.model_fields_set:
            continue
        if inner is None and types.none_means(field, hint):
            found[without(name)] = True
        elif inner is not None:
            found[camel(name)] = spelled(inner)
    return found
