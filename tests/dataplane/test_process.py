"""The process: `lbkit serve`, its signals, its control socket, its words when it can't start."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lbkit.cli import main
from lbkit.dataplane.config import BootConfig
from lbkit.dataplane.control_client import call
from lbkit.errors import OperationError
from lbkit.spec import Spec
from tests.dataplane.shell.house import free_port
from tests.dataplane.specs import spec
from tests.e2e.fleet import get, servers, until


class Process:
    def __init__(self, place: Path, config: str, file: str = "boot.json") -> None:
        self.state = place / "state"
        (place / file).write_text(config)
        argv = [
            sys.executable,
            "-m",
            "lbkit.cli",
            "serve",
            "--config",
            str(place / file),
            "--state",
            str(self.state),
        ]
        self.running = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)

    def live(self) -> bool:
        try:
            return call(self.state / "control.sock", "GET", "/v1/ready")[0] == 200
        except OperationError:
            assert self.running.poll() is None, "the process ended"
            return False

    def end(self) -> tuple[int, str]:
        _, said = self.running.communicate(timeout=20)
        return self.running.returncode, said


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Process, int]]:
    with servers("a") as (a,):
        port = free_port()
        document = BootConfig(name="test", spec=spec(port, {"a": a.server_address[1]}, drain=5))
        process = Process(tmp_path, document.model_dump_json())
        try:
            until(process.live, "it is ready")
            yield process, port
        finally:
            process.running.kill()
            process.running.communicate()


def test_it_serves_and_ends_with_0_leaving_nothing(served: tuple[Process, int], capsys: pytest.CaptureFixture[str]):
    process, port = served
    assert get(port) == (200, "a")
    assert main(["status", "--state", str(process.state)]) == 0
    assert "pool p: round_robin" in capsys.readouterr().out
    assert main(["drain", "p", "a", "--state", str(process.state)]) == 0
    assert "p/a: drain" in capsys.readouterr().out
    assert main(["status", "--state", str(process.state)]) == 1, "nothing is in service"
    assert get(port)[0] == 503
    assert main(["drain", "p", "a", "--undo", "--state", str(process.state)]) == 0
    assert get(port)[0] == 200
    process.running.send_signal(signal.SIGTERM)
    assert process.end()[0] == 0
    assert not process.state.exists()
    assert main(["status", "--state", str(process.state)]) == 2


def test_a_state_folder_of_the_users_stays(tmp_path: Path):
    (tmp_path / "state").mkdir(mode=0o700)
    document = BootConfig(name="test", spec=spec(free_port(), {"a": free_port()}))
    process = Process(tmp_path, document.model_dump_json())
    control = process.state / "control.sock"
    until(control.exists, "it runs")
    until(lambda: main(["status", "--state", str(process.state)]) == 1, "its node is not up")
    process.running.send_signal(signal.SIGTERM)
    assert process.end()[0] == 0
    assert list(process.state.iterdir()) == []


def test_the_columns_of_the_status_hold_long_names_and_addresses(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    pool = spec(free_port(), {"a": 1}).pools["p"].model_dump(exclude_unset=True)
    pool["nodes"] = {
        "a": {"address": "10.0.0.1", "port": 1},
        "n" * 40: {"address": "fd00:1111:2222:3333:4444:5555:6666:7777", "port": 12345},
    }
    found = Spec.load({"pools": {"p": pool}, "listeners": {"l": {"port": free_port(), "address": "::1", "pool": "p"}}})
    process = Process(tmp_path, BootConfig(name="test", spec=found).model_dump_json())
    until((process.state / "control.sock").exists, "it runs")
    try:
        main(["status", "--state", str(process.state)])
    finally:
        process.running.kill()
        process.running.communicate()
    _, listener, _, head, *rows = capsys.readouterr().out.splitlines()
    assert "on [::1]:" in listener
    assert "[fd00:1111:2222:3333:4444:5555:6666:7777]:12345 " in rows[1]
    for row in rows:
        assert row[head.index("in flight") + len("in flight") - 1] == "0", head + row


@pytest.mark.parametrize(("command", "word"), [("drain", "out of service"), ("undrain", "back into service")])
def test_the_help_tells_commands_apart(command: str, word: str, capsys: pytest.CaptureFixture[str]):
    for argv in ([command, "--help"], ["--help"]):
        with pytest.raises(SystemExit):
            main(argv)
        text = " ".join(capsys.readouterr().out.split())
        assert word in (text if argv[0] == command else text.partition(f" {command} Take")[2][:60])


def test_the_help_of_status_tells_the_exit_status(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["status", "--help"])
    assert "2  no balancer is running, or one does not answer" in capsys.readouterr().out


def test_the_control_socket_is_this_users_alone(served: tuple[Process, int]):
    process, _ = served
    assert (process.state / "control.sock").stat().st_mode & 0o777 == 0o600
    assert process.state.stat().st_mode & 0o777 == 0o700


def test_a_second_balancer_does_not_take_over_the_state_folder(served: tuple[Process, int], tmp_path: Path):
    _, port = served
    document = BootConfig(name="x", spec=spec(free_port(), {"a": 1})).model_dump_json()
    other = Process(tmp_path, document, "other.json")
    code, said = other.end()
    assert code == 2
    assert "Another balancer is running with this state folder." in said
    assert get(port)[0] == 200


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ('{"pools": {}}', "boot.json:1"),
        ('{"name": "x", "spec": {"pools": {}, "listeners": {}}}', "boot.json:1: spec.pools"),
        ("{", "can't be read"),
    ],
)
def test_a_bad_document_ends_fails_with_one_message(tmp_path: Path, document: str, said: str):
    code, text = Process(tmp_path, document).end()
    assert code in (1, 2)
    assert said in text
    assert "Traceback" not in text


def test_a_taken_port_ends_with_2(tmp_path: Path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        document = BootConfig(name="x", spec=spec(other.getsockname()[1], {"a": 1})).model_dump_json()
        code, text = Process(tmp_path, document).end()
    assert code == 2
    assert "listeners.l.port" in text
    assert "Address already in use" in text
    assert not (tmp_path / "state").exists()


def test_what_a_dataplane_cannot_do_is_refused_at_the_start(tmp_path: Path):
    found = json.loads(BootConfig(name="x", spec=spec(free_port(), {"a": 1})).model_dump_json())
    found["spec"]["pools"]["p"]["firewall"] = True
    code, text = Process(tmp_path, json.dumps(found)).end()
    assert code == 1
    assert "pools.p.firewall = true" in text


@pytest.mark.parametrize(
    ("make", "said"), [("missing", "no control socket"), ("file", "not a socket"), ("open", "not ours")]
)
def test_a_socket_that_is_not_ours_is_not_used(tmp_path: Path, make: str, said: str):
    path = tmp_path / "control.sock"
    if make == "file":
        path.write_text("")
    if make == "open":
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(str(path))
        os.chmod(path, 0o666)
    with pytest.raises(OperationError, match=said):
        call(path, "GET", "/v1/live")


def test_a_state_folder_too_deep_for_a_socket_is_told_at_once(tmp_path: Path):
    place = tmp_path / ("x" * 90)
    place.mkdir()
    process = Process(place, BootConfig(name="x", spec=spec(free_port(), {"a": 1})).model_dump_json())
    code, said = process.end()
    assert code == 2
    assert "longer than the 107 octets" in said
    assert "is live" not in said
