"""Every field of a spec with its default, unit and reason: the page docs/fields.md, made from the classes themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_type_hints

from pydantic.fields import FieldInfo

from lbkit.spec import Spec
from lbkit.spec.base import Model
from lbkit.spec.inputs import takes_late

Schema = dict[str, Any]
_REFERENCE = "#/$defs/"


def markdown() -> str:
    """The page."""
    lines = [
        "# Every field",
        "",
        "Made by `make targets` from the spec's classes. Times are plain seconds, at most a day; sizes are octets. `NAME` stands for",
        "a name of yours: at most 40 letters, digits and single `-`, with a letter first.",
        "What may come late may be a Pulumi Output of another resource, or a list with such entries; all else is known at once.",
        "What a home can't do: [targets.md](targets.md). For editors: `lbkit schema` prints JSON Schema.",
    ]
    for at, model in _sections(Spec, ""):
        lines += ["", f"## {model.__name__}", "", f"{_prose(model.__doc__ or '')} At {at}.", ""]
        lines += ["| field | value | default | meaning |", "|---|---|---|---|"]
        schema, hints = model.model_json_schema(), get_type_hints(model, include_extras=True)
        for name, field in model.model_fields.items():
            value = f"{_value(schema['properties'][name], schema)}{_late(hints[name])}"
            lines.append(f"| `{name}` | {value} | {default_words(field)} | {_prose(meaning(field))} |")
    return "\n".join([*lines, ""])


def leaves(model: type[Model] = Spec, at: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """(path, field) of every field that holds no further ones, with `*` for a name of the user's."""
    for name, field in model.model_fields.items():
        path = f"{at}.{name}".lstrip(".")
        inside = list(_models(field.annotation))
        if not inside:
            yield path, field
        for inner, many in inside:
            yield from leaves(inner, f"{path}.*" if many else path)


def _sections(model: type[Model], path: str) -> Iterator[tuple[str, type[Model]]]:
    """(where it stands, class) of each class once, in the order in which a reader meets them."""
    found: dict[type[Model], list[str]] = {}

    def walk(current: type[Model], at: str) -> None:
        found.setdefault(current, []).append(f"`{at}`" if at else "the top")
        for name, field in current.model_fields.items():
            for inner, many in _models(field.annotation):
                walk(inner, f"{at}.{name}".lstrip(".") + (".NAME" if many else ""))

    walk(model, path)
    for current, places in found.items():
        yield " and ".join(dict.fromkeys(places)), current


def _models(annotation: Any, many: bool = False) -> Iterator[tuple[type[Model], bool]]:
    """The spec classes inside a type, and whether they are keyed by name."""
    if isinstance(annotation, type) and issubclass(annotation, Model):
        yield annotation, many
    arguments = getattr(annotation, "__args__", ())
    many = many or getattr(annotation, "__origin__", None) is dict
    for argument in arguments:
        yield from _models(argument, many)


def _value(schema: Schema, whole: Schema) -> str:
    """What may be written."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_REFERENCE)
        inner = whole["$defs"][name]
        return f"[{name}](#{name.lower()})" if "properties" in inner else _value(inner, whole)
    if "anyOf" in schema:
        return " or ".join(_value(part, whole) for part in schema["anyOf"] if part.get("type") != "null")
    if "enum" in schema:
        return ", ".join(f"`{choice}`" for choice in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    kind = schema.get("type")
    if kind == "array":
        return f"list of {_value(schema['items'], whole)}"
    if kind == "object":
        return f"by name: {_value(schema['additionalProperties'], whole)}"
    word = {"integer": "whole number", "number": "seconds", "boolean": "true or false", "string": "text"}[str(kind)]
    return f"{word}{_bounds(schema)}"


def _late(hint: Any) -> str:
    return "; may come late" if takes_late(hint) else ""


def _bounds(schema: Schema) -> str:
    if schema.get("type") not in ("integer", "number"):
        return ""
    above = schema.get("gt", schema.get("exclusiveMinimum"))
    low, high = schema.get("ge", schema.get("minimum")), schema.get("le", schema.get("maximum"))
    if above is not None:
        return f" above {above:,}"
    if high is not None:
        return f", {low or 0:,} to {high:,}"
    return "" if low is None else f", at least {low:,}"


def default_words(field: FieldInfo) -> str:
    """What it is when it is left out."""
    if field.is_required():
        return "must be given"
    value = field.get_default(call_default_factory=True)
    if value is None:
        return "unset"
    if isinstance(value, Model):
        return "its defaults"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, (dict, list, str)) and not value:
        return "empty"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def meaning(field: FieldInfo) -> str:
    """Its docstring; where it has none, what its class is."""
    inside = [model.__doc__ or "" for model, _ in _models(field.annotation)]
    return field.description or "".join(inside).partition("\n\n")[0]


def _prose(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
