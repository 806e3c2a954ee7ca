"""`Input[T]`: a leaf that is known now, or arrives later as a Pulumi Output.

The type's checks stay in force for late values: they run when the value arrives, and the resource that
needs the value waits for them. Pulumi is never imported: an Output can exist only if somebody loaded it.
A late value may be secret, so no error shows it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, Union, get_args
from weakref import WeakKeyDictionary

from pydantic import BaseModel, GetCoreSchemaHandler, ValidationError, ValidationInfo
from pydantic_core import CoreSchema, SchemaValidator, core_schema

from lbkit.errors import Belated, Problem
from lbkit.spec.wording import worded

T = TypeVar("T")


def is_output(value: object) -> bool:
    """Whether the value is a `pulumi.Output`, without importing Pulumi."""
    module = sys.modules.get("pulumi.output")
    return module is not None and isinstance(value, module.Output)


class _Arrival:
    """The check of a late value. Where the value stands in the user's spec is known later than the check."""

    def __init__(self, value: Any, check: Callable[[Any], Any], path: str) -> None:
        self.check, self.path, self.before = check, path, _arrivals.get(value)
        self.origin: Any = self.before.origin if self.before else value

    def __call__(self, known: Any) -> Any:
        try:
            return self.check(known)
        except Belated as error:
            raise Belated(*(Problem(_joined(self.path, p.path), p.reason, p.remedy) for p in error.problems)) from None


_arrivals: WeakKeyDictionary[Any, _Arrival] = WeakKeyDictionary()


def arriving(value: Any, check: Callable[[Any], Any], path: str = "") -> Any:
    """The late value, checked when it is there. The check returns it or raises Belated, with paths from `path` on."""
    arrival = _Arrival(value, check, path)
    late = value.apply(arrival)
    _arrivals[late] = arrival
    return late


def origin(value: Any) -> Any:
    """The program's own Output that a checked one came from: one and the same, however many fields it was given to."""
    arrival = _arrivals.get(value) if is_output(value) else None
    return value if arrival is None else arrival.origin


def located(value: Any, path: str) -> None:
    """Tell the checks of all late values in a spec or placement where they stand."""
    if is_output(value):
        arrival = _arrivals.get(value)
        while arrival is not None:
            arrival.path, arrival = path, arrival.before
    for step, inner in _inside(value):
        located(inner, _joined(path, step))


def _inside(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, BaseModel):
        yield from ((name, getattr(value, name)) for name in type(value).model_fields)
    elif isinstance(value, dict):
        yield from ((str(key), item) for key, item in value.items())
    elif isinstance(value, list):
        yield from ((str(index), item) for index, item in enumerate(value))


def _joined(*parts: str) -> str:
    return ".".join(part for part in parts if part)


class _Later:
    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        checker = SchemaValidator(schema)

        def arrived(value: Any) -> Any:
            try:
                return checker.validate_python(value)
            except ValidationError as error:
                found = error.errors(include_input=False, include_url=False)
            raise Belated(*(Problem(_joined(*map(str, detail["loc"])), *worded(detail)) for detail in found))

        def wrap(value: Any, check: core_schema.ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
            return arriving(value, arrived, info.field_name or "") if is_output(value) else check(value)

        return core_schema.with_info_wrap_validator_function(
            wrap, schema, serialization=core_schema.plain_serializer_function_ser_schema(lambda value: value)
        )


def may_be_late(annotation: Any) -> bool:
    """Whether a type, written with its extras, is `Input[...]`."""
    return any(isinstance(extra, _Later) for extra in getattr(annotation, "__metadata__", ()))


def takes_late(annotation: Any) -> bool:
    """Whether a type is `Input[...]`, or holds entries that are."""
    return may_be_late(annotation) or any(takes_late(inner) for inner in get_args(annotation))


TOO_LATE = "This value arrives during the deployment only, and it decides which resources exist."


def instead_of_late(annotation: Any) -> str:
    """What to give where an Output can't be taken."""
    entries = takes_late(annotation)
    return "Give a plain list or mapping here; its entries may be late." if entries else "Give a plain value here."


if TYPE_CHECKING:
    import pulumi

    Input = Union[T, "pulumi.Output[T]"]  # noqa: UP007  the name is a string here
    Inputs = Sequence[Input[T]]  # for mypy a list[str] is one too
    InputMap = Mapping[str, Input[T]]
else:

    class Input:
        def __class_getitem__(cls, item: Any) -> Any:
            return Annotated[item, _Later()]

    class Inputs:
        def __class_getitem__(cls, item: Any) -> Any:
            return list[Input[item]]

    class InputMap:
        def __class_getitem__(cls, item: Any) -> Any:
            return dict[str, Input[item]]
