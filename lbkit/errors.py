"""Every mistake is a Problem: the path in the user's spec, the value, why it can't be, what to do instead.

Problems are collected and raised together, before anything changes.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self


@dataclass(slots=True)
class Problem:
    """One mistake. `value` is the text shown after the path; empty when there is none or it must not be shown."""

    path: str
    reason: str
    remedy: str = ""
    value: str = ""

    def __str__(self) -> str:
        path = self.path or "(all of it)"
        head = f"  {path} = {self.value}" if self.value else f"  {path}"
        return "\n".join([head, *(f"      {line}" for line in (self.reason, self.remedy) if line)])


_REMEDIES = {
    errno.EACCES: "Give this user the right to it.",
    errno.EPERM: "Give this user the right to it.",
    errno.EISDIR: "Name a file; this is a folder.",
    errno.ENOTDIR: "Name a folder where one is meant; a part of the path is a file.",
    errno.ENAMETOOLONG: "Give a shorter one.",
    errno.ENOSPC: "Make room, or name another place.",
    errno.EROFS: "Name another place.",
    errno.EADDRNOTAVAIL: "Name an address of this machine.",
    errno.EADDRINUSE: "Name another port, or end who has it.",
}


def of_system(path: object, error: OSError, value: str = "") -> Problem:
    """What the system said of a file or an address."""
    place = value or path
    remedy = _REMEDIES.get(error.errno or 0, f"Look at the spelling: that is {Path(str(place)).absolute()}.")
    return Problem(str(path), f"{error.strerror or error}.", remedy, value)


class LbkitError(Exception):
    """A mistake that a person can mend: a title and the problems below it.

    When Pulumi is loaded it is a `pulumi.RunError` too: the CLI prints such an error's message alone,
    and every other exception with a stack trace.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        run_error = getattr(sys.modules.get("pulumi"), "RunError", None)
        if run_error is not None and not issubclass(cls, run_error):
            cls = _as_run_error(cls, run_error)
        return super().__new__(cls, *args)

    def __init__(self, title: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__("\n".join([title, *map(str, problems)]))
        self.title = title
        self.problems = list(problems)


_run_errors: dict[Any, Any] = {}


def _as_run_error(cls: Any, run_error: type[Exception]) -> Any:
    if cls not in _run_errors:
        _run_errors[cls] = type(cls.__name__, (cls, run_error), {"__module__": cls.__module__})
    return _run_errors[cls]


class SpecError(LbkitError, ValueError):
    """The spec contradicts itself or is not written as it must be, whatever the target."""


class Unsupported(LbkitError):
    """The spec is right, but the chosen target can't do all of it."""


class Belated(LbkitError):
    """A value that another resource had is not right. No ValueError: Pulumi takes those for its own, and prints all of a
    resource's inputs and a stack trace with them."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("A value that came late is not right", problems)


class OperationError(LbkitError):
    """Something on this machine or on the network stands in the way: a port, a process, a socket."""
