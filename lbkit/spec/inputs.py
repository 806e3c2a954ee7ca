"""`Input[T]`: a leaf that is known now, or arrives later as a Pulumi Output.

The type's checks stay in force for late values: they run when the value arrives, and the resource that
needs the value waits for them. Pulumi is never imported: an Output can exist only if somebody loaded it.
A late value may be secret, so no error shows it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, Union
from weakref import WeakKeyDictionary

from pydantic import GetCoreSchemaHandler, ValidationError, ValidationInfo
from pydantic_core import CoreSchema, SchemaValidator, core_schema

from lbkit.errors import Belated, Problem

T = TypeVar("T")


def is_output(value: object) -> bool:
    """Whether the value is a `pulumi.Output`, without importing Pulumi."""
    module = sys.modules.get("pulumi.output")
    return module is not None and isinstance(value, module.Output)


_origins: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()


def origin(value: Any) -> Any:
    """The program's own Output that a checked one came from: one and the same, however many fields it was given to."""
    return _origins.get(value, value)


def checked(value: Any, check: Callable[[Any], Any]) -> Any:
    """A late value that is checked when it arrives."""
    late = value.apply(check)
    _origins[late] = origin(value)
    return late


class _Later:
    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        checker = SchemaValidator(schema)

        def arrived(value: Any, field: str | None) -> Any:
            try:
                return checker.validate_python(value)
            except ValidationError as error:
                reason = error.errors(include_input=False, include_url=False)[0]["msg"]
            problem = Problem(field or "", reason.removeprefix("Value error, "))
            raise Belated(problem)

        def wrap(value: Any, check: core_schema.ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
            if is_output(value):
                return checked(value, lambda known: arrived(known, info.field_name))
            return check(value)

        return core_schema.with_info_wrap_validator_function(
            wrap, schema, serialization=core_schema.plain_serializer_function_ser_schema(lambda value: value)
        )


def may_be_late(annotation: Any) -> bool:
    """Whether a type, written with its extras, is `Input[...]`."""
    return any(isinstance(extra, _Later) for extra in getattr(annotation, "__metadata__", ()))


if TYPE_CHECKING:
    import pulumi

    Input = Union[T, "pulumi.Output[T]"]  # noqa: UP007  the name is a string here
else:

    class Input:
        def __class_getitem__(cls, item: Any) -> Any:
            return Annotated[item, _Later()]
