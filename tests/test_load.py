"""Files that no spec can be read from: one message with file and line, never a stack trace, and soon."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from lbkit.errors import LbkitError, OperationError
from lbkit.load import load

BOMB = "a: &a {x: 1, y: 2}\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} {{{', '.join(f'k{j}: *{chr(97 + i)}' for j in range(9))}}}\n" for i in range(9)
)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("date.yaml", "pools: 2026-13-45\n", "month"),
        ("number.yaml", "pools: !!int x\n", "invalid literal"),
        ("truth.yaml", "pools: !!bool x\n", "'x'"),
        ("stamp.yaml", "pools: !!timestamp x\n", "can't be read"),
        ("long.yaml", f"pools: {'9' * 5000}\n", "4300 digits"),
        ("tab.yaml", "pools:\n\tp: {}\n", "Indent with blanks"),
        ("octal.yaml", "pools: {p: {port: 010}}\n", "reads this as another number"),
        ("sixty.yaml", "pools: {p: {port: 22:22}}\n", "reads this as another number"),
        ("two.yaml", "pools: {}\n---\npools: {}\n", "several documents"),
        ("alias.yaml", "pools: *p\n", "Nothing has the name"),
        ("tag.yaml", "pools: !!python/none x\n", "Write the value itself"),
        ("zero.yaml", "pools: \0\n", "character number 0"),
        ("twice.json", '{"pools": {"p": {"port": 1, "port": 2}}}', "`pools.p.port` stands twice"),
        ("nan.yaml", "pools: {p: {port: 1, drain: .nan, nodes: {}}}\nlisteners: {}\n", "A finite number is wanted"),
        ("deep.yaml", "[" * 3000, "nested too deeply"),
        ("deeper.yaml", "{a: " * 990 + "{}" + "}" * 990, "nested too deeply"),
        ("deep-enough.yaml", "{a: " * 400 + "{}" + "}" * 400, "pools"),
        ("bomb.yaml", BOMB, "pools"),
        ("itself.yaml", "pools: &a\n  p: *a\nlisteners: {}\n", "pools"),
        ("raises.py", "\n\nraise KeyError('x')\n", "raises.py:3"),
        ("exits.py", "import sys\nsys.exit(0)\n", "SystemExit"),
        ("wrong.py", "x = 1\ndef (\n", "wrong.py:2"),
        ("nul.py", "\0", "null bytes"),
    ],
)
def test_what_is_no_spec_is_told(name: str, text: str, said: str, tmp_path: Path):
    path = tmp_path / name
    path.write_text(text)
    began = time.monotonic()
    with pytest.raises(LbkitError) as found:
        load(path)
    assert said in str(found.value)
    assert all(problem.remedy and problem.path for problem in found.value.problems)
    assert time.monotonic() - began < 5


def test_a_folder_is_no_spec(tmp_path: Path):
    (tmp_path / "spec.py").mkdir()
    with pytest.raises(OperationError):
        load(tmp_path / "spec.py")
