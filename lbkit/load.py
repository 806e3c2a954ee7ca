"""A spec from a file: YAML, JSON, or a Python file that defines one. Errors name the line of the file.

A key that stands twice is an error: YAML's own readers would silently keep the last one.
"""

from __future__ import annotations

import re
import runpy
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from lbkit import program
from lbkit.errors import LbkitError, OperationError, Problem, SpecError, of_system
from lbkit.spec import Spec
from lbkit.spec.base import join
from lbkit.unreadable import of_yaml

_NUMBER = re.compile(r"tag:yaml.org,2002:(int|float)")
_READ_OTHERWISE = re.compile(r"[-+]?0[0-7_]+|.*:.*")
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Where libyaml is there, five times as fast."""


def load(path: Path) -> Spec:
    """The spec in a file. Raises SpecError or OperationError."""
    if path.suffix == ".py":
        return _from_python(path)
    data, lines = read(path)
    try:
        return Spec.load(data)
    except SpecError as error:
        raise at_lines(error, path, lines) from None


def read(path: Path) -> tuple[dict[str, Any], dict[str, int]]:
    """The data of a YAML or JSON file, and the line of every path in it. Raises OperationError."""
    lines: dict[str, int] = {}
    try:
        text = path.read_text()
        tree = yaml.compose(text, LOADER)
        data = LOADER("").construct_document(tree) if tree else None
        twice, odd = list(_lines(tree, "", lines)), list(_odd(tree, path))
    except OSError as error:
        raise OperationError("The spec can't be read", [of_system(path, error)]) from None
    except RecursionError:
        raise _too_deep(path) from None
    except (yaml.YAMLError, ValueError, KeyError, AttributeError) as error:  # the last three: values that are none
        if "nesting depth" in str(error):
            raise _too_deep(path) from None
        raise OperationError("The spec can't be read", [of_yaml(path, error)]) from None
    if odd:
        raise OperationError("The spec can't be read", odd)
    if twice:
        found = [Problem(f"{path}:{n}", f"`{key}` stands twice.", "Keep one of them.") for key, n in twice]
        raise OperationError("The spec can't be read", found)
    if not isinstance(data, dict):
        raise OperationError(
            "The spec can't be read", [Problem(str(path), "It holds no mapping.", "Begin with `pools:`.")]
        )
    return data, lines


def _too_deep(path: Path) -> OperationError:
    problem = Problem(
        str(path), "It is nested too deeply.", "A spec has ten levels at most; look for a bracket too many."
    )
    return OperationError("The spec can't be read", [problem])


def at_lines(error: SpecError, path: Path, lines: dict[str, int]) -> SpecError:
    """The same problems, each led by file and line."""
    problems = []
    for problem in error.problems:
        line = line_of(problem.path, lines)
        problems.append(Problem(f"{path}:{line}: {problem.path}", problem.reason, problem.remedy, problem.value))
    return SpecError("The spec is not right", problems)


def line_of(path: str, lines: dict[str, int]) -> int:
    """The line of a path, or of the nearest thing that holds it."""
    return next((lines[at] for at in _upward(path) if at in lines), 1)


def _from_python(path: Path) -> Spec:
    try:
        path.open().close()
    except OSError as error:
        raise OperationError("The spec can't be read", [of_system(path, error)]) from None
    try:
        defined = program.defined_by(path) if program.is_program(path) else runpy.run_path(str(path))
    except LbkitError:
        raise
    except (Exception, SystemExit) as error:
        problem = Problem(
            _where(path, error), f"{type(error).__name__}: {error}.", "Mend that: the file is run for its spec."
        )
        raise OperationError("The spec can't be read", [problem]) from None
    found = [value for value in defined.values() if isinstance(value, Spec)]
    if len(found) != 1:
        reason = f"It defines {len(found)} objects of class Spec."
        raise OperationError("The spec can't be read", [Problem(str(path), reason, "Define one, at the top level.")])
    return found[0]


def _where(path: Path, error: BaseException) -> str:
    """The line of the user's file that raised it."""
    if isinstance(error, SyntaxError):
        return f"{path}:{error.lineno}" if error.lineno else str(path)
    lines = [line for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == str(path)]
    return f"{path}:{lines[-1]}" if lines else str(path)


def _lines(node: yaml.Node | None, path: str, lines: dict[str, int], been: set[int] | None = None) -> Any:
    """Fill `lines`; yield (path, line) of keys that stand twice. What an alias repeats is not looked at again."""
    been = set() if been is None else been
    if not isinstance(node, yaml.MappingNode) or id(node) in been:
        return
    been.add(id(node))
    seen = set()
    for key, value in node.value:
        at = join(path, key.value)
        if at in seen:
            yield at, key.start_mark.line + 1
        seen.add(at)
        lines[at] = key.start_mark.line + 1
        yield from _lines(value, at, lines, been)


def _odd(node: yaml.Node | None, path: Path, been: set[int] | None = None) -> Iterator[Problem]:
    """Numbers that YAML 1.1 reads as others than they look: 010 is 8, and 22:22 is 1342."""
    been = set() if been is None else been
    if node is None or id(node) in been:
        return
    been.add(id(node))
    if isinstance(node, yaml.ScalarNode) and _NUMBER.match(node.tag) and _READ_OTHERWISE.fullmatch(node.value):
        where = f"{path}:{node.start_mark.line + 1}"
        yield Problem(where, "YAML reads this as another number.", "Write it in plain digits, or put it into quotes.",
                      node.value)  # fmt: skip
    inner = node.value if isinstance(node, yaml.CollectionNode) else []
    for part in (part for item in inner for part in (item if isinstance(item, tuple) else (item,))):
        yield from _odd(part, path, been)


def _upward(path: str) -> list[str]:
    parts = path.split(".")
    return [".".join(parts[:end]) for end in range(len(parts), 0, -1)]
