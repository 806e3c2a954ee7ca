"""The little Tcl that a listener's rule is written in. User's words get in as quoted text only."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

_SPECIAL = re.compile(r'([\\"$\[\]{};])')
_CONTROL = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def quoted(text: str) -> str:
    """A Tcl word that is exactly this text."""
    return '"' + escaped(text) + '"'


def escaped(text: str) -> str:
    """The text as it must stand between double quotes."""
    return "".join(_CONTROL.get(char, char) for char in _SPECIAL.sub(r"\\\1", text))


def within(command: str, ranges: Iterable[Any]) -> Iterator[Any]:
    """An expression in parts, for a range may be late: the address is in one of the ranges."""
    for index, item in enumerate(ranges):
        yield from (f"{' || ' if index else '('}[IP::addr [{command}] equals ", item, "]")
    yield ")"


def event(name: str, lines: Iterable[str]) -> str:
    """What happens at an event."""
    return "\n".join([f"when {name} {{", *(f"    {line}" for line in lines), "}"])
