"""Who routes the trace: lbkit's algorithms, HAProxy's, and SMG's where it can be installed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.replay.fleet import Fleet
from bench.stage import PYTHON, Missing, Stage, answers, free_ports, until

WAIT, LONG = 1000, 3600
"""Seconds that a request may wait, and places in the queue: nobody is refused, so that all is measured."""
_PLACES = 100_000


@dataclass(slots=True, frozen=True)
class Contender:
    key: str
    name: str
    start: Callable[[Stage, Fleet, list[int]], tuple[int, subprocess.Popen[bytes]]]


def _lbkit(
    algorithm: str, limited: bool = False, weighted: bool = False
) -> Callable[..., tuple[int, subprocess.Popen[bytes]]]:
    def start(stage: Stage, fleet: Fleet, engines: list[int]) -> tuple[int, subprocess.Popen[bytes]]:
        (port,) = free_ports(1)
        place = stage.place / f"lbkit-{port}"
        place.mkdir(mode=0o700)
        weights = fleet.weights if weighted else [1] * len(engines)
        nodes = {
            f"n{i}": {"address": "127.0.0.1", "port": at, "weight": weight}
            for i, (at, weight) in enumerate(zip(engines, weights, strict=True))
        }
        pool = {"port": 1, "algorithm": algorithm, "nodes": nodes, "timeouts": {"first_byte": WAIT, "idle": WAIT}}
        if limited:
            pool["limits"] = {"hard": fleet.seats, "queue": {"size": _PLACES, "timeout": WAIT}}
        listener = {"address": "127.0.0.1", "port": port, "pool": "p"}
        (place / "spec.json").write_text(json.dumps({"pools": {"p": pool}, "listeners": {"l": listener}}))
        argv = [PYTHON, "-m", "lbkit.cli", "serve", "--config", str(place / "spec.json"), "--state", str(place)]
        return port, _started(stage, [*argv, "--access-log", str(place / "access.log")], port)

    return start


def _haproxy(
    balance: str, limited: bool = False, weighted: bool = False
) -> Callable[..., tuple[int, subprocess.Popen[bytes]]]:
    def start(stage: Stage, fleet: Fleet, engines: list[int]) -> tuple[int, subprocess.Popen[bytes]]:
        (port,) = free_ports(1)
        most = f" maxconn {fleet.seats}" if limited else ""
        weights = fleet.weights if weighted else [1] * len(engines)
        servers = "\n".join(
            f"  server s{i} 127.0.0.1:{at} check weight {weight}{most}"
            for i, (at, weight) in enumerate(zip(engines, weights, strict=True))
        )
        config = stage.place / f"haproxy-{port}.cfg"
        config.write_text(
            "global\n  nbthread 1\n  maxconn 8000\ndefaults\n  mode http\n  timeout connect 5s\n  option forwardfor\n"
            "  option http-no-delay\n"  # else it holds back the first token for up to 200 ms, waiting for more
            f"  timeout client {LONG}s\n  timeout server {LONG}s\n  timeout queue {WAIT}s\n  http-reuse always\n"
            f"frontend f\n  bind 127.0.0.1:{port}\n  default_backend b\nbackend b\n  balance {balance}\n{servers}\n"
        )
        return port, _started(stage, ["haproxy", "-db", "-f", str(config)], port)

    return start


def _smg(policy: str) -> Callable[..., tuple[int, subprocess.Popen[bytes]]]:
    def start(stage: Stage, fleet: Fleet, engines: list[int]) -> tuple[int, subprocess.Popen[bytes]]:
        port, metrics = free_ports(2)
        workers = [f"http://127.0.0.1:{at}" for at in engines]
        argv = [
            str(installed_smg()), "launch", "--host", "127.0.0.1", "--port", str(port), "--prometheus-host", "127.0.0.1",
            "--prometheus-port", str(metrics), "--policy", policy, "--request-timeout-secs", str(LONG), "--log-level", "warn",
            "--disable-tokenizer-autoload", "--max-concurrent-requests", str(_PLACES), "--worker-urls", *workers,
        ]  # fmt: skip
        return port, _started(stage, argv, port, "/health")

    return start


def installed_smg() -> Path:
    """SMG in an environment of its own, made where it is missing. Raises Missing."""
    place = Path(__file__).parents[2] / "build" / "smg"
    program = place / "bin" / "smg"
    if not program.exists():
        try:
            subprocess.run([sys.executable, "-m", "venv", str(place)], check=True, capture_output=True, timeout=120)
            pip = [
                str(place / "bin" / "python"),
                "-m",
                "pip",
                "--quiet",
                "--disable-pip-version-check",
                "install",
                "smg",
            ]
            subprocess.run(pip, check=True, capture_output=True, timeout=300)
        except (OSError, subprocess.SubprocessError) as error:
            said = getattr(error, "stderr", b"") or b""
            raise Missing(f"smg can't be installed: {said.decode()[-200:].strip() or error}") from None
    return program


def _started(stage: Stage, argv: list[str], port: int, target: str = "/v1/models") -> subprocess.Popen[bytes]:
    process = stage.start(argv, log=f"said-{port}.log")
    try:
        until(lambda: process.poll() is None and answers(port, target=target), f"{Path(argv[0]).name} answers", 40)
    except Missing as error:
        stage.end(process)
        raise Missing(f"{error}: {(stage.place / f'said-{port}.log').read_text()[-300:].strip()}") from None
    return process


CONTENDERS = (
    Contender("rr", "lbkit round_robin", _lbkit("round_robin")),
    Contender("lc", "lbkit least_connections", _lbkit("least_connections")),
    Contender("r2", "lbkit random_two", _lbkit("random_two")),
    Contender("hash", "lbkit source_hash", _lbkit("source_hash")),
    Contender("limits", "lbkit least_connections, hard limit and queue", _lbkit("least_connections", limited=True)),
    Contender("weights", "lbkit the same with weights", _lbkit("least_connections", limited=True, weighted=True)),
    Contender("ha-rr", "haproxy roundrobin", _haproxy("roundrobin")),
    Contender("ha-lc", "haproxy leastconn", _haproxy("leastconn")),
    Contender("ha-limits", "haproxy leastconn, maxconn and queue", _haproxy("leastconn", limited=True)),
    Contender("ha-weights", "haproxy the same with weights", _haproxy("leastconn", limited=True, weighted=True)),
    Contender("smg-rr", "smg round_robin", _smg("round_robin")),
    Contender("smg-p2", "smg power_of_two", _smg("power_of_two")),
    Contender("smg-load", "smg least_load", _smg("least_load")),
)
