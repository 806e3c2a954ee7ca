"""What every part of a spec is: immutable, complete with defaults, and refusing what it does not know.

A mistake becomes a SpecError that names the path, the value, the reason and the remedy, and the line of the
user's own program. pydantic's ValidationError never leaves this package.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, get_args, get_origin, get_type_hints

import pydantic
import pydantic_core
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from lbkit.errors import Problem, SpecError
from lbkit.spec.inputs import TOO_LATE, instead_of_late, is_output
from lbkit.spec.wording import worded

_HERE = f"{Path(__file__).resolve().parents[1]}{os.sep}"
_STANDARD = sysconfig.get_path("stdlib") + os.sep
_OTHERS = ("<", *(str(Path(module.__file__ or "<").parent) + os.sep for module in (pydantic, pydantic_core)))


class Model(BaseModel):
    """Base of all spec classes."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
        arbitrary_types_allowed=True,
    )

    if not TYPE_CHECKING:

        def __init__(self, /, *nameless: Any, **data: Any) -> None:
            if nameless:
                raise _nameless(type(self), nameless)
            try:
                super().__init__(**data)
            except ValidationError as error:
                raise as_spec_error(error, type(self), type(self).__name__) from None

        __init__.__pydantic_base_init__ = True  # nested models validate in the core, so one error lists them all

        def __setattr__(self, name: str, value: Any) -> None:
            reason = "What is said once is not changed; others may hold it."
            problem = Problem(
                join(type(self).__name__, name), reason, f"Make another: model_copy(update={{'{name}': ...}})."
            )
            raise SpecError(f"{type(self).__name__} can't be changed", [problem])

    @classmethod
    def model_json_schema(cls, *args: Any, **more: Any) -> dict[str, Any]:
        found: dict[str, Any] = _in_its_words(super().model_json_schema(*args, **more))
        return found

    @classmethod
    def load(cls, data: Mapping[str, Any], *, at: str = "") -> Self:
        """The model from plain data, such as parsed YAML or JSON. `at` is the path of the data. Raises SpecError."""
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise as_spec_error(error, cls, at) from None


_CHOICE = re.compile(r"(literal|list|function-[a-z]+)\[.+\]")
"""A step of a path that is pydantic's own: one of several types."""
_WORDS = {"ge": "minimum", "le": "maximum", "gt": "exclusiveMinimum", "lt": "exclusiveMaximum"}


def _in_its_words(schema: Any) -> Any:
    """JSON Schema's names for the bounds that pydantic leaves as its own, behind a validator that comes before."""
    if isinstance(schema, list):
        return [_in_its_words(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {_WORDS.get(key, key): _in_its_words(value) for key, value in schema.items()}


def wrong(*problems: Problem) -> PydanticCustomError:
    """The error a validator raises for problems it found; their paths are relative to the validated model."""
    return PydanticCustomError(
        "problems", "{text}", {"text": "; ".join(p.reason for p in problems), "problems": list(problems)}
    )


def _nameless(cls: type[BaseModel], given: tuple[Any, ...]) -> SpecError:
    names = ", ".join(f"{name}=..." for name in list(cls.model_fields)[: len(given)])
    load = f", or {cls.__name__}.load(...) for plain data" if isinstance(given[0], Mapping) else ""
    problem = Problem(cls.__name__, "Its fields are given by name.", f"Write {cls.__name__}({names}){load}.")
    return SpecError(f"{cls.__name__} is not right{_users_line()}", [problem])


def as_spec_error(error: ValidationError, model: type[BaseModel], at: str) -> SpecError:
    """pydantic's findings in the house's form. `at` leads the paths: a class name, or where the data stands."""
    if at == "Spec":
        at = ""
    problems = [p for same in _choices(error.errors(include_url=False)) for p in _problems(same, model, at)]
    return SpecError(f"{model.__name__} is not right{_users_line()}", problems)


def shown(value: Any) -> str:
    """A value in an error text: short, never a late one. A model is shown by its first field that was set."""
    if isinstance(value, BaseModel):
        first = next((name for name in type(value).model_fields if name in value.model_fields_set), None)
        return shown(getattr(value, first)) if first else ""
    if is_output(value) or value is None:
        return ""
    if isinstance(value, Mapping):
        return ", ".join(map(str, list(value)[:5]))
    if isinstance(value, list) and any(map(is_output, value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, str) and "-----BEGIN" in value:
        return ""
    if isinstance(value, str):
        value = re.sub(r"\S*:\S*@", "***@", value)  # an account in a URL
    text = repr(value) if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= 80 else text[:77] + "..."


def default(model: BaseModel, field: str) -> Any:
    """What the field is when it is left out."""
    return type(model).model_fields[field].get_default(call_default_factory=True)


def join(*parts: object) -> str:
    """A path of the spec: its parts with dots between, empty ones left out."""
    return ".".join(str(part) for part in parts if part != "")


def _choices(details: Iterable[ErrorDetails]) -> Iterator[list[ErrorDetails]]:
    """The findings that are one mistake. Where a field takes one thing or another, pydantic says of each why it is not
    that: of these only what goes deepest counts, for it is of the thing that was begun."""
    found: dict[object, list[ErrorDetails]] = {}
    for index, detail in enumerate(details):
        found.setdefault(index if (at := _choice(detail)) is None else detail["loc"][:at], []).append(detail)
    for same in found.values():
        deepest = max(len(detail["loc"]) for detail in same)
        kept = [detail for detail in same if len(detail["loc"]) == deepest]
        at = _choice(kept[0])
        yield from [kept] if at is None or deepest == at + 1 else ([detail] for detail in kept)


def _choice(detail: ErrorDetails) -> int | None:
    """Where the path turns into one of several types."""
    return next((index for index, part in enumerate(detail["loc"]) if _CHOICE.fullmatch(str(part))), None)


def _problems(same: list[ErrorDetails], model: type[BaseModel], at: str) -> Iterator[Problem]:
    detail, *others = same
    loc = [part for part in detail["loc"] if part != "[key]" and not _CHOICE.fullmatch(str(part))]
    found = detail.get("ctx", {}).get("problems")
    if found:
        for problem in found:
            yield Problem(join(at, *loc, problem.path), problem.reason, problem.remedy, problem.value)
        return
    plain = isinstance(detail["input"], str | int | float | bool)
    value = shown(detail["input"]) if plain and not _hidden(model, loc) else ""
    reason, remedy = _reason(detail, model, loc)
    reason = " Or: ".join([reason, *(worded(other)[0] for other in others)])
    yield Problem(join(at, *loc), reason, remedy, value)


def _hidden(model: type[BaseModel], loc: list[Any]) -> bool:
    """Whether a field on the way may hold a secret: those are declared with `repr=False`. An unknown one may be such a
    field's name with a slip in it."""
    for end, part in enumerate(loc):
        if cls := _class_at(model, loc[:end]):
            field = cls.model_fields.get(str(part))
            if not field.repr if field else any(not known.repr for known in cls.model_fields.values()):
                return True
    return False


def _reason(detail: ErrorDetails, model: type[BaseModel], loc: list[Any]) -> tuple[str, str]:
    kind = detail["type"]
    if is_output(detail["input"]) and kind not in ("extra_forbidden", "missing"):
        owner = _class_at(model, loc[:-1])
        hint = get_type_hints(owner, include_extras=True).get(str(loc[-1])) if owner else None
        return TOO_LATE, instead_of_late(hint)
    if kind == "extra_forbidden":
        return _unknown_field(str(loc[-1]), _class_at(model, loc[:-1]))
    if kind in ("model_type", "model_attributes_type", "dict_type") and (cls := _class_at(model, loc)):
        article = "An" if cls.__name__[0] in "AEIO" else "A"
        return f"{article} {cls.__name__} is wanted here.", f"Give a mapping with fields of it: {_fields(cls)}."
    return worded(detail)


def _fields(cls: type[BaseModel]) -> str:
    return ", ".join(cls.model_fields)


def _unknown_field(name: str, cls: type[BaseModel] | None) -> tuple[str, str]:
    fields = list(cls.model_fields) if cls else []
    near = difflib.get_close_matches(name.replace("-", "_").lower(), fields, n=1, cutoff=0.55)
    hint = f"Did you mean `{near[0]}`?" if near else f"It may be one of: {', '.join(fields)}."
    return "There is no such field.", hint


def _class_at(model: type[BaseModel], loc: list[Any]) -> type[BaseModel] | None:
    """The model class that stands at a path, through dicts keyed by names."""
    current: Any = model
    for part in loc:
        if get_origin(current) is dict:
            current = get_args(current)[1]
        elif found := model_in(current):
            field = found.model_fields.get(str(part))
            current = field.annotation if field else None
    return None if get_origin(current) is dict else model_in(current)


def model_in(annotation: Any) -> type[BaseModel] | None:
    """The spec class inside an annotation such as `Queue | None` or `dict[Name, Pool]`, if there is one."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for arg in get_args(annotation) if (found := model_in(arg))), None)


def _users_line() -> str:
    frame = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if not name.startswith((_HERE, *_OTHERS)):
            if name.startswith(_STANDARD) or name.endswith("_pytest/python.py"):
                return ""
            return f" ({Path(name).name}, line {frame.f_lineno})"
        frame = frame.f_back  # type: ignore[assignment]
    return ""
