"""Where the configuration comes from while the balancer runs: a file that is watched, or a URL that is polled.

A configuration that is not right is reported and changes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import logging
import os
import stat
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from time import monotonic
from typing import Any, Protocol

from lbkit.dataplane.config import BootConfig
from lbkit.dataplane.shell.server import Server
from lbkit.errors import LbkitError, OperationError, Problem

log = logging.getLogger("lbkit.config")
_FILE_EVERY = 1.0
_MOST = 16 * 1024 * 1024
_PATIENCE = 10.0
_TITLE = "The configuration can't be read"


class Unread(OperationError):
    """The place itself can't be read for now, whatever it holds."""


class Source(Protocol):
    """A place with a configuration."""

    every: float
    """Seconds between two looks."""

    def look(self) -> BootConfig | None:
        """The configuration, None when it is the one that was seen before. Raises LbkitError, and Unread for as long
        as the place can't be read. May block."""


class FileSource:
    """A file; `read` turns it into a configuration and raises LbkitError where it can't. A pipe is read once."""

    every = _FILE_EVERY

    def __init__(self, path: Path, read: Callable[[Path], BootConfig]) -> None:
        self._path, self._read = path, read
        self._stamp: tuple[float, int, int] | None = None
        self._watched = True

    def look(self) -> BootConfig | None:
        if self._stamp is None:
            return self._first()
        if not self._watched:
            return None
        try:
            found = os.stat(self._path)
        except OSError as error:
            raise Unread(_TITLE, [Problem(str(self._path), f"{error.strerror}.", "Put it back.")]) from None
        if not stat.S_ISREG(found.st_mode):  # to read a pipe could take for ever
            raise Unread(_TITLE, [Problem(str(self._path), "It is no file any more.", "Put the file back.")])
        if _stamp(found) == self._stamp:
            return None
        self._stamp = _stamp(found)
        return self._read(self._path)

    def _first(self) -> BootConfig:
        with contextlib.suppress(OSError):  # `read` has the words for it
            found = os.stat(self._path)
            self._stamp, self._watched = _stamp(found), stat.S_ISREG(found.st_mode)
        return self._read(self._path)


def _stamp(found: os.stat_result) -> tuple[float, int, int]:
    return (found.st_mtime, found.st_ino, found.st_size)


class UrlSource:
    """JSON at a URL, asked for with the ETag of the last answer (RFC 9110 section 13.1.2)."""

    def __init__(self, url: str, every: float = 10.0, token_file: Path | None = None) -> None:
        self._url, self.every, self._token_file = url, every, token_file
        self._tag: str | None = None
        self._seen: bytes | None = None

    def look(self) -> BootConfig | None:
        try:
            request = self._request()
            with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:
                body, tag = _body(answer), answer.headers.get("ETag")
        except urllib.error.HTTPError as error:
            if error.code == 304:
                return None
            raise self._unread(f"It was answered with status {error.code}.") from None
        except http.client.HTTPException as error:
            raise self._unread(f"It was answered with no proper HTTP: {error!r}.") from None
        except (OSError, ValueError) as error:
            raise self._unread(f"{getattr(error, 'reason', error)}.") from None
        if body == self._seen:
            return None
        try:
            data = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise OperationError(
                _TITLE, [Problem(self._url, f"Not JSON: {error}.", "Serve the configuration as JSON.")]
            ) from None
        found = BootConfig.load(data)
        self._tag, self._seen = tag, body
        return found

    def _request(self) -> urllib.request.Request:
        request = urllib.request.Request(self._url, headers={"Accept": "application/json"})
        if self._tag is not None:
            request.add_header("If-None-Match", self._tag)
        if self._token_file is not None:
            request.add_header("Authorization", f"Bearer {self._token_file.read_text().strip()}")
        return request

    def _unread(self, reason: str) -> Unread:
        return Unread(_TITLE, [Problem(self._url, reason, "Look at the URL, the token and who answers there.")])


def _body(answer: Any) -> bytes:
    """All of it, unless it comes too slowly."""
    deadline, parts, left = monotonic() + _PATIENCE, [], _MOST
    while left > 0 and (part := answer.read1(min(left, 65_536))):
        if monotonic() > deadline:
            raise TimeoutError(f"it did not arrive within {_PATIENCE:g} s")
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


async def follow(source: Source, server: Server, asked: asyncio.Event, watch: bool = True) -> None:
    """Apply what the source says whenever it says something new: looked at when `asked` is set, and now and then with
    `watch`. Ends when it is cancelled."""
    said = unread = ""
    while True:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asked.wait(), source.every if watch else None)
        asked.clear()
        try:
            config = await _apart(source.look)
            if unread:
                unread = ""
                log.info("the configuration can be read again")
            if config is not None:
                server.apply(config)
                said = ""
        except Unread as error:
            if str(error) != unread:
                unread = str(error)
                log.error("the running configuration stays: %s", unread)
        except LbkitError as error:
            if str(error) != said:
                said = str(error)
                log.error("the running configuration stays: %s", said)
        except Exception:  # a defect of ours must not end the watch
            log.exception("the running configuration stays")


async def _apart(look: Callable[[], BootConfig | None]) -> BootConfig | None:
    """In a thread that the process's end does not wait for: a server or a file system may hang."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[BootConfig | None] = loop.create_future()

    def settle(found: BootConfig | None, error: Exception | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(found)
        else:
            done.set_exception(error)

    def run() -> None:
        found, trouble = None, None
        try:
            found = look()
        except Exception as error:
            trouble = error
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, found, trouble)

    Thread(target=run, name="lbkit looks at its configuration", daemon=True).start()
    return await done
