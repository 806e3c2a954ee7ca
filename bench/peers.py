"""Who is compared: HAProxy, nginx and lbkit with the same duties, each as its makers would set it up on one core.

The duties: least connections, a hard limit for each node, a queue (nginx has none), health checks (nginx has none),
kept connections to nodes, X-Forwarded-For, metrics that are scraped (nginx has none), and an access log into a file.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.stage import PYTHON, Missing, Stage, answers, free_ports, until

HARD, QUEUE, IDLE, MOST = 256, 4096, 75, 10_050


@dataclass(slots=True, frozen=True)
class Node:
    """An origin, as the proxies see it."""

    address: str
    port: int


@dataclass(slots=True)
class Peer:
    """A running proxy."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    base: str
    """The peer that its ratio is taken to."""
    place: Path
    scrape: Callable[[], object] | None = None

    @property
    def pid(self) -> int:
        return self.process.pid


def haproxy(port: int, nodes: list[Node], log: bool, metrics: int, **_: object) -> str:
    servers = "\n".join(
        f"  server s{i} {node.address}:{node.port} maxconn {HARD} check inter 5s" for i, node in enumerate(nodes)
    )
    return (
        f"global\n  nbthread 1\n  no strict-limits\n  maxconn {MOST}\n"
        + ("  log stdout format raw local0\n" if log else "")
        + "defaults\n  mode http\n  timeout client 75s\n  timeout server 100s\n  timeout connect 5s\n"
        f"  timeout queue 100s\n  timeout http-keep-alive {IDLE}s\n  option forwardfor\n  http-reuse always\n"
        "  option http-no-delay\n"  # for streams: without it events wait for more, up to 200 ms
        + ("  log global\n  option httplog\n" if log else "")
        + f"frontend f\n  bind 127.0.0.1:{port} backlog 4096\n  default_backend b\n"
        f"frontend metrics\n  bind 127.0.0.1:{metrics}\n  no log\n  http-request use-service prometheus-exporter\n"
        f"backend b\n  balance leastconn\n{servers}\n"
    )


def nginx(port: int, nodes: list[Node], log: bool, place: Path, **_: object) -> str:
    servers = "".join(f"    server {node.address}:{node.port} max_conns={HARD};\n" for node in nodes)
    path = place / "nginx-access.log"
    written = f"access_log {path} combined buffer=64k flush=1s" if log else "access_log off"
    bodies = "".join(
        f"  {kind}_temp_path {place}/{kind};\n" for kind in ("proxy", "client_body", "fastcgi", "uwsgi", "scgi")
    )
    return (
        f"daemon off;\nworker_processes 1;\nuser root;\npid {place}/nginx.pid;\nerror_log {place}/nginx-error.log crit;\n"
        f"events {{ worker_connections {MOST + 5000}; multi_accept on; }}\n"
        f"http {{\n  {written};\n{bodies}  keepalive_timeout {IDLE}s;\n  keepalive_requests 1000000000;\n"
        "  proxy_http_version 1.1;\n  proxy_set_header Connection \"\";\n  proxy_buffering off;\n"
        "  proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n  proxy_read_timeout 100s;\n"
        f"  upstream b {{\n    zone b 1m;\n    least_conn;\n{servers}    keepalive 512;\n    keepalive_requests 1000000000;\n  }}\n"
        f"  server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ proxy_pass http://b; }} }}\n}}\n"
    )  # fmt: skip


def lbkit(port: int, nodes: list[Node], **_: object) -> str:
    members = {f"s{i}": {"address": node.address, "port": node.port} for i, node in enumerate(nodes)}
    pool = {
        "port": 80, "algorithm": "least_connections", "nodes": members, "drain": 1,
        "limits": {"hard": HARD, "queue": {"size": QUEUE, "timeout": 100}},
        "health_check": {"interval": 5, "timeout": 5},
    }  # fmt: skip
    listener = {
        "address": "127.0.0.1",
        "port": port,
        "pool": "p",
        "limits": {"connections": MOST},
        "timeouts": {"keep_alive": IDLE},
    }
    return json.dumps({"pools": {"p": pool}, "listeners": {"l": listener}})  # fmt: skip


RENDER: dict[str, Callable[..., str]] = {"haproxy": haproxy, "nginx": nginx, "lbkit": lbkit}


def start(stage: Stage, kind: str, nodes: list[Node], log: bool = True, name: str = "") -> Peer:
    """Start a proxy on the first core, which it has for itself, and wait until it answers."""
    port, metrics = free_ports(2)
    name = name or (kind if log else f"{kind}, no log")
    place = stage.place / name.replace(", ", "-").replace(" ", "-")
    place.mkdir(mode=0o700, exist_ok=True)
    config = place / {"haproxy": "haproxy.cfg", "nginx": "nginx.conf", "lbkit": "lbkit.json"}[kind]
    config.write_text(RENDER[kind](port=port, nodes=nodes, log=log, metrics=metrics, place=place))
    argv = {
        "haproxy": ["haproxy", "-db", "-f", str(config)],
        "nginx": ["nginx", "-c", str(config), "-p", str(place)],
        "lbkit": [PYTHON, "-m", "lbkit.cli", "serve", "--config", str(config), "--state", str(place)],
    }[kind]
    if kind == "lbkit" and log:
        argv += ["--access-log", str(place / "access.log")]
    process = stage.start(argv, 0, f"{place.name}/said.log")
    try:
        until(lambda: process.poll() is None and answers(port), f"{name} answers")
    except Missing as error:
        said = (place / "said.log").read_text()[-600:]
        raise Missing(f"{error}\n{said}") from None
    return Peer(name, port, process, "haproxy" if log else "haproxy, no log", place, _scrape(kind, metrics, place))


def _scrape(kind: str, metrics: int, place: Path) -> Callable[[], object] | None:
    if kind == "haproxy":
        return lambda: urllib.request.urlopen(f"http://127.0.0.1:{metrics}/metrics", timeout=5).read()
    if kind == "lbkit":
        return lambda: _over_unix(place / "control.sock", "/metrics")
    return None


def _over_unix(path: Path, target: str) -> bytes:
    """An answer of the control API, whatever its type."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(5)
        sock.connect(str(path))
        sock.sendall(f"GET {target} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
        parts = []
        while part := sock.recv(65_536):
            parts.append(part)
    return b"".join(parts)


def missing() -> list[str]:
    """Programs that are not installed."""
    return [tool for tool in ("haproxy", "nginx", "wrk") if shutil.which(tool) is None]
