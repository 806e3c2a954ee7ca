"""Nodes and load for tests of the running balancer: real sockets, in threads."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PATIENCE = 20.0


class NodeServer(ThreadingHTTPServer):
    """Answers /health at once, everything else after `seconds`, or once `gate` is open, with its name; counts what it answered.

    `most`: what it did at the same time.
    """

    daemon_threads = True

    def __init__(self, name: str, seconds: float = 0.0) -> None:
        self.name, self.seconds, self.served = name, seconds, 0
        self.now = self.most = 0
        self.lock, self.gate = threading.Lock(), threading.Event()
        self.gate.set()
        super().__init__(("127.0.0.1", 0), _Handler)
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def at(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that left is no error of the node's."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: NodeServer

    def do_GET(self) -> None:
        if self.path != "/health":
            self._work()
        body = self.server.name.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _work(self) -> None:
        server = self.server
        with server.lock:
            server.now += 1
            server.most = max(server.most, server.now)
        time.sleep(server.seconds)  # the work of a node, not a synchronisation
        server.gate.wait(PATIENCE)
        with server.lock:
            server.now -= 1
            server.served += 1

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def servers(*names: str, seconds: float = 0.0) -> Iterator[list[NodeServer]]:
    started = [NodeServer(name, seconds) for name in names]
    try:
        yield started
    finally:
        for server in started:
            server.shutdown()
            server.server_close()


def get(port: int, path: str = "/") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


class Load:
    """Clients that ask again and again on kept connections, until told to stop."""

    def __init__(self, port: int, clients: int = 4) -> None:
        self.port = port
        self.answers: Counter[str] = Counter()
        self.failures: list[str] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(clients)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(PATIENCE)

    def _ask(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        while not self._stop.is_set():
            try:
                connection.request("GET", "/work")
                answer = connection.getresponse()
                name = answer.read().decode()
                if answer.status == 200:
                    self.answers[name] += 1
                else:
                    self.failures.append(f"{answer.status} {name}")
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                connection.close()
        connection.close()


def until(condition: Callable[[], Any], what: str) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)
