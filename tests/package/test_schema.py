"""LB-5: the face that other languages see. It is a golden file, so that a change of it is seen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lbkit.package import types
from lbkit.package.schema import schema
from lbkit.package.spelling import camel, every_model, homes
from lbkit.targets.table import HOMES
from tests.mocks import golden

FOUND = schema()


def test_the_schema_is_the_golden_one():
    golden("schema", FOUND)


def test_every_home_is_an_argument_of_its_class():
    arguments = FOUND["resources"]["lbkit:index:LoadBalancer"]["inputProperties"]
    assert set(arguments) == {"spec", *(camel(home) for home in HOMES)}
    for home, target in homes().items():
        assert arguments[home]["$ref"] == f"#/types/lbkit:index:{target.__name__}"


@pytest.mark.parametrize("model", every_model(), ids=lambda model: model.__name__)
def test_every_field_of_every_class_is_there_with_its_words(model: Any):
    properties = FOUND["types"][f"lbkit:index:{model.__name__}"]["properties"]
    for name, field, hint in types.fields(model):
        found = properties[camel(name)]
        assert found["description"] or not field.description
        assert found.get("plain", False) is not types.late(hint), f"{name}: only a late leaf is an input"


def test_no_two_classes_have_one_name():
    names = [model.__name__ for model in every_model()]
    assert len(set(names)) == len(names)


def test_every_reference_leads_somewhere():
    for reference in references(FOUND):
        assert reference == "pulumi.json#/Any" or reference.removeprefix("#/types/") in FOUND["types"]


def test_no_default_is_filled_in_by_an_sdk():
    properties = [kind for found in FOUND["types"].values() for kind in found.get("properties", {}).values()]
    assert not [kind for kind in properties if "default" in kind], "what an SDK fills in would count as set by the user"


def test_no_word_is_python_s():
    for text in descriptions(FOUND):
        assert not {"health_check", "first_byte", "=True", "=False"} & set(pieces(text)), text


def pieces(text: str) -> Iterator[str]:
    for word in text.replace("`", " ").replace("(", " ").split():
        yield word
        yield from (f"={part}" for part in word.split("=")[1:])


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for inner in node.values():
            yield from references(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from references(inner)


def descriptions(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("description"), str):
            yield node["description"]
        for inner in node.values():
            yield from descriptions(inner)
