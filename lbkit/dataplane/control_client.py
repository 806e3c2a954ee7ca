"""Calls of the control API, for the CLI and for the native target. Standard library only, no event loop."""

from __future__ import annotations

import http.client
import json
import os
import socket
import stat
from pathlib import Path
from typing import Any

from lbkit.errors import OperationError, Problem


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def call(socket_path: Path | str, method: str, path: str, body: Any = None, timeout: float = 5) -> tuple[int, Any]:
    """Status and JSON of one call. Raises OperationError when nobody answers or the socket is not this user's."""
    code, _, found = exchange(socket_path, method, path, None if body is None else json.dumps(body).encode(), timeout)
    try:
        return code, json.loads(found)
    except ValueError as error:
        raise _silent(Path(socket_path), error) from None


def exchange(
    socket_path: Path | str, method: str, path: str, body: bytes | None = None, timeout: float = 5
) -> tuple[int, dict[str, str], bytes]:
    """Status, header and body of one call, as they are. Raises OperationError as `call` does."""
    at = Path(socket_path)
    check_ours(at)
    connection = _UnixConnection(at, timeout)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()
    except (OSError, http.client.HTTPException) as error:
        raise _silent(at, error) from None
    finally:
        connection.close()


def _silent(at: Path, error: Exception) -> OperationError:
    return OperationError("The balancer does not answer", [Problem(str(at), f"{error}.", "Is it running?")])


def check_ours(path: Path) -> None:
    """Raises OperationError unless this is a socket of this user that nobody else can open."""
    try:
        found = path.lstat()
    except OSError:
        raise OperationError(
            "The balancer does not answer", [Problem(str(path), "There is no control socket.", "Is it running?")]
        ) from None
    if not stat.S_ISSOCK(found.st_mode):
        raise OperationError(
            "This is not a balancer's", [Problem(str(path), "It is not a socket.", "Give the right --state.")]
        )
    if found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise OperationError(
            "The control socket is not ours",
            [Problem(str(path), f"It belongs to user {found.st_uid} with mode {found.st_mode & 0o777:o}.",
                     "Use the account that started the balancer; if you did not start one, remove the file.")],
        )  # fmt: skip
