"""`lbkit top`: what it draws, and the real thing on a terminal of its own."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from lbkit import top
from lbkit.cli import main
from tests.dataplane.shell.test_page import fake_node, fake_status
from tests.dataplane.test_process import Process, served  # noqa: F401  a fixture


def drawn(
    statuses: list[tuple[str, dict[str, Any] | str]],
    height: int | None = None,
    sort: top.Sort = "trouble",
    width: int = 80,
) -> str:
    console = Console(width=width, height=height or 100, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    console.print(top.screen(statuses, sort, height))
    return console.export_text()


def test_a_screen_says_it_all_in_80_columns():  # LB-11
    nodes = {
        "a": fake_node(in_flight=3, requests=1_234_567),
        "b": fake_node(in_flight=8, failures=2),
        "gone": fake_node(state="down", last_error="Connection refused"),
    }
    text = drawn([("/run/lb", fake_status(nodes))], 24)
    assert max(map(len, text.splitlines())) <= 80
    for part in ("test  ready", "20.0/s", "waiting 2/16", "first byte 250 ms", "refused 1", "1234567", "Connection"):
        assert part in text
    rows = [line.split() for line in text.splitlines() if line.startswith("  ")]
    assert [row[0] for row in rows[1:]] == ["gone", "a", "b"], "trouble first"
    assert rows[2][2:4] == ["███·│···", "3/8"], "the soft limit is marked"
    assert rows[3][2:4] == ["████│███", "8/8"]
    assert "q quit" in text.splitlines()[-1]


@pytest.mark.parametrize(("sort", "first"), [("trouble", "c"), ("load", "b"), ("name", "a")])
def test_nodes_are_sorted(sort: top.Sort, first: str):
    nodes = {"b": fake_node(in_flight=2), "a": fake_node(), "c": fake_node(state="drain")}
    assert top.ordered(nodes, sort)[0][0] == first


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_thousand_nodes_of_several_balancers_fit_the_screen(count: int):
    nodes = {f"gpu-{i}": fake_node() for i in range(1000)}
    text = drawn([(f"/run/{i}", fake_status(nodes)) for i in range(count)], 40)
    assert len(text.splitlines()) <= 40
    assert len(re.findall(r"and \d+ more nodes", text)) == count
    assert text.count("test  ready") == count


@pytest.mark.parametrize("width", [50, 60])
def test_on_a_narrow_terminal_the_last_error_gives_way_not_the_name(width: int):
    nodes = {"gpu-node-7": fake_node(in_flight=3, last_error="Connection refused")}
    text = drawn([("/run/lb", fake_status(nodes))], width=width)
    assert max(map(len, text.splitlines())) <= width
    assert "  gpu-node-7  up" in text
    assert "3/8" in text


def test_names_are_text_not_markup():
    nodes = {"[red]a": fake_node(last_error="[bold]x")}
    text = drawn([("/run/[blue]x", fake_status(nodes, name="[b]n"))])
    assert "[red]a" in text
    assert "[b]n" in text


def test_one_that_does_not_answer_hides_no_other():
    text = drawn([("/run/a", "The balancer does not answer"), ("/run/b", fake_status({"a": fake_node()}))], 20)
    assert "/run/a: The balancer does not answer" in text
    assert "test  ready" in text


def test_it_needs_a_terminal_or_once(served: tuple[Process, int], capsys: pytest.CaptureFixture[str]):  # noqa: F811
    state = str(served[0].state)
    assert main(["top", "--state", state, "--once"]) == 0
    assert "test  ready" in capsys.readouterr().out
    assert main(["top", "--state", state]) == 2
    assert "Add --once" in capsys.readouterr().err


def test_without_rich_it_says_what_to_install(tmp_path: Path):
    code = (
        "import sys; sys.modules['rich.console'] = None; from lbkit.cli import main; sys.exit(main(['top', '--once']))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.returncode == 2
    assert "lbkit[top]" in found.stderr
    assert "Traceback" not in found.stderr


def test_on_a_terminal_it_lives_and_leaves_it_as_it_was(served: tuple[Process, int]):  # noqa: F811
    screen, terminal = pty.openpty()
    import termios

    before = termios.tcgetattr(terminal)
    argv = [sys.executable, "-m", "lbkit.cli", "top", "--state", str(served[0].state), "--every", "0.2"]
    process = subprocess.Popen(
        argv, stdin=terminal, stdout=terminal, stderr=terminal, env={**os.environ, "TERM": "xterm"}
    )
    try:
        said(screen, "sort: trouble")
        os.write(screen, b"s")
        said(screen, "sort: load")
        main(["drain", "p/a", "--state", str(served[0].state)])
        said(screen, "drain")
        os.write(screen, b"q")
        assert process.wait(10) == 0
        assert termios.tcgetattr(terminal) == before
    finally:
        process.kill()
        process.wait()
        os.close(screen)
        os.close(terminal)


def said(terminal: int, text: str) -> None:
    """Read what is drawn until the text is there."""
    found, deadline = b"", time.monotonic() + 15
    while text.encode() not in found:
        assert select.select([terminal], [], [], max(0, deadline - time.monotonic()))[0], found[-2000:]
        found += os.read(terminal, 65_536)
