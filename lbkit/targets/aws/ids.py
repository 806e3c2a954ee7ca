"""Ids as AWS makes them; the placeholders of tutorials are refused (AW-14)."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

_ID = re.compile(r"[a-z]+-([0-9a-f]{8}|[0-9a-f]{17})")
_COUNTING = ("12345678", "98765432", "23456789")


def placeholder(value: str) -> bool:
    """Whether an id is made of counting digits, such as ami-1234567890abcdef0 or sg-123456."""
    digits = value.partition("-")[2]
    return digits == "123456" or any(run in digits for run in _COUNTING)


def _real(value: str) -> str:
    if placeholder(value):
        raise ValueError("This is a placeholder from an example, not an id of yours.")
    if not _ID.fullmatch(value):
        raise ValueError("An id of AWS is its kind, '-' and 8 or 17 hexadecimal digits.")
    return value


Id = Annotated[str, AfterValidator(_real)]
