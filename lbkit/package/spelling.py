"""camelCase outside, snake_case inside: errors and descriptions name a field as the caller writes it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from lbkit.errors import Problem
from lbkit.package import types
from lbkit.spec import Spec
from lbkit.spec.base import Model, join
from lbkit.targets.base import Target
from lbkit.targets.table import HOMES, target_class

SPEC = "spec"


def camel(name: str) -> str:
    first, *rest = re.split("[_-]", name)
    return first + "".join(part.capitalize() for part in rest)


def without(name: str) -> str:
    """The switch that says what None says in Python."""
    return camel(f"no_{name}")


@cache
def homes() -> dict[str, type[Target]]:
    """Each target's class, by the argument that chooses it."""
    return {camel(home): target_class(home) for home in HOMES}


@cache
def every_model() -> list[type[Model]]:
    """The spec's and the targets' classes, each once."""
    found: dict[type[Model], None] = {}

    def walk(model: Any) -> None:
        if model not in found:
            found[model] = None
            for _, _, hint in types.fields(model):
                for inner in types.models(hint):
                    walk(inner)

    for top in (Spec, *homes().values()):
        walk(top)
    return list(found)


def words(text: str, home: str = "") -> str:
    """A text, with paths and fields in the caller's spelling."""
    path = r"\b[A-Za-z][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)+"
    text = re.sub(path, lambda found: _placed(found[0], home), text)
    text = re.sub(r"(\w)=(True|False)\b", r"\1: \2", text)
    text = re.sub(r"\b(True|False)\b", lambda found: found[0].lower(), text)
    return re.sub(r"\b[a-z0-9]+(?:_[a-z0-9]+)+\b", lambda found: _of_two_words().get(found[0], found[0]), text)


def respelled(found: Problem, home: str = "") -> Problem:
    """A problem as the caller would say it."""
    return Problem(_placed(found.path, home), words(found.reason, home), words(found.remedy, home), found.value)


def _placed(path: str, home: str) -> str:
    """A path from the component's arguments down. In Python it begins inside the spec, or with a target's class."""
    first, _, rest = path.partition(".")
    if first == SPEC:
        return _path(path, Spec)
    if first in homes():
        return _path(path, homes()[first])
    if first in Spec.model_fields:
        return _path(join(SPEC, path), Spec)
    if home and first in (places := _places(home)):
        return _path(join(places[first], rest), homes()[home])
    return path


def _path(path: str, top: type[Model]) -> str:
    """Field names in camelCase; the names that a user chose stay."""
    first, *rest = path.split(".")
    parts, at = [first], [top]
    named = False
    for part in rest:
        hint = next((hint for model in at for name, _, hint in types.fields(model) if name == part), None)
        if named or hint is None:
            parts.append(part)
            named = False
            continue
        parts.append(camel(part))
        at, named = list(types.models(hint)), types.item_of(hint, dict) is not None
    return ".".join(parts)


@cache
def _of_two_words() -> dict[str, str]:
    return {name: camel(name) for model in every_model() for name in model.model_fields if "_" in name}


@cache
def _places(home: str) -> dict[str, str]:
    """Where each class of a target stands below its argument; of several places the first."""
    found: dict[str, str] = {}
    for name, at in _standing(homes()[home], home):
        found.setdefault(name, at)
    return found


def _standing(model: type[Model], at: str) -> Iterator[tuple[str, str]]:
    yield model.__name__, at
    for name, _, hint in types.fields(model):
        for inner in types.models(hint):
            yield from _standing(inner, join(at, name))
