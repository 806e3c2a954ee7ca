"""pydantic's findings in words for people: why a value can't be, and what to do. None of its own reaches a user; a test
drives every kind through every class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic_core import ErrorDetails

_KINDS = {
    "missing": "This field is required.\nAdd it: it has no default.",
    "list_type": "A list is wanted here.\nPut it into brackets, even if it is one: [...].",
    "finite_number": "A finite number is wanted.\nGive one with digits, such as 5.",
    "literal_error": "This is none of the choices.\nGive {expected}.",
    "greater_than_equal": "This is too small.\nAt least {ge}.",
    "greater_than": "This is too small.\nAbove {gt}.",
    "less_than_equal": "This is too large.\nAt most {le}.",
    "string_too_long": "This is too long.\nAt most {max_length} characters.",
    "too_long": "At most {max_length} may be given, and there are {actual_length}.\nLeave some out.",
    "too_short": "At least {min_length} must be given, and there are {actual_length}.\nAdd what is missing.",
}
_FAMILIES = {
    "string": "A text is wanted here.\nGive one, in quotes.",
    "int": "A whole number is wanted.\nGive one without a fraction, such as 5.",
    "float": "A number is wanted.\nGive one such as 5 or 2.5.",
    "bool": "It must be true or false.\nGive true or false, without quotes.",
    "dict": "A mapping keyed by names is wanted here.\nGive each entry a name: {'a': ...}.",
    "invalid": "A name is wanted here, as text.\nPut it into quotes.",
}
"""By the first word of a kind, such as `int_parsing`."""


def worded(detail: ErrorDetails) -> tuple[str, str]:
    """Why a value can't be, and the remedy. A validator's own text has them on two lines."""
    reason, _, remedy = _text(detail["type"], detail.get("ctx", {}), detail["msg"]).partition("\n")
    return reason if reason.endswith((".", "?")) else reason + ".", remedy


def _text(kind: str, context: Mapping[str, Any], message: str) -> str:
    if kind == "value_error":
        return message.removeprefix("Value error, ")
    if kind in ("string_too_short", "too_short") and context["min_length"] == 1:
        return f"It must not be empty.\nGive at least one{' character' if kind == 'string_too_short' else ''}."
    if kind == "too_short" and context["actual_length"] == 1:
        return f"At least {context['min_length']} must be given, and there is one.\nAdd what is missing."
    if kind in _KINDS:
        return _KINDS[kind].format(**_numbers(context))
    return _FAMILIES.get(kind.partition("_")[0], "This is not what is wanted here.")


def _numbers(context: Mapping[str, Any]) -> dict[str, Any]:
    """Without the fraction that is none."""
    return {key: int(value) if isinstance(value, float) else value for key, value in context.items()}
