"""`pulumi up` with traffic: the real engine, the real process, real requests."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dataplane.shell.house import free_port
from tests.e2e.fleet import Load, get, servers, until
from tests.e2e.house import Stack

RENAMED = '"renamed", spec, Native(), pulumi.ResourceOptions(aliases=[pulumi.Alias(name="inference")])'


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    found = Stack("native", tmp_path)
    yield found
    found.run("down")


def processes(runtime: Path) -> list[int]:
    """Processes that belong to a runtime folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if f"{runtime}/" in entry.read_bytes().decode(errors="replace"):
                found.append(int(entry.parts[2]))
        except OSError:
            continue
    return found


def test_up_change_under_load_and_down(stack: Stack, tmp_path: Path):  # LB-6, UK-4, UK-17, UK-18, UK-19
    runtime, port = tmp_path / "run", free_port()
    with servers("a", "b", "c", seconds=0.005) as (a, b, c):
        stack.configure(port=port, nodes=[a.at, b.at])
        text = stack.run("up")
        assert f"http://127.0.0.1:{port}" in text
        assert {get(port)[1] for _ in range(8)} == {"a", "b"}
        (pid,) = processes(runtime)

        assert "unchanged" in stack.run("preview")
        assert " ~  " not in stack.run("preview"), "nothing would be updated"

        with Load(port) as load:
            until(lambda: set(load.answers) == {"a", "b"}, "both nodes serve")
            stack.configure(nodes=[a.at, b.at, c.at])
            assert "update" in stack.run("preview")
            stack.run("up")
            until(lambda: load.answers["c"] > 5, "the added node serves")
            stack.configure(nodes=[b.at, c.at])
            stack.run("up")
            served, others = a.served, load.answers["b"]
            until(lambda: load.answers["b"] > others + 20, "the others go on")
            assert a.served - served <= 4, "a removed node gets nothing new"
        assert load.failures == []
        assert processes(runtime) == [pid], "the same process all along"

        stack.run("down")
        assert processes(runtime) == []
        assert not (runtime / "lbkit").exists()
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", port))


def test_a_wrong_spec_changes_nothing(stack: Stack, tmp_path: Path):  # LB-2
    port = free_port()
    with servers("a") as (a,):
        stack.configure(port=port, nodes=[a.at])
        stack.run("up")
        before = (stack.folder / "__main__.py").read_text()
        for (right, wrong), reasons in {
            ('pool="llm"', 'pool="llm", prot="http"'): ["Listener.prot = 'http'", "Did you mean `port`?"],
            ('pool="llm"', 'pool="lm"'): ["listeners.http.pool = 'lm'", "There is no such pool.", "Pools are: llm."],
            ('pool="llm"', 'pool="llm", redirect={"scheme": "https"}'): [
                "A listener either redirects everything or serves."
            ],
            ("nodes=nodes,", "nodes=nodes, firewall=True,"): [
                "pools.llm.firewall = true",
                "The dataplane makes no firewall rules.",
            ],
        }.items():
            stack.edit(right, wrong)
            text = stack.run("up", fails=True)
            for reason in reasons:
                assert text.count(reason) == 1, text
            (stack.folder / "__main__.py").write_text(before)
        assert get(port) == (200, "a")
        assert "unchanged" in stack.run("preview")


def test_a_killed_process_is_noticed_and_made_again(stack: Stack, tmp_path: Path):
    runtime, port = tmp_path / "run", free_port()
    with servers("a") as (a,):
        stack.configure(port=port, nodes=[a.at])
        stack.run("up")
        (pid,) = processes(runtime)
        os.kill(pid, signal.SIGKILL)
        until(lambda: processes(runtime) == [], "the process is gone")
        assert "delete" in stack.run("refresh")
        assert not (runtime / "lbkit").exists(), "nothing is left of the dead process"
        stack.run("up")
        assert get(port) == (200, "a")
        (pid,) = processes(runtime)
        os.kill(pid, signal.SIGKILL)
        until(lambda: processes(runtime) == [], "the process is gone")
        assert "1 to update" in stack.run("preview"), "no refresh is needed"
        stack.run("up")
        assert get(port) == (200, "a")
        assert "unchanged" in stack.run("preview")
        stack.run("down")
        stack.run("up")  # the kept configuration still fits its passphrase
        assert get(port) == (200, "a")


def test_a_port_that_is_taken_is_named_with_its_holder_at_preview(stack: Stack):
    with servers("a") as (a,), socket.socket() as sock:
        sock.bind(("0.0.0.0", 0))
        sock.listen()
        stack.configure(port=sock.getsockname()[1], nodes=[a.at])
        text = stack.run("preview", fails=True)
        assert f"listeners.http.port = {sock.getsockname()[1]}" in text
        assert f"The port is in use by process {os.getpid()} (" in text


def test_without_a_healthy_node_up_says_what_was_tried_and_leaves_nothing(stack: Stack, tmp_path: Path):
    dead, port = free_port(), free_port()
    stack.edit("Native()", "Native(placement=Local(wait=1))")
    stack.edit("import Native\n", "import Local, Native\n")
    stack.configure(port=port, nodes=[f"127.0.0.1:{dead}"])
    text = stack.run("up", fails=True)
    assert "pool llm has no healthy node" in text
    assert f"n-127-0-0-1-{dead} down (Connection refused)" in text
    assert processes(tmp_path / "run") == []
    assert not (tmp_path / "run" / "lbkit").exists()


def test_a_renamed_balancer_keeps_its_process(stack: Stack, tmp_path: Path):  # LB-3
    port = free_port()
    with servers("a") as (a,):
        stack.configure(port=port, nodes=[a.at])
        stack.run("up")
        before = processes(tmp_path / "run")
        stack.edit(
            '"inference", spec, Native()',
            '"renamed", spec, Native(), pulumi.ResourceOptions(aliases=[pulumi.Alias(name="inference")])',
        )
        stack.run("up")
        assert processes(tmp_path / "run") == before
        assert get(port) == (200, "a")


def test_a_user_reaches_any_argument_of_the_process(stack: Stack):
    port = free_port()
    with servers("a") as (a,):
        stack.configure(port=port, nodes=[a.at])
        stack.transform('LoadBalancer("inference", spec, Native())', 'if kind.endswith(":Process"): props["wait"] = 7')
        stack.run("up")
        assert '"wait":7' in stack.state_file
        assert get(port) == (200, "a")
        assert "unchanged" in stack.run("preview")


def test_the_demo_fleet_streams(stack: Stack, tmp_path: Path):
    port, first = free_port(), free_port()
    stack.configure(port=port, demoPort=first)
    text = stack.run("up")
    assert "curl -N" in text
    assert get(port, "/v1/models")[0] == 200
    settings = (stack.folder / "Pulumi.yaml").read_bytes()
    stack.run("down")
    assert (stack.folder / "Pulumi.yaml").read_bytes() == settings
    assert processes(tmp_path / "run") == []
