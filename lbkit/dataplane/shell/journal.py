"""The access log: one JSON line a request. Nothing waits for the disk: a thread writes, and what it can't take is counted.

Query strings are left out unless asked for: they carry secrets often enough. Bodies and header values are never written.
"""

from __future__ import annotations

import asyncio
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import gmtime, strftime, time
from typing import TYPE_CHECKING

from lbkit.errors import OperationError, Problem

if TYPE_CHECKING:
    from lbkit.dataplane.shell.exchange import Exchange
    from lbkit.dataplane.shell.http import HttpSession

_EVERY = 0.25
_PLACES = 10_000
_MOST = 20_000
"""Lines that may wait to be written: about 8 MB."""
_LINE = (
    b'{"time":"%b","id":"%b","client":"%b","method":"%b","path":"%b","status":%d%b,"tries":%d,"wait_us":%d,'
    b'"first_byte_us":%d,"duration_us":%d,"bytes_in":%d,"bytes_out":%d}\n'
)


class Journal:
    """Writes to a file, which may be moved away at any time, or to standard output (`-`)."""

    def __init__(self, path: str, loop: asyncio.AbstractEventLoop, queries: bool = False) -> None:
        self._path, self._loop, self._queries = path, loop, queries
        self._lines: list[bytes] = []
        self._millisecond, self._stamp = 0, b""
        self._places: dict[tuple[str, str, str, str], bytes] = {}
        self._writing = False
        self._file = _opened(path)
        self._writer = ThreadPoolExecutor(1, "lbkit-access-log")
        self._timer = loop.call_later(_EVERY, self._flush)
        self.dropped = 0
        """Lines lost because the disk, or the reader of the pipe, was too slow."""

    def request(self, session: HttpSession, exchange: Exchange, began: float, ended: float) -> None:
        """One finished request; times are of the loop's clock."""
        if len(self._lines) >= _MOST:
            self.dropped += 1
            return
        millisecond = int(time() * 1000)
        if millisecond != self._millisecond:
            self._millisecond = millisecond
            second = strftime("%Y-%m-%dT%H:%M:%S", gmtime(millisecond // 1000))
            self._stamp = f"{second}.{millisecond % 1000:03}Z".encode()
        request = exchange.request
        path = request.target
        if not self._queries and b"?" in path:
            path = path[: path.index(b"?")]
        if b'"' in path or b"\\" in path:
            path = path.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
        key = (session.listening.name, exchange.dispatcher.name, exchange.served_by, exchange.cause)
        first = exchange.first_byte_at
        self._lines.append(
            _LINE % (
                self._stamp, session.request_id, session.peer, request.method, path, exchange.status,
                self._places.get(key) or self._place(key), len(exchange.tried) + 1,
                ((exchange.assigned_at or ended) - began) * 1e6 if exchange.waited else 0,
                (first - began) * 1e6 if first else 0, (ended - began) * 1e6, exchange.bytes_in, exchange.bytes_out,
            )
        )  # fmt: skip

    def _place(self, key: tuple[str, str, str, str]) -> bytes:
        """Where a request went and why it failed, as fields of the line: there are few different ones."""
        if len(self._places) > _PLACES:
            self._places.clear()
        found = self._places[key] = b',"listener":"%b","pool":"%b","node":"%b","reason":"%b"' % tuple(
            part.encode() for part in key
        )
        return found

    async def close(self) -> None:
        """Write what is left."""
        self._timer.cancel()
        lines, self._lines = self._lines, []
        await self._loop.run_in_executor(self._writer, self._write, lines)
        self._writer.shutdown(wait=False)
        if self._file != sys.stdout.fileno():
            os.close(self._file)

    def _flush(self) -> None:
        self._timer = self._loop.call_later(_EVERY, self._flush)
        if not self._lines or self._writing:
            return
        lines, self._lines = self._lines, []
        if self.dropped:
            lines.append(b'{"dropped":%d}\n' % self.dropped)
        self._writing = True
        self._loop.run_in_executor(self._writer, self._write, lines).add_done_callback(self._written)

    def _written(self, done: asyncio.Future[None]) -> None:
        self._writing = False
        if not done.cancelled():
            done.exception()

    def _write(self, lines: list[bytes]) -> None:
        try:
            self._reopen_if_moved()
            data = memoryview(b"".join(lines))
            while data:
                data = data[os.write(self._file, data) :]
        except OSError:
            self.dropped += len(lines)

    def _reopen_if_moved(self) -> None:
        if self._path == "-":
            return
        try:
            there = os.stat(self._path)
        except FileNotFoundError:
            there = None
        here = os.fstat(self._file)
        if there is None or (there.st_dev, there.st_ino) != (here.st_dev, here.st_ino):
            os.close(self._file)
            self._file = _opened(self._path)


def _opened(path: str) -> int:
    if path == "-":
        return sys.stdout.fileno()
    try:
        return os.open(Path(path), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise OperationError("The access log can't be written", [Problem(path, f"{error.strerror}.")]) from None
