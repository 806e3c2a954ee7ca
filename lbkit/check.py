"""`lbkit check`: is a spec right, and can its home do it? A table for people, JSON for CI. Pulumi is not needed.

JSON's keys are stable: further ones may be added, none is renamed or dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from textwrap import wrap
from typing import Any

from lbkit.dataplane.config import BootConfig
from lbkit.errors import OperationError, Problem, SpecError
from lbkit.load import line_of, load, read
from lbkit.spec import Spec
from lbkit.targets.base import problems
from lbkit.targets.table import target_class

WIDTH = 100
_GAP, _INDENT = 2, 2
_MOST = {"line": 5, "path": 32, "value": 14}
_LEAST = 22
_WRONG = {1: "is not right", 2: "can't be read"}


@dataclass(slots=True)
class Found(Problem):
    """A problem, and the line of the file that says so; None where that is not known."""

    line: int | None = None


@dataclass(slots=True)
class Verdict:
    """Of one file and one target. Without a target: what is wrong everywhere."""

    file: str
    status: int
    target: str | None = None
    title: str = ""
    problems: list[Found] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What the target does in place of defaults that were left alone."""
    warnings: list[str] = field(default_factory=list)
    """Legal but dangerous. Those of a placement are said at `pulumi preview`."""

    @property
    def ok(self) -> bool:
        return not self.problems


def judge(path: Path, targets: Sequence[str]) -> Iterator[Verdict]:
    """One verdict for each target, or a single one when the spec itself is wrong. Notes are told of what a target can do."""
    try:
        data, lines = ({}, {}) if path.suffix == ".py" else read(path)
    except OperationError as error:
        yield Verdict(str(path), 2, problems=[_at(problem, {}) for problem in error.problems])
        return
    try:
        spec = _spec(path, data)
    except (SpecError, OperationError) as error:
        status = 1 if isinstance(error, SpecError) else 2
        yield Verdict(str(path), status, problems=[_at(problem, lines) for problem in error.problems])
        return
    inside = "spec." if "spec" in data else ""
    for name in targets:
        yield _verdict(str(path), spec, name, {key.removeprefix(inside): line for key, line in lines.items()})


def document(verdicts: Iterable[Verdict], status: int) -> dict[str, Any]:
    """For CI."""
    return {"ok": status == 0, "checks": [{"ok": verdict.ok, **_plain(verdict)} for verdict in verdicts]}


def text(verdict: Verdict) -> str:
    """For people: at most WIDTH columns, unless a single word is longer."""
    what = verdict.title or "the spec"
    wrong = "can't do what the spec asks" if verdict.target else _WRONG[verdict.status]
    lines = [f"{verdict.file}: {what}{': ok' if verdict.ok else f' {wrong}'}"]
    lines += _table(verdict.problems)
    for kind, notes in (("note", verdict.notes), ("warning", verdict.warnings)):
        for note in notes:
            lines += wrap(f"{kind}: {note}", WIDTH, initial_indent=" " * _INDENT, subsequent_indent=" " * (_INDENT + 2))
    return "\n".join(lines)


def _spec(path: Path, data: dict[str, Any]) -> Spec:
    if path.suffix == ".py":
        return load(path)
    return BootConfig.load(data).spec if "spec" in data else Spec.load(data)


def _verdict(path: str, spec: Spec, name: str, lines: dict[str, int]) -> Verdict:
    home = target_class(name)
    found = [_at(problem, lines) for problem in problems(spec, home)]
    if found:
        return Verdict(path, 1, name, home.title, found)
    return Verdict(path, 0, name, home.title, [], list(home.notes(spec)), list(home.dangers(spec)))


def _at(problem: Problem, lines: dict[str, int]) -> Found:
    line = line_of(problem.path, lines) if lines else None
    return Found(problem.path, problem.reason, problem.remedy, problem.value, line)


def _plain(verdict: Verdict) -> dict[str, Any]:
    found = asdict(verdict)
    del found["status"]
    return found


def _table(found: Sequence[Found]) -> list[str]:
    if not found:
        return []
    head = {"line": "line", "path": "path", "value": "value", "reason": "reason", "remedy": "remedy"}
    rows = [head] + [{key: _cell(getattr(problem, key)) for key in head} for problem in found]
    used = [key for key in head if any(row[key] for row in rows[1:])]
    widths = {key: min(max(len(row[key]) for row in rows), _MOST[key]) for key in used if key in _MOST}
    texts = [key for key in used if key not in _MOST]
    room = WIDTH - _INDENT - sum(widths.values()) - _GAP * (len(used) - 1)
    wanted = {key: max(len(row[key]) for row in rows) for key in texts}
    for key in texts:
        share = max(_LEAST, room * wanted[key] // max(1, sum(wanted.values())))
        widths[key] = min(wanted.pop(key), share if wanted else room)
        room -= widths[key]
    return [line for row in rows for line in _row([(row[key], widths[key]) for key in used])]


def _cell(value: object) -> str:
    return "" if value is None else str(value)


def _row(cells: list[tuple[str, int]]) -> Iterator[str]:
    """Its lines: each cell is folded to its column."""
    folded = [(_fold(cell, width), width) for cell, width in cells]
    for index in range(max(len(lines) for lines, _ in folded)):
        parts = [(lines[index] if index < len(lines) else "").ljust(width) for lines, width in folded]
        yield (" " * _INDENT + (" " * _GAP).join(parts)).rstrip()


def _fold(cell: str, width: int) -> list[str]:
    """Between words; a path after a dot."""
    if " " in cell or len(cell) <= width:
        return wrap(cell, width) or [""]
    lines = [""]
    for part in cell.replace(".", ".\0").split("\0"):
        if lines[-1] and len(lines[-1]) + len(part) > width:
            lines.append("")
        lines[-1] += part
    return [piece for line in lines for piece in wrap(line, width)]
