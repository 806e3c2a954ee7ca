"""The status page for a browser on this machine: a door on loopback to the control socket, open while the command runs.

Every user of the machine can reach a loopback port, so whoever comes must show the token that the printed link carries.
It stands behind `#`, which browsers keep to themselves.
"""

from __future__ import annotations

import hmac
import secrets
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from lbkit.dataplane.control_client import check_ours, exchange
from lbkit.errors import OperationError, Problem

_MOST = 16 * 1024 * 1024
_PASSED = ("Content-Type", "Content-Security-Policy", "Referrer-Policy", "X-Content-Type-Options", "Cache-Control")


class Door(ThreadingHTTPServer):
    """Passes calls on to the control socket."""

    daemon_threads = True

    def __init__(self, control: Path, port: int) -> None:
        self.control, self.token = control, secrets.token_urlsafe(24)
        super().__init__(("127.0.0.1", port), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/#token={self.token}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that left is no error."""


def run(control: Path, port: int) -> None:
    """Serve until Ctrl-C. Raises OperationError."""
    check_ours(control)
    try:
        door = Door(control, port)
    except (OSError, OverflowError) as error:
        reason = f"{getattr(error, 'strerror', None) or error}."
        raise OperationError(
            "The page can't be shown", [Problem("--port", reason, "Choose another.", str(port))]
        ) from None
    with door:
        print(f"The status page, for you alone and until Ctrl-C: {door.url}", flush=True)
        door.serve_forever()


class _Handler(BaseHTTPRequestHandler):
    server: Door

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        scheme, _, given = self.headers.get("Authorization", "").partition(" ")
        known = scheme == "Bearer" and hmac.compare_digest(given.encode(), self.server.token.encode())
        length = int(self.headers.get("Content-Length") or 0)
        if path != "/" and not known:
            self._send(
                401, {"Content-Type": "application/problem+json"}, b'{"title": "Open the link that was printed"}'
            )
        elif length > _MOST:
            self._send(413, {}, b"")
        else:
            self._pass_on(path, self.rfile.read(length))

    do_POST = do_PUT = do_DELETE = do_GET

    def _pass_on(self, path: str, body: bytes) -> None:
        try:
            status, fields, found = exchange(self.server.control, self.command, path, body)
        except OperationError as error:
            status, fields, found = 502, {"Content-Type": "text/plain; charset=utf-8"}, str(error).encode()
        self._send(status, {name: fields[name] for name in _PASSED if name in fields}, found)

    def _send(self, status: int, fields: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """The terminal belongs to the link."""
