"""Which field works where: a table made from the targets' gaps."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from lbkit.fields import leaves
from lbkit.spec.base import shown
from lbkit.spec.gaps import Bounds, Choices, Gap, Rule
from lbkit.targets.base import Target

HOMES = {
    "aws": ("lbkit.targets.aws", "Alb"),
    "aws-nlb": ("lbkit.targets.aws", "Nlb"),
    "bigip": ("lbkit.targets.bigip", "Ltm"),
    "native": ("lbkit.targets.native", "Native"),
}


def target_class(target: str) -> type[Target]:
    """A target's class by its short name."""
    module, name = HOMES[target]
    found: type[Target] = getattr(import_module(module), name)
    return found


def gaps_of(target: str) -> tuple[str, Mapping[str, Rule]]:
    """Title and gaps of a target by its short name."""
    found = target_class(target)
    return found.title, found.gaps


def works(target: str, path: str, default: Any = None) -> str:
    """`yes`, `partly` (some values) or `no` (its default at most), for a leaf of the schema."""
    gaps = gaps_of(target)[1]
    parts = path.split(".")
    above = [".".join(parts[:end]) for end in range(1, len(parts) + 1)]
    if any(isinstance(gaps.get(at), Gap) for at in above):
        return "no"
    rule = gaps.get(path)
    if isinstance(rule, Choices) and rule.allowed == (default,):
        return "no"
    return "partly" if rule else "yes"


def text() -> str:
    """For a terminal."""
    lines = [f"{path:<44} " + " ".join(f"{cell:<8}" for cell in cells).rstrip() for path, *cells in _matrix()]
    lines.append("")
    for target in HOMES:
        title, gaps = gaps_of(target)
        lines.append(f"{title} can't do, or not fully:")
        lines += [f"  {path:<44} {_said(rule)}" for path, rule in sorted(gaps.items())]
        lines.append("")
    return "\n".join(lines)


def markdown() -> str:
    """The page docs/targets.md."""
    lines = [
        "# Which field works where",
        "",
        "Made by `make targets` from the targets' own gaps. `*` stands for a name of yours; *partly*: some values; *no*: refused",
        "before any resource exists, unless it says what the home does anyway. The reasons are below.",
        "Rules that need several fields at once are not in these tables; their errors name the path as well.",
        "`lbkit check FILE --target NAME` says all of it for a spec of yours.",
        "",
        f"| field | {' | '.join(gaps_of(home)[0] for home in HOMES)} |",
        f"|---|{'---|' * len(HOMES)}",
    ]
    lines += [f"| `{path}` | {' | '.join(cells)} |" for path, *cells in _matrix()[1:]]
    for target in HOMES:
        title, gaps = gaps_of(target)
        lines += ["", f"## What {title} can't do", "", "| field | what is refused, and why |", "|---|---|"]
        lines += [f"| `{path}` | {_said(rule)} |" for path, rule in sorted(gaps.items())]
    return "\n".join([*lines, ""])


def _matrix() -> list[list[str]]:
    """A row for each leaf; the first row says what the others hold."""
    rows = [["field", *HOMES]]
    for path, field in leaves():
        default = None if field.is_required() else field.get_default(call_default_factory=True)
        rows.append([path, *(works(home, path, default) for home in HOMES)])
    return rows


def _said(rule: Rule) -> str:
    if isinstance(rule, Choices):
        allowed = ", ".join("unset" if value is None else shown(value).strip("'") for value in rule.allowed)
        return f"Only {allowed}. {rule.reason}"
    if isinstance(rule, Bounds):
        return f"Only {'whole numbers ' if rule.whole else ''}from {rule.low:g} to {rule.high:g}. {rule.reason}".strip()
    return rule.reason
