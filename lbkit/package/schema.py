"""The package's schema, made from the spec's classes: what other languages generate their SDK from.

Structure is plain and leaves that may arrive later are inputs. Defaults stand in the descriptions alone: a default that an
SDK fills in would count as set by the user, and a target may refuse what was set.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import re
from typing import Any

from pydantic.fields import FieldInfo

from lbkit import fields
from lbkit.component import LoadBalancer
from lbkit.package import types
from lbkit.package.spelling import SPEC, camel, every_model, homes, without, words
from lbkit.release import VERSION
from lbkit.spec import Spec
from lbkit.spec.base import Model

TOKEN = "lbkit:index:LoadBalancer"
Schema = dict[str, Any]
_WORDS = {str: "string", int: "integer", float: "number", bool: "boolean"}


def schema() -> Schema:
    """The whole of it, in Pulumi's package schema."""
    enums: Schema = {}
    objects: Schema = {_token(model.__name__): _object(model, enums) for model in every_model()}
    return {
        "name": "lbkit",
        "version": VERSION,
        "displayName": "lbkit",
        "description": "One load balancer spec, three homes: AWS, F5 BIG-IP, or our own dataplane.",
        "license": "Apache-2.0",
        "language": {
            "nodejs": {"packageName": "lbkit", "respectSchemaVersion": True},
            "python": {"respectSchemaVersion": True},
        },
        "resources": {TOKEN: _component()},
        "types": {**objects, **enums},
    }


def _component() -> Schema:
    outputs: Schema = {
        "endpoint": {"type": "string"},
        "url": {"type": "string"},
        "urls": {"type": "object", "additionalProperties": {"type": "string"}},
        "pools": {"type": "object", "additionalProperties": {"$ref": "pulumi.json#/Any"}},
    }
    said = _docstrings(LoadBalancer)
    arguments: Schema = {SPEC: {**_ref(Spec.__name__), "plain": True, "description": words(_first(Spec))}}
    for home, target in homes().items():
        text = f"{_first(target)} One of {', '.join(f'`{name}`' for name in homes())} must be given."
        arguments[home] = {**_ref(target.__name__), "plain": True, "description": words(text)}
    return {
        "isComponent": True,
        "description": "A load balancer: what it is in `spec`, and one argument that says where it runs.",
        "properties": {name: {**kind, "description": said[name]} for name, kind in outputs.items()},
        "required": list(outputs),
        "inputProperties": arguments,
        "requiredInputs": [SPEC],
    }


def _object(model: type[Model], enums: Schema) -> Schema:
    properties: Schema = {}
    required = []
    for name, field, hint in types.fields(model):
        owner = f"{model.__name__}{camel('x_' + name)[1:]}"
        text = _description(field)
        if field.is_required():
            required.append(camel(name))
        if types.none_means(field, hint):
            text = text.replace("None:", f"`{without(name)}: true`:")
        properties[camel(name)] = {**_type(hint, owner, enums), "description": text}
        if types.none_means(field, hint):
            text = f"True: no `{camel(name)}` at all. Unset: its default."
            properties[without(name)] = {"type": "boolean", "plain": True, "description": text}
    found: Schema = {"type": "object", "description": words(_prose(model.__doc__)), "properties": properties}
    return {**found, "required": required} if required else found


def _type(annotation: Any, owner: str, enums: Schema) -> Schema:
    """A type; `owner` names the enumeration that it may become."""
    plain = {} if types.late(annotation) else {"plain": True}
    inner = types.bare(annotation)
    if values := types.choices(annotation):
        enums[_token(owner)] = _enum(values)
        return {**_ref(owner), **plain}
    if types.is_model(inner):
        return {**_ref(inner.__name__), **plain}
    if (item := types.item_of(annotation, list)) is not None:
        return {"type": "array", "items": _type(item, owner, enums), **plain}
    if (item := types.item_of(annotation, dict)) is not None:
        return {"type": "object", "additionalProperties": _type(item, owner, enums), **plain}
    if inner in _WORDS:
        return {"type": _WORDS[inner], **plain}
    return {"oneOf": [_type(item, owner, enums) for item in types.alternatives(annotation)], **plain}


def _enum(values: tuple[Any, ...]) -> Schema:
    kind = _WORDS[type(values[0])]
    return {"type": kind, "enum": [{"name": _word(value), "value": value} for value in values]}


def _word(value: Any) -> str:
    """The constant's name in languages that want one."""
    text = "".join(part.capitalize() for part in re.split("[^A-Za-z0-9]", str(value)))
    return text if text[:1].isalpha() else f"V{re.sub('[^0-9A-Za-z]', '_', str(value))}"


def _description(field: FieldInfo) -> str:
    text = words(_prose(fields.meaning(field)))
    default = "" if field.is_required() else fields.default_words(field)
    return text if default in ("", "unset", "empty") else f"{text} Default: {default}.".strip()


def _docstrings(cls: type) -> dict[str, str]:
    """The text under each annotated name of a class."""
    body = ast.parse(inspect.getsource(cls)).body[0]
    assert isinstance(body, ast.ClassDef)
    found = {}
    for line, below in itertools.pairwise(body.body):
        if isinstance(line, ast.AnnAssign) and isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
            found[ast.unparse(line.target)] = _prose(str(below.value.value))
    return found


def _first(model: type[Model]) -> str:
    return _prose(model.__doc__).partition(". ")[0].removesuffix(".") + "."


def _prose(text: str | None) -> str:
    return " ".join((text or "").split())


def _token(name: str) -> str:
    return f"lbkit:index:{name}"


def _ref(name: str) -> Schema:
    return {"$ref": f"#/types/{_token(name)}"}
