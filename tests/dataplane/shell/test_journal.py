"""The access log: every line is one JSON object, nothing secret is in it, and it never holds anybody up."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lbkit.cli import main
from lbkit.dataplane.config import BootConfig
from lbkit.dataplane.control_client import call
from lbkit.dataplane.shell import exposition, journal, log_file
from lbkit.dataplane.shell.journal import Journal
from lbkit.dataplane.shell.log_file import LogFile
from lbkit.dataplane.shell.server import Server
from lbkit.errors import OperationError
from lbkit.spec import Spec
from tests.dataplane.shell.house import Client, ask, balancer, free_port, nodes, raw, reset, run, until
from tests.dataplane.specs import spec
from tests.e2e.fleet import get, servers
from tests.e2e.fleet import until as wait_until

FIELDS = [
    "time", "id", "client", "method", "path", "status", "listener", "pool", "node", "reason", "tries", "wait_us",
    "first_byte_us", "duration_us", "bytes_in", "bytes_out",
]  # fmt: skip


@asynccontextmanager
async def writing(found: Spec, path: Path, queries: bool = False) -> AsyncIterator[tuple[Server, Journal]]:
    """A balancer with an access log, which is complete when this ends."""
    loop = asyncio.get_running_loop()
    log = Journal(str(path), loop, queries)
    async with balancer(found, journal=log) as server:
        yield server, log
    await log.close()


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


@run
async def test_a_line_says_what_happened(tmp_path: Path):  # LB-11
    path = tmp_path / "access.log"
    async with nodes("a") as (a,):
        port = free_port()
        async with writing(spec(port, {"a": a.port}, health_check=None), path) as (server, _):
            assert (await ask(port, "POST", "/v1/x", b"hello", x_request_id="mine-1")).status == 200
            server.pools["p"].set_admin("a", "drain")
            refusal = await ask(port)
            assert refusal.status == 503
    good, bad = lines(path)
    assert list(good) == list(bad) == FIELDS
    assert good["id"] == "mine-1"
    assert good["client"] == "127.0.0.1"
    told = [
        good[name] for name in ("method", "path", "status", "listener", "pool", "node", "reason", "tries", "bytes_in")
    ]
    assert told == ["POST", "/v1/x", 200, "l", "p", "a", "", 1, 5]
    assert 0 < good["first_byte_us"] <= good["duration_us"] < 10_000_000
    assert [bad[name] for name in ("status", "node", "reason", "tries", "first_byte_us")] == [503, "", "no_node", 0, 0]
    assert bad["bytes_out"] == len(refusal.body) > 100


@run
async def test_every_line_parses_and_holds_no_secret(tmp_path: Path):  # LB-11
    path = tmp_path / "access.log"
    hostile = ['/"quoted"', "/back\\slash", "/%00%0a%22", "/{}[],:'", "/a?key=geheim", '/b?"=\\', "/?geheim"]
    async with nodes("a") as (a,):
        port = free_port()
        async with writing(spec(port, {"a": a.port}, health_check=None), path) as (_, log):
            for target in hostile:
                client = await Client.to(port)
                client.writer.write(
                    f"GET {target} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer geheim\r\nCookie: s=geheim\r\n"
                    'X-Request-Id: "geheim\\\r\nContent-Length: 6\r\nConnection: close\r\n\r\ngeheim'.encode()
                )
                await client.reader.read()
                client.close()
            assert log.dropped == 0
    found = [line["path"] for line in lines(path)]
    accepted = [target.partition("?")[0] for target in hostile]
    assert found == [target for target in accepted if target in found]
    assert len(found) >= 5
    assert b"geheim" not in path.read_bytes()


async def _bodies(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
    """By the path: a body of three octets, framed in each way."""
    if b"/length" in head:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc")
    elif b"/dripping" in head:
        writer.write(b"HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 3\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.02)
        writer.write(b"abc")
    elif b"/chunked" in head:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
    elif b"/close" in head:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nabc")
        writer.close()
    elif b"/garbage" in head:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n")
    else:
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")


FRAMED = len(b"3\r\nabc\r\n0\r\n\r\n")


@pytest.mark.parametrize(
    ("path", "wanted"),
    [("/length", 3), ("/dripping", 3), ("/chunked", FRAMED), ("/close", FRAMED), ("/garbage", 0), ("/none", 0)],
)
def test_the_octets_of_an_answer_are_those_after_its_head(tmp_path: Path, path: str, wanted: int):  # LB-11
    @run
    async def scenario() -> None:
        async with nodes("a", handler=_bodies) as (a,):
            port = free_port()
            async with writing(spec(port, {"a": a.port}, health_check=None), tmp_path / "log") as (server, _):
                request = f"GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode()
                answer = await raw(port, request)
                assert server.pools["p"].metrics.bytes_out == wanted
        (line,) = lines(tmp_path / "log")
        assert line["bytes_out"] == wanted == len(answer.partition(b"\r\n\r\n")[2])

    scenario()


ROUTES = {
    "old": {"path": "/old", "redirect": {"path": "/new"}},
    "down": {"path": "/down", "answer": {"status": 418, "body": "short and stout"}},
    "api": {"path": "/api", "pool": "p"},
}


@pytest.mark.parametrize(
    ("request_", "wanted"),
    [
        (b"GET /old?a=geheim HTTP/1.1", ["GET", "/old", 308, "redirect"]),
        (b"GET /down HTTP/1.1", ["GET", "/down", 418, "answer"]),
        (b"HEAD /down HTTP/1.1", ["HEAD", "/down", 418, "answer"]),
        (b'GET /no"where\\ HTTP/1.1', ["GET", '/no"where\\', 404, "no_route"]),
        (b"GET /api HTTP/1.1\r\nContent-Length: x", ["", "", 400, "bad_request"]),
        (b"GET /api HTTP/1.1\r\nX: ", ["", "", 408, "request_timeout"]),
    ],
)
def test_a_request_that_reaches_no_pool_has_its_line(tmp_path: Path, request_: bytes, wanted: list[Any]):  # LB-11
    @run
    async def scenario() -> None:
        async with nodes("a") as (a,):
            port, end = free_port(), b"" if request_.endswith(b": ") else b"\r\nHost: h\r\nConnection: close\r\n\r\n"
            listener = {"pool": None, "routes": ROUTES, "timeouts": {"header": 0.05}}
            async with writing(spec(port, {"a": a.port}, health_check=None, listener=listener), tmp_path / "log") as (
                server,
                _,
            ):
                answer = await raw(port, request_ + end)
                assert server.pools["p"].metrics.answers == {}
        (line,) = lines(tmp_path / "log")
        assert list(line) == FIELDS
        assert [line[name] for name in ("method", "path", "status", "reason")] == wanted
        assert [line[name] for name in ("client", "listener", "pool", "node", "tries")] == ["127.0.0.1", "l", "", "", 0]
        assert line["bytes_out"] == len(answer.partition(b"\r\n\r\n")[2])
        assert line["id"]

    scenario()


@run
async def test_a_tcp_connection_has_its_line(tmp_path: Path):  # LB-11
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello " + await reader.read())
        writer.close()

    echoing = await asyncio.start_server(echo, "127.0.0.1", 0)
    port, node = free_port(), echoing.sockets[0].getsockname()[1]
    found = spec(port, {"a": node}, protocol="tcp", health_check=None, limits={"hard": 1})
    async with echoing, writing(found, tmp_path / "log") as (server, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"you")
        await until(lambda: server.pools["p"].metrics.bytes_in == 3)
        with pytest.raises(ConnectionResetError):
            await raw(port, b"me too")
        writer.write_eof()
        assert await reader.read() == b"hello you"
        writer.close()
        await until(lambda: server.pools["p"].pool.in_flight == 0)
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        await until(lambda: server.pools["p"].pool.in_flight == 1)
        reset(writer)
        await until(lambda: server.pools["p"].pool.in_flight == 0)
    refused, good, left = lines(tmp_path / "log")
    assert list(good) == FIELDS
    names = (
        "client",
        "method",
        "path",
        "status",
        "listener",
        "pool",
        "node",
        "reason",
        "tries",
        "bytes_in",
        "bytes_out",
    )
    assert [good[name] for name in names] == ["127.0.0.1", "", "", 0, "l", "p", "a", "", 1, 3, 9]
    assert [refused[name] for name in ("node", "reason", "tries", "bytes_out")] == ["", "overflow", 0, 0]
    assert [left[name] for name in ("node", "reason", "tries")] == ["a", "cancelled", 1]
    assert 0 < good["duration_us"] < 10_000_000


@run
async def test_query_strings_are_written_when_asked_for(tmp_path: Path):
    path = tmp_path / "access.log"
    async with nodes("a") as (a,):
        port = free_port()
        async with writing(spec(port, {"a": a.port}, health_check=None), path, queries=True):
            await ask(port, "GET", "/a?b=c")
    assert lines(path)[0]["path"] == "/a?b=c"


@run
async def test_a_full_pipe_loses_lines_says_how_many_and_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(journal, "_EVERY", 0.01)
    monkeypatch.setattr(journal, "_MOST", 100)
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    sent = 0
    async with nodes("a") as (a,):
        port = free_port()
        async with writing(spec(port, {"a": a.port}, health_check=None), path) as (server, log):
            client = await Client.to(port)
            while log.dropped < 50:
                client.ask(path="/" + "x" * 1000)
                assert (await client.answer()).status == 200
                sent += 1
                assert sent < 5000
            client.close()
            await until(lambda: "the access log lost" in caplog.text)
            assert f"lbkit_access_log_dropped_total {log.dropped}" in exposition.text(server)
            assert server.status()["access_log_dropped"] == log.dropped
            os.set_blocking(reader, True)
            drained = asyncio.create_task(asyncio.to_thread(read_all, reader))
            await until(lambda: not log._lines)
    found = [json.loads(line) for line in (await drained).splitlines()]
    told = sum(line["dropped"] for line in found if "dropped" in line)
    assert told == log.dropped
    assert sum("path" in line for line in found) == sent - told, "each request is a line, or counted as lost"


def read_all(descriptor: int) -> bytes:
    with os.fdopen(descriptor, "rb") as file:
        return file.read()


@run
async def test_a_full_disk_is_counted_and_noticed(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.WARNING)
    monkeypatch.setattr(journal, "_EVERY", 0.01)
    async with nodes("a") as (a,):
        port = free_port()
        async with writing(spec(port, {"a": a.port}, health_check=None), Path("/dev/full")) as (_, log):
            assert (await ask(port)).status == 200
            await until(lambda: log.dropped == 1)
            await until(lambda: "the access log lost 1 lines" in caplog.text)


class Disk:
    """Where `os.write` of the log's thread finds so much room."""

    def __init__(self, room: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.room = room
        monkeypatch.setattr(log_file, "os", SimpleNamespace(**{**vars(os), "write": self.write}))

    def write(self, descriptor: int, data: bytes) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = os.write(descriptor, data[: self.room])
        self.room -= written
        return written


def test_what_a_full_disk_did_not_take_is_told_once_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    disk, path = Disk(17, monkeypatch), tmp_path / "log"
    file = LogFile(str(path), lambda missing: b"lost %d\n" % missing)
    file.write([b"line 1\n", b"line 2\n", b"line 3\n", b"line 4\n"])
    file.write([b"line 5\n"])
    wait_until(lambda: not file.pending, "all was tried")
    assert file.lost == 3, "two were taken whole, and a note is no line"
    disk.room = 1000
    file.write([b"line 6\n"], missing=2)
    file.write([b"line 7\n"], missing=2)
    assert file.end(10)
    assert path.read_text() == "line 1\nline 2\nlin\nline 6\nlost 5\nline 7\n"


def test_a_line_torn_off_leaves_no_trace_in_the_next_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    disk, path = Disk(3, monkeypatch), tmp_path / "log"
    file = LogFile(str(path))
    file.write([b"line 1\n"])
    wait_until(lambda: not file.pending, "it was tried")
    path.rename(tmp_path / "log.1")
    disk.room = 1000
    file.write([b"line 2\n"])
    assert file.end(10)
    assert (path.read_text(), (tmp_path / "log.1").read_text()) == ("line 2\n", "lin")


@run
async def test_a_file_that_was_moved_away_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(journal, "_EVERY", 0.01)
    path = tmp_path / "access.log"
    async with nodes("a") as (a,):
        port = free_port()
        async with writing(spec(port, {"a": a.port}, health_check=None), path) as (_, log):
            await ask(port, path="/before")
            await until(lambda: path.stat().st_size and not log._file.pending)
            path.rename(tmp_path / "access.log.1")
            await ask(port, path="/after")
            await until(path.exists)
    assert [line["path"] for line in lines(tmp_path / "access.log.1")] == ["/before"]
    assert [line["path"] for line in lines(path)] == ["/after"]


@run
async def test_a_log_that_cannot_be_opened_is_said_at_once(tmp_path: Path):
    os.mkfifo(tmp_path / "unread")
    for path in (tmp_path / "unread", tmp_path / "no" / "such", tmp_path):
        with pytest.raises(OperationError, match="access log can't be written"):
            Journal(str(path), asyncio.get_running_loop())


@pytest.mark.parametrize("errors", [subprocess.PIPE, subprocess.STDOUT])
def test_pipes_that_nobody_reads_stop_neither_requests_nor_the_end(tmp_path: Path, errors: int):
    with servers("a") as (a,):
        port = free_port()
        config = BootConfig(name="t", spec=spec(port, {"a": a.server_address[1]}, drain=1)).model_dump_json()
        (tmp_path / "boot.json").write_text(config)
        state = tmp_path / "state"
        argv = [
            sys.executable,
            "-m",
            "lbkit.cli",
            "serve",
            "--config",
            str(tmp_path / "boot.json"),
            "--state",
            str(state),
        ]
        process = subprocess.Popen([*argv, "--access-log", "-"], stdout=subprocess.PIPE, stderr=errors)
        try:
            wait_until(lambda: (state / "pid").exists() and get(port)[0] == 200, "it serves")
            for _ in range(100):
                assert get(port, "/" + "x" * 4000)[0] == 200
            for action in ("drain", "ready") * 5:  # each is a line of the process's own log
                assert call(state / "control.sock", "POST", f"/v1/pools/p/nodes/a/{action}")[0] == 200
            assert get(port)[0] == 200
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
            if process.stderr is not None:
                assert b"was not taken in time" in process.stderr.read()
        finally:
            process.kill()
            process.communicate()


def test_serve_says_so_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "boot.json").write_text(BootConfig(name="t", spec=spec(free_port(), {"a": 1})).model_dump_json())
    argv = [
        "serve",
        "--config",
        str(tmp_path / "boot.json"),
        "--state",
        str(tmp_path / "s"),
        "--access-log",
        "/no/such",
    ]
    assert main(argv) == 2
    assert "/no/such" in capsys.readouterr().err
