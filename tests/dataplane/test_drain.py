"""`lbkit drain` and `undrain`: what they say, when they end, with which status."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lbkit.cli import main
from lbkit.dataplane.config import BootConfig
from lbkit.dataplane.control_client import call
from tests.dataplane.shell.house import free_port
from tests.dataplane.specs import spec
from tests.dataplane.test_process import Process
from tests.e2e.fleet import get, servers, until

Run = Callable[..., int]


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[tuple[Process, int]]:
    """A TCP balancer before two nodes: an open connection is work in flight."""
    with servers("a", "b") as nodes:
        port = free_port()
        ports = {node.name: node.server_address[1] for node in nodes}
        process = Process(
            tmp_path, BootConfig(name="t", spec=spec(port, ports, protocol="tcp", drain=60)).model_dump_json()
        )
        try:
            until(process.live, "it is ready")
            yield process, port
        finally:
            process.running.kill()
            process.running.communicate()


@pytest.fixture
def lbkit(busy: tuple[Process, int]) -> Run:
    return lambda *words: main([*words, "--state", str(busy[0].state)])


def in_flight(process: Process, node: str) -> int:
    found: int = call(process.state / "control.sock", "GET", f"/v1/pools/p/nodes/{node}")[1]["in_flight"]
    return found


@pytest.fixture
def held(busy: tuple[Process, int]) -> Iterator[tuple[str, http.client.HTTPConnection]]:
    """A connection that a node holds, and the node."""
    process, port = busy
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.connect()
    until(lambda: in_flight(process, "a") + in_flight(process, "b") == 1, "a node has it")
    yield ("a" if in_flight(process, "a") else "b"), connection
    connection.close()


def test_wait_ends_when_nothing_is_in_flight(held, lbkit: Run, capsys: pytest.CaptureFixture[str]):  # UK-13
    node, connection = held
    ended: list[int] = []
    waiting = threading.Thread(target=lambda: ended.append(lbkit("drain", "p", node, "--wait", "--timeout", "20")))
    waiting.start()
    until(lambda: "1 in flight" in capsys.readouterr().out, "it waits")
    assert not ended
    connection.close()
    waiting.join(10)
    assert ended == [0]
    assert f"p/{node} has drained" in capsys.readouterr().out


def test_a_deadline_that_passes_is_no_success(held, lbkit: Run, busy, capsys: pytest.CaptureFixture[str]):
    node, connection = held
    assert lbkit("drain", f"p/{node}", "--wait", "--timeout", "0.1") == 2
    said = capsys.readouterr().err
    assert f"p/{node} has not drained" in said
    assert "still has 1 in flight; it goes on draining" in said
    assert connection.sock is not None
    assert in_flight(busy[0], node) == 1, "nothing was cut"


def test_one_that_was_taken_back_is_no_success(held, lbkit: Run, capsys: pytest.CaptureFixture[str]):
    node, _ = held
    ended: list[int] = []
    waiting = threading.Thread(target=lambda: ended.append(lbkit("drain", "p", node, "--wait", "--timeout", "20")))
    waiting.start()
    until(lambda: "1 in flight" in capsys.readouterr().out, "it waits")
    assert lbkit("undrain", "p", node) == 0
    waiting.join(10)
    assert ended == [2]
    assert "Somebody took it back" in capsys.readouterr().err


def test_a_removed_node_has_drained_when_it_is_gone(  # UK-4
    held, lbkit: Run, busy, capsys: pytest.CaptureFixture[str]
):
    node, connection = held
    ended: list[int] = []
    waiting = threading.Thread(target=lambda: ended.append(lbkit("drain", "p", node, "--wait", "--timeout", "20")))
    waiting.start()
    until(lambda: "1 in flight" in capsys.readouterr().out, "it waits")
    code, answer = call(busy[0].state / "control.sock", "DELETE", f"/v1/pools/p/nodes/{node}")
    assert code == 200, answer
    assert lbkit("undrain", "p", node) == 2
    assert "it only ends its running work" in capsys.readouterr().err
    assert not ended
    connection.close()
    waiting.join(10)
    assert ended == [0]


def test_undrain_and_undo_are_the_same(busy, lbkit: Run, capsys: pytest.CaptureFixture[str]):
    for back in (("undrain", "p/a"), ("undrain", "p", "a"), ("drain", "p", "a", "--undo"), ("drain", "p/a", "--undo")):
        assert lbkit("drain", "p/a", "--wait") == 0
        assert get_admin(busy[0]) == "drain"
        assert lbkit(*back) == 0
        assert get_admin(busy[0]) == "ready"
    assert lbkit("drain", "p/a", "--now") == 0
    assert get_admin(busy[0]) == "maintenance"
    capsys.readouterr()


def get_admin(process: Process) -> str:
    found: str = call(process.state / "control.sock", "GET", "/v1/pools/p/nodes/a")[1]["admin_state"]
    return found


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["p", "zzz"], "There is no node p/zzz; there are p/a, p/b"),
        (["q", "a"], "There is no pool q; there are p"),
        (["q r/a"], "There is no pool q%20r; there are p"),
        (["p"], "POOL NODE or POOL/NODE"),
        (["p/a", "a"], "POOL NODE or POOL/NODE"),
        (["p/"], "POOL NODE or POOL/NODE"),
    ],
)
def test_what_is_not_there_is_said(busy, lbkit: Run, words: list[str], said: str, capsys: pytest.CaptureFixture[str]):
    assert lbkit("drain", *words) == 2
    assert said in capsys.readouterr().err
    assert get(busy[1])[0] == 200


def test_options_that_contradict_are_refused(capsys: pytest.CaptureFixture[str]):
    for pair in (["--undo", "--wait"], ["--undo", "--now"]):
        with pytest.raises(SystemExit, match="2"):
            main(["drain", "p", "a", *pair])
    capsys.readouterr()
