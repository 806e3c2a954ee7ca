"""Which field works where: a table made from the targets' gaps."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from lbkit.spec.base import shown
from lbkit.spec.gaps import Bounds, Choices, Rule
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


def text() -> str:
    """For a terminal."""
    lines = []
    for target in HOMES:
        title, gaps = gaps_of(target)
        lines.append(f"{title} can't do, or not fully:")
        lines += [f"  {path:<44} {_said(rule)}" for path, rule in sorted(gaps.items())]
        lines.append("")
    return "\n".join(lines)


def markdown() -> str:
    """The page docs/targets.md."""
    lines = [
        "# What each home can't do",
        "",
        "Made by `make targets` from the targets' own gaps. `*` stands for a name of yours. A field that is not listed works.",
        "A spec that asks for something listed is refused before any resource exists.",
        "Rules that need several fields at once are not in this table; their errors name the path as well.",
    ]
    for target in HOMES:
        title, gaps = gaps_of(target)
        lines += ["", f"## {title}", "", "| field | what is refused, and why |", "|---|---|"]
        lines += [f"| `{path}` | {_said(rule)} |" for path, rule in sorted(gaps.items())]
    return "\n".join([*lines, ""])


def _said(rule: Rule) -> str:
    if isinstance(rule, Choices):
        allowed = ", ".join("unset" if value is None else shown(value).strip("'") for value in rule.allowed)
        return f"Only {allowed}. {rule.reason}"
    if isinstance(rule, Bounds):
        return f"Only {'whole numbers ' if rule.whole else ''}from {rule.low:g} to {rule.high:g}. {rule.reason}".strip()
    return rule.reason
