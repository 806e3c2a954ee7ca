"""What a field's type is, as far as other languages have a word for it. Types are read with their extras, as written."""

from __future__ import annotations

from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic.fields import FieldInfo

from lbkit.spec.base import Model
from lbkit.spec.inputs import may_be_late


def fields(model: type[Model]) -> Iterator[tuple[str, FieldInfo, Any]]:
    """(name, field, type) of a spec class."""
    hints = get_type_hints(model, include_extras=True)
    for name, field in model.model_fields.items():
        yield name, field, hints[name]


def bare(annotation: Any) -> Any:
    """The type without its extras, and without None where that leaves one choice."""
    if get_origin(annotation) is Annotated:
        return bare(annotation.__origin__)
    given = alternatives(annotation)
    return bare(given[0]) if len(given) == 1 and given[0] is not annotation else annotation


def alternatives(annotation: Any) -> list[Any]:
    """What a program in another language can give: of a union neither None nor an object of Python's."""
    if get_origin(annotation) is Annotated:
        return alternatives(annotation.__origin__)
    return [item for item in _members(annotation) if item not in (NoneType, Any)]


def late(annotation: Any) -> bool:
    """Whether a value may be an Output."""
    if may_be_late(annotation):
        return True
    inner = annotation.__origin__ if get_origin(annotation) is Annotated else annotation
    return any(late(item) for item in _members(inner) if item is not inner)


def takes_objects(annotation: Any) -> bool:
    """Whether Python programs may give an object of another library here."""
    inner = annotation.__origin__ if get_origin(annotation) is Annotated else annotation
    return Any in _members(inner)


def none_means(field: FieldInfo, annotation: Any) -> bool:
    """Whether None says something else than leaving the field out. Null does not travel, so this needs a word."""
    inner = annotation.__origin__ if get_origin(annotation) is Annotated else annotation
    if field.is_required() or NoneType not in _members(inner):
        return False
    return field.get_default(call_default_factory=True) is not None


def is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Model)


def item_of(annotation: Any, container: type) -> Any:
    """The type of a list's or a map's entries; None when it is not one."""
    inner = bare(annotation)
    return get_args(inner)[-1] if get_origin(inner) is container else None


def choices(annotation: Any) -> tuple[Any, ...]:
    """The values of a Literal, else nothing."""
    inner = bare(annotation)
    return get_args(inner) if get_origin(inner) is Literal else ()


def models(annotation: Any) -> Iterator[type[Model]]:
    """The spec classes inside a type."""
    inner = bare(annotation)
    if is_model(inner):
        yield inner
    for argument in get_args(inner):
        if argument is not NoneType and not isinstance(argument, str | int):
            yield from models(argument)


def _members(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
