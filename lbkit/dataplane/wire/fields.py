"""Header fields: one strict reading, shared by requests, answers and trailers (RFC 9110 section 5, RFC 9112 section 5).

Refused: obs-fold, a blank before the colon, bare CR or LF, NUL and other control characters, empty names.
"""

from __future__ import annotations

import re
from collections.abc import Collection

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
VALUE = rb"[\t\x20-\x7e\x80-\xff]*+"
FIELDS = rb"(?:" + TOKEN + rb":" + VALUE + rb"\r\n)*+"
_IS_FIELDS = re.compile(FIELDS)

HOP_BY_HOP = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade")
)  # RFC 9110 section 7.6.1

Found = dict[bytes, bytes]
"""Values by lower-case name. Several lines of one name are joined by commas (RFC 9110 section 5.3), so that a field
which may appear once only fails its own grammar when it appears twice."""


def sort(block: bytes, watched: Collection[bytes], removed: Collection[bytes]) -> tuple[list[bytes], Found]:
    """The lines to pass on and the watched values, of a block that matched FIELDS.

    Removed fields are not passed on, nor those that Connection nominates. What is removed must be watched.
    """
    lines: list[bytes] = []
    found: Found = {}
    for line in block[:-2].split(b"\r\n") if block else ():
        name, _, value = line.partition(b":")
        name = name.lower()
        if name in watched:
            found[name] = found[name] + b"," + value if name in found else value
            if name in removed:
                continue
        lines.append(line)
    if b"connection" in found and found[b"connection"] not in _USUAL:
        lines = _without_nominated(lines, tokens(found[b"connection"]))
    return lines, found


_USUAL = frozenset((b" keep-alive", b" close", b" Keep-Alive", b" Close", b"keep-alive", b"close"))


def _without_nominated(lines: list[bytes], nominated: list[bytes]) -> list[bytes]:
    names = {name + b":" for name in nominated}
    return [line for line in lines if line[: line.index(b":") + 1].lower() not in names]


def value(lines: list[bytes], name: bytes) -> bytes | None:
    """The first value of this lower-case name among lines."""
    start = name + b":"
    found = next((line for line in lines if line[: len(start)].lower() == start), None)
    return None if found is None else found[len(start) :].strip(b" \t")


def valid(block: bytes) -> bool:
    """Whether a block of lines, each with its CRLF, is nothing but fields."""
    return _IS_FIELDS.fullmatch(block) is not None


def tokens(value: bytes) -> list[bytes]:
    """The members of a comma list in lower case; empty ones are skipped."""
    return [part for raw in value.split(b",") if (part := raw.strip(b" \t").lower())]
