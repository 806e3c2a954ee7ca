"""The control API's sockets: a unix socket that only this user can open, and TCP for who knows the token."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import os
import re
from http import HTTPStatus
from pathlib import Path
from typing import Protocol

from lbkit.dataplane.shell.api import Api, Reply, problem
from lbkit.dataplane.shell.server import Server
from lbkit.dataplane.wire import request as requests
from lbkit.dataplane.wire.errors import BadMessage
from lbkit.dataplane.wire.request import Request
from lbkit.errors import OperationError, Problem, of_system
from lbkit.spec.listener import RequestLimits

_LIMITS = RequestLimits(body=16 * 1024 * 1024)
_PATIENCE = 10.0
_LONGEST = 107


class Settings(Protocol):
    """What the control API needs to know of the process's options."""

    @property
    def state(self) -> Path: ...
    @property
    def control(self) -> str | None: ...
    @property
    def token_file(self) -> Path | None: ...


class Control:
    """Serves the API for one server."""

    def __init__(self, server: Server, settings: Settings) -> None:
        self._settings = settings
        self._path = settings.state / "control.sock"
        self._api = Api(server)
        self._inode = 0
        self._listening: list[asyncio.Server] = []
        self._token = b""

    async def check_free(self) -> None:
        """Raises OperationError when another balancer answers here."""
        try:
            _, writer = await asyncio.open_unix_connection(self._path)
        except OSError:
            return
        writer.close()
        reason = "Another balancer is running with this state folder."
        raise OperationError(
            "The control socket is taken",
            [Problem(str(self._path), reason, "Give each its own --state, or say --take-over.")],
        )

    def prepare(self) -> None:
        """What can be known to fail before a predecessor goes. Raises OperationError."""
        if len(os.fsencode(self._path)) > _LONGEST:
            reason = f"The path of the control socket is longer than the {_LONGEST} octets that a socket's may have."
            raise OperationError(
                "The state folder can't be used", [Problem(str(self._path), reason, "Choose a shorter one.")]
            )
        if self._settings.control is not None:
            self._token = _token(self._settings.token_file)
            host, _, port = self._settings.control.rpartition(":")
            if not host or not (port.isdecimal() and 0 < int(port) < 65_536):
                problem = Problem(
                    "--control", "It is no ADDRESS:PORT.", "Such as 127.0.0.1:9100.", self._settings.control
                )
                raise OperationError("The control API can't listen", [problem])

    async def start(self) -> None:
        """Listen. A socket left behind by a dead process is replaced. Raises OperationError."""
        before = os.umask(0o177)
        try:
            self._path.unlink(missing_ok=True)
            self._listening.append(await asyncio.start_unix_server(self._serve_local, self._path))
            self._inode = self._path.stat().st_ino
        except OSError as error:
            raise OperationError("The control socket can't be made", [of_system(self._path, error)]) from None
        finally:
            os.umask(before)
        if self._settings.control is not None:
            self._token = self._token or _token(self._settings.token_file)
            self._listening.append(await self._open_tcp(self._settings.control))

    def close(self) -> None:
        for listening in self._listening:
            listening.close()
        with contextlib.suppress(OSError):
            if self._path.stat().st_ino == self._inode:  # a successor may have put its own there
                self._path.unlink()

    async def _open_tcp(self, where: str) -> asyncio.Server:
        host, _, port = where.rpartition(":")
        try:
            return await asyncio.start_server(self._serve_remote, host.strip("[]"), int(port))
        except OSError as error:
            raise OperationError("The control API can't listen", [of_system("--control", error, where)]) from None

    async def _serve_local(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._serve(reader, writer, trusted=True)

    async def _serve_remote(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._serve(reader, writer, trusted=False)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, trusted: bool) -> None:
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            async with asyncio.timeout(_PATIENCE):
                writer.write(_bytes(await self._one(reader, trusted)))
                await writer.drain()
        writer.close()

    async def _one(self, reader: asyncio.StreamReader, trusted: bool) -> Reply:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            request = requests.parse(head, _LIMITS)
        except BadMessage as error:
            return problem(error.status, error.reason)
        path = request.target.decode().partition("?")[0]
        if not trusted and path != "/" and not self._knows_token(request):
            return problem(401, "The control API asks for the bearer token", "WWW-Authenticate: Bearer")
        if why := _misled(request, trusted):
            return problem(403, why)
        if request.length is None:
            return problem(411, "Send a Content-Length")
        body = await reader.readexactly(request.length)
        return self._api.answer(request.method.decode(), path, body)

    def _knows_token(self, request: Request) -> bool:
        scheme, _, given = (request.value(b"authorization") or b"").partition(b" ")
        return scheme.lower() == b"bearer" and hmac.compare_digest(given.strip(), self._token)


def _token(path: Path | None) -> bytes:
    assert path is not None
    try:
        found = path.read_bytes().strip()
    except OSError as error:
        raise OperationError("The token can't be read", [of_system("--token-file", error, str(path))]) from None
    if len(found) < 16:
        reason = "A token of fewer than 16 characters can be guessed."
        raise OperationError("The token is too short", [Problem("--token-file", reason, "Use `openssl rand -hex 32`.")])
    return found


def _bytes(reply: Reply) -> bytes:
    lines = [
        f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}", f"Content-Type: {reply.content_type}",
        f"Content-Length: {len(reply.body)}",
        "Cache-Control: no-store", "X-Content-Type-Options: nosniff", "Connection: close", *reply.headers,
    ]  # fmt: skip
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + reply.body


def _misled(request: Request, trusted: bool) -> str:
    """Why this may be the work of a foreign page in a browser that reaches this socket through a forwarded port."""
    host = request.host or b""
    origin = request.value(b"origin")
    if origin is not None and origin.partition(b"://")[2] != host:
        return "A page of another origin may not use the control API"
    name = host.decode("latin-1").rpartition(":")[0] if re.search(rb":\d+$", host) else host.decode("latin-1")
    if trusted and "." in name and not re.fullmatch(r"[\d.]+", name):  # a foreign name that was pointed at us
        return "On its socket the control API is asked for as localhost or by an address"
    return ""
