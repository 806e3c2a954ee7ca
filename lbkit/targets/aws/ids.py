"""Ids as AWS makes them; the placeholders of tutorials are refused (AW-14)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator

_ID = re.compile(r"[a-z]+-([0-9a-f]{8}|[0-9a-f]{17})")
_COUNTING = ("12345678", "98765432", "23456789")


def placeholder(value: str) -> bool:
    """Whether an id is made of counting digits, such as ami-1234567890abcdef0 or sg-123456."""
    digits = value.partition("-")[2]
    return digits == "123456" or any(run in digits for run in _COUNTING)


def well_formed(value: str, kind: str) -> bool:
    """Whether a value has the form of an id of this kind, such as `ami`."""
    return bool(_ID.fullmatch(value)) and value.startswith(f"{kind}-")


def _real(kind: str) -> Callable[[str], str]:
    def check(value: str) -> str:
        if placeholder(value):
            raise ValueError("This is a placeholder from an example, not an id of yours.")
        if not well_formed(value, kind):
            raise ValueError(f"An id of AWS is wanted: '{kind}-' and 8 or 17 hexadecimal digits.")
        return value

    return check


VpcId = Annotated[str, AfterValidator(_real("vpc"))]
SubnetId = Annotated[str, AfterValidator(_real("subnet"))]
