"""No sentence of pydantic's reaches a user: every class of spec and placements gets every kind of wrong value in every
field, by name and as a whole, and each answer is ours, with what to do."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any, get_args

import annotated_types
import pytest
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from lbkit.component import _check_name
from lbkit.dataplane.config import BootConfig
from lbkit.errors import SpecError
from lbkit.package.spelling import every_model
from lbkit.spec.base import Model
from tests.mocks import ROOT

WRONG: list[Any] = [
    None, True, 0, -1, 3.5, 10**9, 10**30, float("inf"), float("nan"), "", " ", "x", "1.5x", "x" * 5000, b"x", object(),
    [], [None], ["x"], ["x"] * 100, [5], {}, {"": 1}, {"a": None}, {"a": 5}, {"a": "x"}, {5: "x"}, {"a b": {}},
    {"x" * 60: {}}, ("x",), {"x"}, [[]], {"a": []},
    {"a": "x" * 5000}, {"a": -1}, {"a": 10**9}, [""], ["x" * 100],
]  # fmt: skip
THEIRS = re.compile(
    r"Input should|Value error|Field required|Extra inputs|valid (string|integer|number|list|dictionary|boolean)|"
    r"should (have|match|be)|validation error|pydantic|greater than|less than|items? after|Keys should"
)
KINDS: dict[type, str] = {
    annotated_types.Ge: "greater_than_equal",
    annotated_types.Gt: "greater_than",
    annotated_types.Le: "less_than_equal",
    annotated_types.MinLen: "too_short",
    annotated_types.MaxLen: "too_long",
}


CLASSES: list[type[Model]] = [*every_model(), BootConfig]


def raised(model: type[Model], data: Any) -> tuple[SpecError | None, list[Any]]:
    """Our answer, and what pydantic found."""
    try:
        model.model_validate(data)
    except ValidationError as error:
        found = error.errors()
    else:
        return None, []
    with pytest.raises(SpecError) as caught:
        model.load(data, at="at")
    return caught.value, found


def fields() -> Iterator[tuple[type[Model], str]]:
    for model in CLASSES:
        for name in model.model_fields:
            yield model, name


EACH = list(fields())


@pytest.mark.parametrize(("model", "name"), EACH, ids=lambda item: getattr(item, "__name__", item))
def test_no_wrong_value_is_answered_in_pydantic_s_words(model: type[Model], name: str):
    met = set()
    for value in WRONG:
        error, found = raised(model, {name: value})
        met |= {detail["type"] for detail in found if detail["loc"][:1] == (name,)}
        if error is None:
            continue
        assert not THEIRS.search(str(error)), str(error)
        assert "\\d" not in str(error)
        assert "(?" not in str(error)
        for detail in found:
            if detail["type"] not in ("value_error", "problems"):
                assert detail["msg"] not in str(error)
        assert all(problem.reason.endswith((".", "?")) for problem in error.problems), str(error)
        assert all(problem.remedy for problem in error.problems), str(error)
        assert all("not what is wanted" not in problem.reason for problem in error.problems), [d["type"] for d in found]
    assert bounds(model.model_fields[name]) <= {kind.removeprefix("string_") for kind in met}


def bounds(field: FieldInfo) -> set[str]:
    """The kinds of finding that the field's own bounds can give."""
    return {KINDS[type(extra)] for extra in [*field.metadata, *inner(field.annotation)] if type(extra) in KINDS}


def inner(annotation: Any) -> Iterator[Any]:
    """Bounds inside a type, such as those of a dict's keys."""
    for extra in getattr(annotation, "__metadata__", ()):
        yield from extra.metadata if isinstance(extra, FieldInfo) else [extra]
    for argument in get_args(annotation):
        yield from inner(argument)


@pytest.mark.parametrize("model", CLASSES, ids=lambda model: model.__name__)
def test_no_wrong_whole_is_answered_in_pydantic_s_words(model: type[Model]):
    for value in [*WRONG, {"no_such": 1}]:
        error, _ = raised(model, value)
        assert error is None or not THEIRS.search(str(error)), str(error)
        assert error is None or all(problem.remedy for problem in error.problems), str(error)


@pytest.mark.parametrize("model", CLASSES, ids=lambda model: model.__name__)
def test_nothing_is_changed_in_place(model: type[Model]):
    whole = model.model_construct()
    with pytest.raises(SpecError, match=rf"{model.__name__}\.x\n +What is said once"):
        whole.x = 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("model", CLASSES, ids=lambda model: model.__name__)
def test_fields_without_names_are_answered_so_too(model: type[Model]):
    first = next(iter(model.model_fields))
    with pytest.raises(
        SpecError, match=rf"{model.__name__}\n .*by name.\n +Write {model.__name__}\({first}=...\)"
    ) as said:
        model("hunter2")  # type: ignore[call-arg]
    assert "hunter2" not in str(said.value)


def test_every_class_is_driven():
    def below(model: type[Model]) -> Iterator[type[Model]]:
        for found in model.__subclasses__():
            yield found
            yield from below(found)

    concrete = {model for model in below(Model) if model.__module__.startswith("lbkit.") and not model.__subclasses__()}
    assert concrete == set(CLASSES)


def test_every_problem_has_a_remedy():
    """Those that no class finds as well: of files, processes and the network."""
    without = set()
    for path in sorted((ROOT / "lbkit").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.func.id != "Problem":
                continue
            given = [*node.args[2:3], *(word.value for word in node.keywords if word.arg in ("remedy", None))]
            given += [part for part in node.args if isinstance(part, ast.Starred)]
            if not given or (isinstance(given[0], ast.Constant) and not given[0].value):
                without.add(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert without == set()


@pytest.mark.parametrize("name", ["", "x" * 41, 5, None])
def test_the_balancer_s_name_is_answered_so_too(name: Any):
    with pytest.raises(SpecError) as caught:
        _check_name(name)
    assert not THEIRS.search(str(caught.value))
    assert all(problem.remedy for problem in caught.value.problems)
