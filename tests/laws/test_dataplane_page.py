"""docs/dataplane.md says what the code does: commands, configurations, defaults, metrics, fields of the access log."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
import yaml

from lbkit.cli import _parser, main
from lbkit.dataplane.gaps import GAPS
from lbkit.dataplane.shell import journal, openapi
from lbkit.spec import Spec
from lbkit.spec.gaps import asked_too_much
from tests.dataplane.shell.house import run
from tests.dataplane.shell.test_metrics import families, lived
from tests.mocks import ROOT

PAGE = (ROOT / "docs" / "dataplane.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def rows(heading: str) -> list[list[str]]:
    """The first table below a heading."""
    below = PAGE.partition(f"# {heading}\n")[2]
    table = re.search(r"^\|.*?(?=^[^|])", below, re.DOTALL | re.MULTILINE)
    assert table is not None
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[0].splitlines()[2:]]


def words(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


@pytest.mark.parametrize("text", [block for block in blocks("yaml") if block.startswith("pools")])
def test_its_configurations_are_right(text: str):
    assert not list(asked_too_much(Spec.load(yaml.safe_load(text)), GAPS))


def test_its_commands_are_there():
    commands = re.findall(r"^\$ (?:.*; )?\.venv/bin/lbkit (.*)$", PAGE, re.MULTILINE)
    assert len(commands) >= 6
    for command in commands:
        _parser().parse_args(shlex.split(command.removesuffix("&")))
    for option in set(re.findall(r"`(--[a-z-]+)", PAGE)) - {"--now", "--once", "--wait"}:
        with pytest.raises(SystemExit):
            main(["serve", option.split()[0], "--help"])


def test_its_defaults_are_the_specs():
    spec = Spec.load(
        {"pools": {"p": {"port": 1, "limits": {"hard": 1, "queue": {}}, "nodes": {"a": {"address": "10.0.0.1"}}}},
         "listeners": {"l": {"port": 1, "pool": "p"}}}
    )  # fmt: skip
    found = 0
    for _, path, default, _ in rows("Timers"):
        (name,) = words(path)
        value: object = spec.listeners["l"] if path.startswith("listener") else spec.pools["p"]
        for part in name.split("."):
            value = getattr(value, part)
        assert default == (f"{value:g} s" if value is not None else "none"), name
        found += 1
    assert found == 8
    assert f"`limits.connections` clients, {spec.listeners['l'].limits.connections:,}" in PAGE
    assert f"`drain`, {spec.pools['p'].drain:g} s" in PAGE


@run
async def test_it_names_every_metric_with_its_kind_and_labels():
    there: dict[str, tuple[str, set[str]]] = {}
    for name, family in families(await lived()).items():
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        there[f"{name}_total" if family.type == "counter" else name] = (family.type, labels)
    told: dict[str, tuple[str, set[str]]] = {}
    for names, kind, listed, _ in rows("Metrics"):
        only, _, given = listed.rpartition(": ")
        for name in words(names):
            told[name] = (kind, set(filter(None, given.split(", "))) if name.endswith(only) else set())
    assert there == told


def test_it_names_every_field_of_the_access_log():
    line = json.loads(blocks("json")[1])
    fields = [*re.findall(r'"(\w+)":', journal._LINE.decode()), "status", "listener", "pool", "node", "reason", "tries"]
    told = [name for first, _ in rows("Access log") for name in words(first)]
    assert sorted(told) == sorted(fields) == sorted(line)


def test_it_names_every_call():
    table = PAGE.partition("| call | |")[2].partition("\n\n")[0]
    for path in openapi.DESCRIPTION["paths"]:
        last = path.rstrip("/").rpartition("/")[2].replace("{", "").replace("}", "")
        assert not last or last in table or last.upper() in table, path


def test_its_links_lead_somewhere():
    for link in re.findall(r"\]\(([^)]+)\)", PAGE):
        assert (ROOT / "docs" / link).is_file(), link
    assert Path(ROOT / "docs" / "status-page.png").stat().st_size < 150_000
