"""The access log: one JSON line a request. Nothing waits for the disk: a thread writes, and what it can't take is counted,
in the metrics, in the process's log, and in a line of the access log itself.

Query strings are left out unless asked for: they carry secrets often enough. Bodies and header values are never written.
"""

from __future__ import annotations

import asyncio
import logging
from time import gmtime, monotonic, strftime, time
from typing import TYPE_CHECKING

from lbkit.dataplane.shell.log_file import LogFile

if TYPE_CHECKING:
    from lbkit.dataplane.shell.exchange import Exchange
    from lbkit.dataplane.shell.http import HttpSession

log = logging.getLogger("lbkit.access")
_EVERY = 0.25
_TELL_EVERY = 10.0
_LAST = 2.0
"""Seconds that the last lines have to be written when the process ends."""
_PLACES = 10_000
_QUERY, _QUOTE, _BACKSLASH = b'?"\\'
_MOST = 20_000
"""Lines that may wait to be written: about 8 MB."""
_LINE = (
    b'{"time":"%b","id":"%b","client":"%b","method":"%b","path":"%b",%b,"wait_us":%d,'
    b'"first_byte_us":%d,"duration_us":%d,"bytes_in":%d,"bytes_out":%d}\n'
)
_Place = tuple[int, str, str, str, str, int]
"""Status, listener, pool, node, reason, how many nodes failed before."""


class Journal:
    """Writes to a file, which may be moved away at any time, or to standard output (`-`)."""

    def __init__(self, path: str, loop: asyncio.AbstractEventLoop, queries: bool = False) -> None:
        self._loop, self._queries = loop, queries
        self._lines: list[bytes] = []
        self._millisecond, self._stamp = 0, b""
        self._places: dict[_Place, bytes] = {}
        self._file = LogFile(path)
        self._timer = loop.call_later(_EVERY, self._flush)
        self._refused = self._told = self._said = 0
        self._say_at = 0.0

    @property
    def dropped(self) -> int:
        """Lines lost because the disk, or the reader of the pipe, was too slow."""
        return self._refused + self._file.lost

    def request(self, session: HttpSession, exchange: Exchange, began: float, ended: float) -> None:
        """One finished request; times are of the loop's clock."""
        if len(self._lines) >= _MOST:
            self._refused += 1
            return
        millisecond = int(ended * 1000)
        if millisecond != self._millisecond:
            self._millisecond = millisecond
            self._stamp = _stamp(int(time() * 1000))
        request = exchange.request
        path = request.target
        if not self._queries and _QUERY in path:
            path = path[: path.index(b"?")]
        if _QUOTE in path or _BACKSLASH in path:
            path = path.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
        key = (
            exchange.status, session.listening.name, exchange.dispatcher.name, exchange.served_by, exchange.cause,
            len(exchange.tried),
        )  # fmt: skip
        first = exchange.first_byte_at
        self._lines.append(
            _LINE % (
                self._stamp, session.request_id, session.peer, request.method, path, self._places.get(key) or self._place(key),
                int(((exchange.assigned_at or ended) - began) * 1e6) if exchange.waited else 0,
                int((first - began) * 1e6) if first else 0, int((ended - began) * 1e6), exchange.bytes_in, exchange.bytes_out,
            )
        )  # fmt: skip

    def _place(self, key: _Place) -> bytes:
        """Where a request went and what became of it, as fields of the line: there are few different ones."""
        if len(self._places) > _PLACES:
            self._places.clear()
        status, listener, pool, node, reason, tried = key
        text = f'"status":{status},"listener":"{listener}","pool":"{pool}","node":"{node}","reason":"{reason}"'
        found = self._places[key] = f'{text},"tries":{tried + bool(node)}'.encode()
        return found

    async def close(self) -> None:
        """Write what is left, but never wait for who does not read it."""
        self._timer.cancel()
        self._file.write(self._taken())
        if not await self._loop.run_in_executor(None, self._file.end, _LAST):
            log.warning("the access log was not taken in time: up to %d lines are lost", self._file.pending)

    def _flush(self) -> None:
        self._timer = self._loop.call_later(_EVERY, self._flush)
        self._tell()
        if self._lines and not self._file.pending:
            self._file.write(self._taken())

    def _taken(self) -> list[bytes]:
        """The lines so far, and how many are missing before them."""
        lines, self._lines = self._lines, []
        dropped = self.dropped
        if dropped > self._told:
            lines.append(b'{"time":"%b","dropped":%d}\n' % (_stamp(int(time() * 1000)), dropped - self._told))
            self._told = dropped
        return lines

    def _tell(self) -> None:
        dropped = self.dropped
        if dropped > self._said and monotonic() >= self._say_at:
            self._say_at = monotonic() + _TELL_EVERY
            log.warning("the access log lost %d lines, %d since the start", dropped - self._said, dropped)
            self._said = dropped


def _stamp(millisecond: int) -> bytes:
    second = strftime("%Y-%m-%dT%H:%M:%S", gmtime(millisecond // 1000))
    return f"{second}.{millisecond % 1000:03}Z".encode()
