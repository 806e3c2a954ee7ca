"""Header fields: one strict reading, shared by requests, answers and trailers (RFC 9110 section 5, RFC 9112 section 5).

Refused: obs-fold, a blank before the colon, bare CR or LF, NUL and other control characters, empty names.
"""

from __future__ import annotations

import re

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
FIELDS = rb"(?:" + TOKEN + rb":[\t\x20-\x7e\x80-\xff]*\r\n)*"
_IS_FIELDS = re.compile(FIELDS)

Field = tuple[bytes, bytes, bytes]
"""(name as received, name in lower case, value without blanks at its ends)"""

HOP_BY_HOP = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade")
)  # RFC 9110 section 7.6.1


def split(block: bytes) -> list[Field]:
    """The fields of a block that matched FIELDS."""
    fields = []
    for line in block.split(b"\r\n"):
        if line:
            name, _, value = line.partition(b":")
            fields.append((name, name.lower(), value.strip(b" \t")))
    return fields


def valid(block: bytes) -> bool:
    """Whether a block of lines, each with its CRLF, is nothing but fields."""
    return _IS_FIELDS.fullmatch(block) is not None


def tokens(value: bytes) -> list[bytes]:
    """The members of a comma list in lower case; empty ones are skipped."""
    return [part for raw in value.split(b",") if (part := raw.strip(b" \t").lower())]


def end_to_end(fields: list[Field], drop: frozenset[bytes]) -> list[bytes]:
    """Lines to pass on: without hop-by-hop fields, without those that Connection nominates, without `drop`."""
    nominated = {token for _, lower, value in fields if lower == b"connection" for token in tokens(value)}
    without = HOP_BY_HOP | drop | (nominated - {b"close", b"keep-alive"})
    return [name + b": " + value + b"\r\n" for name, lower, value in fields if lower not in without]
