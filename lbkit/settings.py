"""A Pulumi program's configuration, of which nothing is ignored: a key that the program does not know is refused, with a
suggestion. Pulumi itself says what is missing.

Known are the keys of the `config:` block in the program's Pulumi.yaml, and the optional ones that the program names.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pulumi
import yaml
from pulumi.runtime import config as given

from lbkit.errors import Problem, SpecError


class Settings(pulumi.Config):
    """Like `pulumi.Config()`. `project` is the program's Pulumi.yaml. Raises SpecError, naming every unknown key."""

    def __init__(self, project: Path, *optional: str) -> None:
        super().__init__()
        block = yaml.safe_load(project.read_text()).get("config", {})
        known = [key.rpartition(":")[2] for key in block] + list(optional)
        if problems := list(_unknown(self.name, known)):
            raise SpecError("The configuration is not right", problems)


def _unknown(name: str, known: Iterable[str]) -> Iterator[Problem]:
    small = {key.lower(): key for key in known}
    for full in sorted({*given.CONFIG.get(), *given.get_config_env()}):
        namespace, _, key = full.partition(":")
        if namespace != name or key in small.values():
            continue
        near = difflib.get_close_matches(key.replace("_", "").replace("-", "").lower(), small, n=1, cutoff=0.6)
        hint = f"Did you mean `{small[near[0]]}`?" if near else f"It may be one of: {', '.join(small.values())}."
        yield Problem(full, "This program has no such setting.", f"{hint} `pulumi config rm {key}` takes this one out.")
