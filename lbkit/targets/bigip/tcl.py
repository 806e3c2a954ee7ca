"""The little Tcl that a listener's rule is written in. User's words get in as quoted text only."""

from __future__ import annotations

import re
from collections.abc import Iterable

_SPECIAL = re.compile(r'([\\"$\[\]{};])')
_CONTROL = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def quoted(text: str) -> str:
    """A Tcl word that is exactly this text."""
    return '"' + escaped(text) + '"'


def escaped(text: str) -> str:
    """The text as it must stand between double quotes."""
    return "".join(_CONTROL.get(char, char) for char in _SPECIAL.sub(r"\\\1", text))


def within(command: str, ranges: Iterable[str]) -> str:
    """An expression: the address is in one of the ranges."""
    return "(" + " || ".join(f"[IP::addr [{command}] equals {item}]" for item in ranges) + ")"


def event(name: str, lines: Iterable[str]) -> str:
    """What happens at an event."""
    return "\n".join([f"when {name} {{", *(f"    {line}" for line in lines), "}"])
