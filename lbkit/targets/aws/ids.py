"""Ids as AWS makes them; the placeholders of tutorials are refused (AW-14)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator

from lbkit.spec.values import matching

_ID = re.compile(r"[a-z]+-([0-9a-f]{8}|[0-9a-f]{17})")
_ARN = re.compile(r"arn:aws[a-z-]*:([a-z0-9-]+):[a-z0-9-]*:(\d{12}):(\S+)")
_COUNTING = ("12345678", "98765432", "23456789")


def placeholder(value: str) -> bool:
    """Whether an id is made of counting digits, such as ami-1234567890abcdef0 or sg-123456."""
    digits = value.partition("-")[2]
    return digits == "123456" or any(run in digits for run in _COUNTING)


def well_formed(value: str, kind: str) -> bool:
    """Whether a value has the form of an id of this kind, such as `ami`."""
    return bool(_ID.fullmatch(value)) and value.startswith(f"{kind}-")


def arn_of(value: str, service: str, resource: str) -> bool:
    """Whether a value is the ARN of such a resource, such as `acm` and `certificate/`."""
    found = _ARN.fullmatch(value)
    return bool(found) and found[1] == service and found[3].startswith(resource)  # type: ignore[index]


def _real(kind: str) -> Callable[[str], str]:
    def check(value: str) -> str:
        if placeholder(value):
            raise ValueError("This is a placeholder from an example.\nGive an id of yours.")
        if not well_formed(value, kind):
            raise ValueError(f"This is no such id of AWS.\nGive '{kind}-' and 8 or 17 hexadecimal digits.")
        return value

    return check


def _bucket(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", value):
        raise ValueError(
            "This is no bucket's name.\nGive 3 to 63 small letters, digits, '.' and '-', no s3:// before it."
        )
    return value


def _grpc(value: str) -> str:
    codes = (
        [int(code) for part in value.split(",") for code in part.split("-")]
        if re.fullmatch(r"[\d,-]+\d", f"0{value}")
        else [100]
    )
    if not all(0 <= code <= 99 for code in codes):
        raise ValueError("These are no codes of gRPC.\nGive some from 0 to 99, such as '0' or '0-12'.")
    return value


VpcId = Annotated[str, AfterValidator(_real("vpc"))]
SubnetId = Annotated[str, AfterValidator(_real("subnet"))]
GroupId = Annotated[str, AfterValidator(_real("sg"))]
AllocationId = Annotated[str, AfterValidator(_real("eipalloc"))]
ReservationId = Annotated[str, AfterValidator(_real("cr"))]
Bucket = Annotated[str, AfterValidator(_bucket)]
Folder = Annotated[
    str, AfterValidator(matching(r"([^/](.*[^/])?)?", "A folder has no '/' at its ends.\nWrite it such as logs/web."))
]
GrpcCodes = Annotated[str, AfterValidator(_grpc)]
