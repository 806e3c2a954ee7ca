"""The control API: HTTP and JSON on a unix socket that only this user can open.

A bad request changes nothing and says what is wrong, with the path in the spec where there is one.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lbkit.dataplane.config import BootConfig
from lbkit.dataplane.shell.server import Server
from lbkit.dataplane.wire import request as requests
from lbkit.dataplane.wire.errors import BadMessage
from lbkit.errors import LbkitError, OperationError, Problem
from lbkit.spec.listener import RequestLimits

_LIMITS = RequestLimits(body=16 * 1024 * 1024)
_PATIENCE = 10.0
_NODE = re.compile(r"/v1/pools/([A-Za-z0-9-]+)/nodes/([A-Za-z0-9-]+)/(ready|drain|maintenance)")
Reply = tuple[int, Any]


class Control:
    """Serves the API for one server."""

    def __init__(self, server: Server, path: Path) -> None:
        self._server, self._path = server, path
        self._listening: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen. A socket left behind by a dead process is replaced. Raises OperationError."""
        if self._path.exists():
            await self._replace()
        before = os.umask(0o177)
        try:
            self._listening = await asyncio.start_unix_server(self._serve, self._path)
        except OSError as error:
            raise OperationError("The control socket can't be made", [Problem(str(self._path), f"{error}.")]) from None
        finally:
            os.umask(before)

    def close(self) -> None:
        if self._listening:
            self._listening.close()
        self._path.unlink(missing_ok=True)

    def answer(self, method: str, path: str, body: bytes) -> Reply:
        """Status and JSON for one call."""
        try:
            return self._route(method, path, body)
        except LbkitError as error:
            problems = [
                {"path": p.path, "value": p.value, "reason": p.reason, "remedy": p.remedy} for p in error.problems
            ]
            return 422, {"title": error.title, "problems": problems}

    async def _replace(self) -> None:
        try:
            _, writer = await asyncio.open_unix_connection(self._path)
        except OSError:
            self._path.unlink(missing_ok=True)
            return
        writer.close()
        reason = "Another balancer is running with this state folder."
        raise OperationError(
            "The control socket is taken", [Problem(str(self._path), reason, "Give each its own --state.")]
        )

    def _route(self, method: str, path: str, body: bytes) -> Reply:
        reads: dict[str, Callable[[], Reply]] = {
            "/v1/live": lambda: (200, {"live": True, "pid": os.getpid()}),
            "/v1/ready": self._ready,
            "/v1/status": lambda: (200, self._server.status()),
            "/v1/config": self._config,
        }
        if path in reads and method == "GET":
            return reads[path]()
        if path == "/v1/config" and method == "PUT":
            return self._configure(body)
        node = _NODE.fullmatch(path)
        if node and method == "POST":
            return self._set_admin(*node.groups())
        if path in reads or node:
            return 405, {"title": f"{method} is not for {path}"}
        return 404, {
            "title": f"There is no {path}",
            "paths": [*reads, "/v1/pools/POOL/nodes/NODE/{ready,drain,maintenance}"],
        }

    def _ready(self) -> Reply:
        reasons = self._server.unready()
        return (503 if reasons else 200), {"ready": not reasons, "reasons": reasons}

    def _config(self) -> Reply:
        return 200, self._server.config.model_dump() if self._server.config else None

    def _configure(self, body: bytes) -> Reply:
        try:
            data = json.loads(body)
        except ValueError as error:
            return 400, {"title": f"The body is not JSON: {error}"}
        if not isinstance(data, dict):
            return 400, {"title": "The body is not a JSON object"}
        self._server.apply(BootConfig.load(data))
        return 200, {"revision": self._server.revision}

    def _set_admin(self, pool: str, node: str, state: Any) -> Reply:
        dispatcher = self._server.pools.get(pool)
        if dispatcher is None or node not in dispatcher.pool.nodes:
            known = ", ".join(f"{p}/{n}" for p, d in self._server.pools.items() for n in d.pool.nodes)
            return 404, {"title": f"There is no node {pool}/{node}; there are {known}"}
        dispatcher.set_admin(node, state)
        found = dispatcher.pool.nodes[node]
        return 200, {"admin_state": found.admin, "in_flight": found.in_flight}

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            async with asyncio.timeout(_PATIENCE):
                writer.write(_reply(*await self._one(reader)))
                await writer.drain()
        writer.close()

    async def _one(self, reader: asyncio.StreamReader) -> Reply:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            request = requests.parse(head, _LIMITS)
        except BadMessage as error:
            return error.status, {"title": error.reason}
        if request.length is None:
            return 411, {"title": "Send a Content-Length"}
        body = await reader.readexactly(request.length)
        return self.answer(request.method.decode(), request.target.decode(), body)


def _reply(status: int, value: Any) -> bytes:
    body = json.dumps(value).encode() + b"\n"
    return b"HTTP/1.1 %d lbkit\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (
        status, len(body), body,
    )  # fmt: skip
