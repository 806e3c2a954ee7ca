"""The access log: one JSON line a request or TCP connection. Nothing waits for the disk: a thread writes, and what it can't
take is counted, in the metrics, in the process's log, and in a line of the access log itself.

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
    from lbkit.dataplane.shell.tcp import Relay, TcpSession
    from lbkit.dataplane.wire.request import Request

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
        self._file = LogFile(path, _note)
        self._timer = loop.call_later(_EVERY, self._flush)
        self._refused = self._said = 0
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
        if _QUERY in path or _QUOTE in path or _BACKSLASH in path:
            path = self._shown(path)
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

    def here(self, session: HttpSession, request: Request | None, status: int, reason: str, octets: int) -> None:
        """One request that was answered without a pool; None where it was no proper one."""
        method, path = (request.method, self._shown(request.target)) if request is not None else (b"", b"")
        place = self._place((status, session.listening.name, "", "", reason, 0))
        self._add(session.request_id, session.peer, method, path, place, 0, 0, 0, 0, octets)

    def connection(self, session: TcpSession, relay: Relay, ended: float) -> None:
        """One TCP connection that ended."""
        pool = relay.dispatcher.name
        place = self._place((0, session.listening.name, pool, relay.served_by, relay.cause, len(relay.tried)))
        waited = (relay.assigned_at or ended) - relay.arrived if relay.waited else 0
        self._add(
            b"", relay.key, b"", b"", place, int(waited * 1e6), 0, int((ended - relay.arrived) * 1e6), relay.bytes_in,
            relay.bytes_out,
        )  # fmt: skip

    def _add(self, *values: bytes | int) -> None:
        if len(self._lines) >= _MOST:
            self._refused += 1
        else:
            self._lines.append(_LINE % (_stamp(int(time() * 1000)), *values))

    def _shown(self, path: bytes) -> bytes:
        """A target as text inside a JSON string."""
        if not self._queries and b"?" in path:
            path = path[: path.index(b"?")]
        return path.replace(b"\\", b"\\\\").replace(b'"', b'\\"')

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
        self._hand_over()
        if not await self._loop.run_in_executor(None, self._file.end, _LAST):
            log.warning("the access log was not taken in time: up to %d lines are lost", self._file.pending)

    def _flush(self) -> None:
        self._timer = self._loop.call_later(_EVERY, self._flush)
        self._tell()
        if self._lines and not self._file.pending:
            self._hand_over()

    def _hand_over(self) -> None:
        lines, self._lines = self._lines, []
        self._file.write(lines, self._refused)

    def _tell(self) -> None:
        dropped = self.dropped
        if dropped > self._said and monotonic() >= self._say_at:
            self._say_at = monotonic() + _TELL_EVERY
            log.warning("the access log lost %d lines, %d since the start", dropped - self._said, dropped)
            self._said = dropped


def _note(missing: int) -> bytes:
    return b'{"time":"%b","dropped":%d}\n' % (_stamp(int(time() * 1000)), missing)


def _stamp(millisecond: int) -> bytes:
    second = strftime("%Y-%m-%dT%H:%M:%S", gmtime(millisecond // 1000))
    return f"{second}.{millisecond % 1000:03}Z".encode()
