"""Small requests, as many as the proxy takes, from wrk with 64 connections."""

from __future__ import annotations

import re
import time

from bench.peers import Peer
from bench.report import Run
from bench.stage import Stage, cpu

CONNECTIONS = 64
_CLIENT = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    "Accept": "application/json, text/event-stream, */*;q=0.8",
    "Accept-Language": "en-GB,en;q=0.9,de;q=0.8",
    "Authorization": "Bearer " + "k" * 120,
    "Content-Type": "application/json",
    "Cookie": "session=" + "c" * 80,
    "X-Request-Source": "bench",
}
GET = ""
SAME = 'wrk.method = "POST"\nwrk.body = string.rep("x", 1200)\n' + "".join(
    f'wrk.headers["{name}"] = "{value}"\n' for name, value in _CLIENT.items()
)
POST = (
    SAME
    + "local sent = 0\nfunction request()\n  sent = sent + 1\n"
    + '  wrk.headers["Idempotency-Key"] = "bench-" .. sent\n  return wrk.format()\nend\n'
)
CLOSE = 'wrk.headers["Connection"] = "close"\n'


def get(stage: Stage, peer: Peer, seconds: float) -> Run:
    return _wrk(stage, peer, seconds, GET)


def post(stage: Stage, peer: Peer, seconds: float) -> Run:
    """About 500 octets of headers, as browsers and client libraries send them; one of them differs each time, as ids do."""
    return _wrk(stage, peer, seconds, POST)


def same(stage: Stage, peer: Peer, seconds: float) -> Run:
    """The very same head again and again, which a proxy may remember."""
    return _wrk(stage, peer, seconds, SAME)


def connect(stage: Stage, peer: Peer, seconds: float) -> Run:
    return _wrk(stage, peer, seconds, CLOSE)


def _wrk(stage: Stage, peer: Peer, seconds: float, script: str) -> Run:
    path = stage.place / "load.lua"
    path.write_text(script)
    whole = max(1, round(seconds))
    argv = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{whole}s", "-s", str(path), f"http://127.0.0.1:{peer.port}/"]
    before, began = cpu(peer.pid), time.monotonic()
    said = stage.run(argv, 1, whole + 20)
    return read(said, cpu(peer.pid) - before, time.monotonic() - began)


def read(said: str, spent: float, lasted: float) -> Run:
    """What wrk says, as a run."""
    found = re.search(r"(\d+) requests in", said)
    errors = re.findall(r"(?:Non-2xx or 3xx responses: |connect |read |write |timeout )(\d+)", said)
    return Run(spent, int(found[1]) if found else 0, lasted, sum(map(int, errors)))
