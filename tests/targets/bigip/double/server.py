"""The device over HTTPS, with a certificate made for the test."""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.targets.bigip.double.device import Device


def certificate(folder: Path, name: str, *hosts: str) -> tuple[Path, Path]:
    """A self-signed certificate and its key."""
    names = ",".join(f"DNS:{host}" for host in hosts) or "IP:127.0.0.1"
    pem, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
         "-keyout", str(key), "-out", str(pem), "-subj", "/CN=test", "-addext", f"subjectAltName={names}"],
        check=True, capture_output=True,
    )  # fmt: skip
    return pem, key


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave together
    device: Device
    lock: threading.Lock

    def _answer(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        binary = self.headers.get("Content-Type") == "application/octet-stream"
        body = raw.decode() if binary else json.loads(raw) if raw else None
        with self.lock:
            status, answer = self.device.handle(self.command, self.path, body, self.headers.get("X-F5-Auth-Token"))
            data = b"" if answer is None else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def serving(device: Device, folder: Path) -> Iterator[tuple[str, Path]]:
    """Address (host and port) of the device, and the certificate that it shows."""
    pem, key = certificate(folder, "device")
    handler = type("Handler", (_Handler,), {"device": device, "lock": threading.Lock()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}", pem
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
