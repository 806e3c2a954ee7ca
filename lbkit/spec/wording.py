"""pydantic's findings in words for people. None of its own reaches a user; a test drives every kind through every class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic_core import ErrorDetails

_KINDS = {
    "missing": "This field is required.",
    "list_type": "A list is wanted here.",
    "finite_number": "A finite number is wanted.",
    "literal_error": "It must be {expected}.",
    "greater_than_equal": "It must be at least {ge}.",
    "greater_than": "It must be above {gt}.",
    "less_than_equal": "It must be at most {le}.",
    "string_too_long": "It must have at most {max_length} characters.",
    "too_long": "At most {max_length} may be given, and there are {actual_length}.",
    "too_short": "At least {min_length} must be given, and there are {actual_length}.",
}
_FAMILIES = {
    "string": "A text is wanted here.",
    "int": "A whole number is wanted.",
    "float": "A number is wanted.",
    "bool": "It must be true or false.",
    "dict": "A mapping keyed by names is wanted here, such as {'a': ...}.",
    "invalid": "A name is wanted here, as text.",
}
"""By the first word of a kind, such as `int_parsing`."""


def worded(detail: ErrorDetails) -> str:
    """Why a value can't be."""
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "value_error":
        message = detail["msg"].removeprefix("Value error, ")
        return message if message.endswith((".", "?")) else message + "."
    if kind in ("string_too_short", "too_short") and context["min_length"] == 1:
        return "It must not be empty."
    if kind == "too_short" and context["actual_length"] == 1:
        return f"At least {context['min_length']} must be given, and there is one."
    if kind in _KINDS:
        return _KINDS[kind].format(**_numbers(context))
    return _FAMILIES.get(kind.partition("_")[0], "This is not what is wanted here.")


def _numbers(context: Mapping[str, Any]) -> dict[str, Any]:
    """Without the fraction that is none."""
    return {key: int(value) if isinstance(value, float) else value for key, value in context.items()}
