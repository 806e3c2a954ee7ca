"""Where the configuration comes from while the process runs, and how one process follows another."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from lbkit.dataplane.config import BootConfig
from lbkit.dataplane.control_client import call
from lbkit.dataplane.shell.source import UrlSource
from lbkit.errors import LbkitError, OperationError
from tests.dataplane.shell.house import free_port
from tests.dataplane.specs import spec
from tests.e2e.fleet import PATIENCE, Load, NodeServer, get, servers, until


def document(port: int, *nodes: NodeServer, **settings: Any) -> str:
    found = spec(port, {node.name: node.server_address[1] for node in nodes}, **{"drain": 5, **settings})
    return BootConfig(name="test", spec=found).model_dump_json()


@contextmanager
def serving(state: Path, config: str, *options: str, **more: Any) -> Iterator[subprocess.Popen[str]]:
    argv = [sys.executable, "-m", "lbkit.cli", "serve", "--config", config, "--state", str(state), *options]
    process = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True, **more)
    try:
        until(lambda: live(state, process), "it is ready")
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stderr and not process.stderr.closed:
            process.stderr.close()


def live(state: Path, process: subprocess.Popen[str]) -> bool:
    assert process.poll() is None, process.communicate()[1]
    try:
        code, answer = call(state / "control.sock", "GET", "/v1/live")
        return bool(
            code == 200 and answer["pid"] == process.pid and call(state / "control.sock", "GET", "/v1/ready")[0] == 200
        )
    except OperationError:
        return False


def revision(state: Path) -> int:
    return int(call(state / "control.sock", "GET", "/v1/status")[1]["revision"])


def test_a_changed_file_is_taken_and_a_wrong_one_is_not(tmp_path: Path):  # LB-6
    file, state, port = tmp_path / "boot.json", tmp_path / "state", free_port()
    with servers("a", "b") as (a, b):
        file.write_text(document(port, a))
        with serving(state, str(file)) as process:
            assert get(port) == (200, "a")
            wrong = json.loads(document(port, b))
            wrong["spec"]["pools"]["p"]["retries"] = 99
            replace(file, json.dumps(wrong))
            assert process.stderr
            said = ""
            while "retries" not in said:
                said = process.stderr.readline()
            assert "spec.pools.p.retries = 99" in said
            assert (get(port), revision(state)) == ((200, "a"), 1)
            replace(file, document(port, b))
            until(lambda: revision(state) == 2, "the file is taken")
            until(lambda: get(port) == (200, "b"), "the new node serves")


def test_sighup_looks_at_the_configuration_and_ends_nothing(tmp_path: Path):
    file, state, port = tmp_path / "boot.json", tmp_path / "state", free_port()
    with servers("a", "b") as (a, b):
        file.write_text(document(port, a))
        with serving(state, str(file), "--no-watch") as process:
            replace(file, document(port, b))
            assert get(port) == (200, "a")
            process.send_signal(signal.SIGHUP)
            until(lambda: revision(state) == 2, "the file is taken")
            until(lambda: get(port) == (200, "b"), "the new node serves")
            process.send_signal(signal.SIGHUP)
            process.terminate()
            assert process.wait(PATIENCE) == 0


def test_a_file_that_is_gone_and_back_is_told_each_time(tmp_path: Path):
    file, state, port = tmp_path / "boot.json", tmp_path / "state", free_port()
    with servers("a") as (a,):
        file.write_text(document(port, a))
        with serving(state, str(file)) as process:
            for _ in range(2):
                file.rename(tmp_path / "away.json")
                gone = line_with(process, "the running configuration stays")
                assert "can't be read" in gone, gone
                assert str(file) in process.stderr.readline()  # type: ignore[union-attr]
                assert "No such file" in process.stderr.readline()  # type: ignore[union-attr]
                assert get(port) == (200, "a")
                (tmp_path / "away.json").rename(file)
                line_with(process, "the configuration can be read again")
            assert revision(state) == 1, "what did not change is not applied"


def test_a_file_that_becomes_a_pipe_does_not_end_the_watch(tmp_path: Path):
    file, state, port = tmp_path / "boot.json", tmp_path / "state", free_port()
    with servers("a", "b") as (a, b):
        file.write_text(document(port, a))
        with serving(state, str(file)) as process:
            file.unlink()
            os.mkfifo(file)
            line_with(process, "It is no file any more")
            assert get(port) == (200, "a")
            replace(file, document(port, b))
            until(lambda: get(port) == (200, "b"), "the file is watched again")


@pytest.mark.parametrize("whole", [True, False])
def test_a_configuration_may_come_through_a_pipe(tmp_path: Path, whole: bool):
    state, port = tmp_path / "state", free_port()
    with servers("a") as (a,):
        text = document(port, a) if whole else json.dumps(json.loads(document(port, a))["spec"])
        there, given = os.pipe()
        os.write(given, text.encode())
        os.close(given)
        with serving(state, f"/dev/fd/{there}", pass_fds=[there]) as process:
            os.close(there)
            assert get(port) == (200, "a")
            process.terminate()
            assert process.wait(PATIENCE) == 0
            assert process.stderr
            assert "ERROR" not in process.stderr.read()


def line_with(process: subprocess.Popen[str], words: str) -> str:
    """The next line of the process's log that holds these words."""
    assert process.stderr
    while words not in (line := process.stderr.readline()):
        assert line, "it ended"
    return line


def replace(file: Path, text: str) -> None:
    file.with_suffix(".new").write_text(text)
    file.with_suffix(".new").rename(file)


class Publisher(ThreadingHTTPServer):
    """Answers GET with a text and its ETag."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Publish)
        self.text, self.tag, self.status = "", "", 200
        self.seen: list[int] = []
        self.tokens: list[str | None] = []
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/config"


class _Publish(BaseHTTPRequestHandler):
    server: Publisher

    def do_GET(self) -> None:
        publisher = self.server
        known = self.headers["If-None-Match"] == publisher.tag
        status = 304 if known and publisher.status == 200 else publisher.status
        publisher.seen.append(status)
        publisher.tokens.append(self.headers["Authorization"])
        self.send_response(status)
        self.send_header("ETag", publisher.tag)
        self.end_headers()
        if status == 200:
            self.wfile.write(publisher.text.encode())

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    server = Publisher()
    yield server
    server.shutdown()
    server.server_close()


def test_a_url_is_polled_with_its_etag(publisher: Publisher, tmp_path: Path):  # LB-6
    state, port, token = tmp_path / "state", free_port(), tmp_path / "token"
    token.write_text("let-me-in\n")
    with servers("a", "b") as (a, b):
        publisher.text, publisher.tag = document(port, a), '"one"'
        options = ("--poll", "0.05", "--config-token-file", str(token))
        with serving(state, publisher.url, *options) as process:
            until(lambda: publisher.seen.count(304) > 2, "it asks again")
            assert revision(state) == 1, "what did not change is not applied"
            publisher.status = 500
            until(lambda: publisher.seen.count(500) > 2, "it asks again")
            assert get(port) == (200, "a")
            publisher.status = 200
            line_with(process, "the configuration can be read again")
            publisher.text, publisher.tag, publisher.status = document(port, b), '"two"', 200
            until(lambda: revision(state) == 2, "the new configuration is taken")
            assert set(publisher.tokens) == {"Bearer let-me-in"}
            publisher.seen.clear()
            publisher.status = 500
            until(lambda: publisher.seen.count(500) > 2, "it asks again")
            process.terminate()
            said = process.communicate()[1]
            assert said.count("It was answered with status 500.") == 1, "said once, and again when it is back"
            assert "let-me-in" not in said


def test_what_a_url_says_wrongly_is_told(publisher: Publisher, tmp_path: Path):
    for text, wanted in (("{", "Not JSON"), ('{"name": "x"}', "spec"), ("[]", "BootConfig")):
        publisher.text = text
        with pytest.raises(LbkitError, match=wanted):
            UrlSource(publisher.url).look()
    with pytest.raises(OperationError, match="No such file"):
        UrlSource(publisher.url, token_file=tmp_path / "missing").look()


def test_a_successor_takes_over_without_a_refused_connection(tmp_path: Path):  # LB-6
    file, state, port = tmp_path / "boot.json", tmp_path / "state", free_port()
    with servers("a", seconds=0.02) as (a,):
        file.write_text(document(port, a))
        with serving(state, str(file)) as first, Load(port) as load:
            until(lambda: load.answers["a"] > 20, "requests flow")
            with serving(state, str(file), "--take-over") as second:
                assert first.wait(20) == 0, "it ended its work and went"
                before = load.answers["a"]
                until(lambda: load.answers["a"] > before + 20, "requests go on")
                assert (state / "pid").read_text().strip() == str(second.pid)
                assert call(state / "control.sock", "GET", "/v1/live")[1]["pid"] == second.pid
                assert load.failures == []


def test_a_successor_that_cannot_serve_leaves_the_running_one(tmp_path: Path):
    file, state, port = tmp_path / "boot.json", tmp_path / "state", free_port()
    with servers("a") as (a,), socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        file.write_text(document(port, a))
        other = tmp_path / "other.json"
        other.write_text(document(taken.getsockname()[1], a))
        with serving(state, str(file)) as first:
            argv = [
                sys.executable,
                "-m",
                "lbkit.cli",
                "serve",
                "--config",
                str(other),
                "--state",
                str(state),
                "--take-over",
            ]
            found = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=20)
            assert found.returncode == 2
            assert "Can't listen on 127.0.0.1" in found.stderr
            assert "Traceback" not in found.stderr
            assert get(port) == (200, "a")
            assert live(state, first)


def test_sockets_come_from_systemd(tmp_path: Path):
    file, state = tmp_path / "boot.json", tmp_path / "state"
    with servers("a") as (a,), socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port = listening.getsockname()[1]
        file.write_text(document(port, a))
        # as systemd does: the first socket is descriptor 3, and LISTEN_PID is the process itself
        script = f'export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@" 3<&{listening.fileno()}'
        argv = [sys.executable, "-m", "lbkit.cli", "serve", "--config", str(file), "--state", str(state)]
        process = subprocess.Popen(
            ["/bin/bash", "-c", script, "sh", *argv], pass_fds=[listening.fileno()], stderr=subprocess.PIPE, text=True
        )
        try:
            until(lambda: live(state, process), "it serves on the socket that is bound already")
            assert get(port) == (200, "a")
        finally:
            process.kill()
            process.communicate()


def test_sigterm_ends_what_runs_and_takes_nothing_new(tmp_path: Path):
    file, state, port = tmp_path / "boot.json", tmp_path / "state", free_port()
    with servers("a", seconds=0.5) as (a,):
        file.write_text(document(port, a))
        with serving(state, str(file)) as process:
            answers: list[Any] = []
            thread = threading.Thread(target=lambda: answers.append(get(port)))
            thread.start()
            until(lambda: in_flight(state) == 1, "it runs")
            process.send_signal(signal.SIGTERM)
            until(lambda: refused(port), "nobody new comes in")
            thread.join()
            assert answers == [(200, "a")]
            assert process.wait(20) == 0
        assert not state.exists()


def in_flight(state: Path) -> int:
    return int(call(state / "control.sock", "GET", "/v1/status")[1]["pools"]["p"]["in_flight"])


def refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_spec_in_python_that_raises_or_exits_changes_nothing(tmp_path: Path):
    file, state, port = tmp_path / "spec.py", tmp_path / "state", free_port()
    with servers("a", "b") as (a, b):

        def text(node: NodeServer) -> str:
            found = spec(port, {node.name: node.server_address[1]}).model_dump_json()
            return f"import json\nfrom lbkit.spec import Spec\nSPEC = Spec.load(json.loads({found!r}))\n"

        file.write_text(text(a))
        with serving(state, str(file)) as process:
            assert process.stderr
            for wrong, wanted in (
                ("\nraise KeyError('x')\n", "KeyError"),
                ("import sys\nsys.exit(3)\n", "SystemExit: 3"),
            ):
                replace(file, wrong)
                said = ""
                while wanted not in said:
                    said = process.stderr.readline()
                assert get(port) == (200, "a")
            replace(file, text(b))
            until(lambda: get(port) == (200, "b"), "it still follows the file")


def test_a_url_without_an_etag_that_says_the_same_is_not_applied_again(publisher: Publisher):
    with servers("a") as (a,):
        publisher.text = document(free_port(), a)
        source = UrlSource(publisher.url)
        assert source.look() is not None
        publisher.tag = '"another"'
        assert source.look() is None


@contextmanager
def saying(reply: Callable[[socket.socket], None]) -> Iterator[str]:
    """A URL whose server says this to everybody."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    threading.Thread(target=one, args=(listening.accept()[0],), daemon=True).start()

        def one(sock: socket.socket) -> None:
            with sock, suppress(OSError):
                sock.recv(65_536)
                reply(sock)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        listening.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("reply", [b"NONSENSE\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 100_000])
def test_a_url_that_answers_nonsense_is_an_error_for_people(reply: bytes):
    with saying(lambda sock: sock.sendall(reply)) as url, pytest.raises(OperationError):
        UrlSource(url).look()


def test_a_source_that_hangs_does_not_hold_up_the_end(tmp_path: Path):
    state, asked = tmp_path / "state", threading.Event()
    with servers("a") as (a,):
        text = document(free_port(), a).encode()

        def reply(sock: socket.socket) -> None:
            if not asked.is_set():
                asked.set()
                sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + text)
                return
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            for _ in range(60):
                sock.sendall(b" ")
                time.sleep(0.5)

        with saying(reply) as url, serving(state, url, "--poll", "0.05") as process:
            time.sleep(0.3)
            process.terminate()
            assert process.wait(5) == 0


def successor(file: Path, state: Path, *options: str) -> subprocess.Popen[str]:
    argv = [sys.executable, "-m", "lbkit.cli", "serve", "--config", str(file), "--state", str(state), "--take-over"]
    return subprocess.Popen([*argv, *options], stderr=subprocess.PIPE, text=True)


def test_a_successor_without_a_token_leaves_the_running_one(tmp_path: Path):
    file, state, port = tmp_path / "boot.json", tmp_path / "state", free_port()
    with servers("a") as (a,):
        file.write_text(document(port, a))
        with serving(state, str(file)) as first:
            options = ("--control", f"127.0.0.1:{free_port()}", "--token-file", str(tmp_path / "missing"))
            with successor(file, state, *options) as second:
                assert "The token can't be read" in second.communicate(timeout=20)[1]
                assert second.returncode == 2
            time.sleep(0.3)
            assert get(port) == (200, "a")
            assert live(state, first)


def until_live(process: subprocess.Popen[str]) -> None:
    """Its configuration is applied; it may still wait for its nodes."""
    assert process.stderr
    while "is live" not in process.stderr.readline():
        pass


@contextmanager
def undecided(tmp_path: Path, port: int, node: NodeServer) -> Iterator[Path]:
    """A configuration whose first probe takes long."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        check = {"path": "/", "port": silent.getsockname()[1], "interval": 30, "timeout": 30}
        file = tmp_path / "undecided.json"
        file.write_text(document(port, node, health_check=check))
        yield file


def test_a_successor_that_is_ended_while_it_waits_leaves_the_running_one(tmp_path: Path):
    file, state, port = tmp_path / "boot.json", tmp_path / "state", free_port()
    with servers("a") as (a,), undecided(tmp_path, port, a) as slow:
        file.write_text(document(port, a))
        with serving(state, str(file)) as first, successor(slow, state) as second:
            until_live(second)
            second.terminate()
            assert second.wait(5) == 0
            assert get(port) == (200, "a")
            assert live(state, first)


def test_only_one_successor_at_a_time_takes_over(tmp_path: Path):
    file, state, port = tmp_path / "boot.json", tmp_path / "state", free_port()
    with servers("a") as (a,), undecided(tmp_path, port, a) as slow:
        file.write_text(document(port, a))
        with serving(state, str(file)) as first, successor(slow, state) as second:
            until_live(second)
            with successor(file, state) as third:
                assert "Another process is taking them over." in third.communicate(timeout=20)[1]
                assert third.returncode == 2
            second.kill()
            second.wait()
            with serving(state, str(file), "--take-over"):
                assert first.wait(20) == 0, "who died is not waited for"


@pytest.mark.parametrize("name", ["pid", "control.sock", "handover.sock"])
def test_a_state_folder_that_cannot_be_written_ends_it_with_one_message(name: str, tmp_path: Path):
    file, state, port = tmp_path / "boot.json", tmp_path / "state", free_port()
    state.mkdir(mode=0o700)
    (state / name).mkdir()
    with servers("a") as (a,):
        file.write_text(document(port, a))
        argv = [sys.executable, "-m", "lbkit.cli", "serve", "--config", str(file), "--state", str(state)]
        found = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=20)
    assert found.returncode == 2
    assert name in found.stderr
    assert "Traceback" not in found.stderr
    assert os.listdir(state) == [name]
