"""lbkit's dataplane beside HAProxy, alternating in one run: CPU per request as a ratio. `make bench`.

The proxy has one core for itself, origin and load share the other; on fewer than two cores it says so and stops. Both
forward to two origins with least connections, a limit of 64 per node, kept connections and X-Forwarded-For. Ratios are
paired within a round; differences below about 15 % mean nothing on a shared machine.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

ORIGINS, HAPROXY, LBKIT = (18201, 18202), 18210, 18211
_POST = 'wrk.method = "POST"\nwrk.body = string.rep("x", 1200)\nwrk.headers["Content-Type"] = "application/json"\n'
LOADS = {"GET, 100 B answer": "", "POST, 1.2 kB body": _POST}


@dataclass(slots=True)
class Run:
    cpu_us: float
    rps: float
    busy: float
    errors: int


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=4)
    given = parser.parse_args()
    for tool in ("haproxy", "wrk"):
        if shutil.which(tool) is None:
            print(f"{tool} is missing: apt-get install haproxy wrk", file=sys.stderr)
            return 1
    if len(os.sched_getaffinity(0)) < 2:
        print("Two cores are needed, one for the proxy alone.", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as place, _running(Path(place)) as proxies:
        print(
            f"{'load':<20} {'haproxy us':>10} {'lbkit us':>10} {'ratio (min..max)':>20} {'lbkit req/s':>12} {'busy':>5}"
        )
        for name, script in LOADS.items():
            print(_compare(name, script, proxies, Path(place), given.rounds, given.seconds))
    return 0


def _compare(name: str, script: str, proxies: dict[int, int], place: Path, rounds: int, seconds: int) -> str:
    (place / "load.lua").write_text(script)
    runs = [
        (_measure(HAPROXY, proxies, place, seconds), _measure(LBKIT, proxies, place, seconds)) for _ in range(rounds)
    ]
    failed = sum(peer.errors + own.errors for peer, own in runs)
    ratios = [own.cpu_us / peer.cpu_us for peer, own in runs]
    peer, own = (statistics.median(r.cpu_us for r in column) for column in zip(*runs, strict=True))
    spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f}..{max(ratios):.2f})"
    rps, busy = (statistics.median(values) for values in zip(*((own.rps, own.busy) for _, own in runs), strict=True))
    note = f"  {failed} errors!" if failed else ""
    return f"{name:<20} {peer:>10.1f} {own:>10.1f} {spread:>20} {rps:>12.0f} {busy:>5.2f}{note}"


def _measure(port: int, proxies: dict[int, int], place: Path, seconds: int) -> Run:
    pid = proxies[port]
    before, began = _cpu(pid), time.monotonic()
    said = subprocess.run(
        ["wrk", "-t1", "-c32", f"-d{seconds}s", "-s", str(place / "load.lua"), f"http://127.0.0.1:{port}/"],
        capture_output=True, text=True, check=True, preexec_fn=partial(_pin, 1),
    ).stdout  # fmt: skip
    spent, lasted = _cpu(pid) - before, time.monotonic() - began
    requests = int(re.search(r"(\d+) requests in", said)[1])  # type: ignore[index]
    errors = sum(map(int, re.findall(r"(?:Non-2xx or 3xx responses: |connect |read |write |timeout )(\d+)", said)))
    return Run(spent / requests * 1e6, requests / lasted, spent / lasted, errors)


def _cpu(pid: int) -> float:
    """Seconds of processor time of all threads."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(path.read_text().split()[0]) for path in tasks) / 1e9


def _pin(core: int) -> None:
    os.sched_setaffinity(0, {_cores()[core]})


def _cores() -> list[int]:
    return sorted(os.sched_getaffinity(0))


@contextmanager
def _running(place: Path) -> Iterator[dict[int, int]]:
    """Origin and both proxies; pids by port."""
    (place / "origin.cfg").write_text(_origin())
    (place / "haproxy.cfg").write_text(_haproxy())
    (place / "lbkit.json").write_text(json.dumps(_lbkit()))
    commands = [
        (1, ["haproxy", "-db", "-f", str(place / "origin.cfg")]),
        (0, ["haproxy", "-db", "-f", str(place / "haproxy.cfg")]),
        (
            0,
            [
                sys.executable,
                "-m",
                "lbkit.cli",
                "serve",
                "--config",
                str(place / "lbkit.json"),
                "--state",
                str(place / "state"),
                "--access-log",
                str(place / "access.log"),
            ],
        ),
    ]
    started = [
        subprocess.Popen(argv, stderr=subprocess.DEVNULL, preexec_fn=partial(_pin, core))
        for core, argv in commands
    ]  # fmt: skip
    try:
        for port in (HAPROXY, LBKIT):
            _await(port)
        yield {HAPROXY: started[1].pid, LBKIT: started[2].pid}
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(20)


def _await(port: int) -> None:
    deadline = time.monotonic() + 15
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2).read()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _origin() -> str:
    binds = "\n".join(f"  bind 127.0.0.1:{port}" for port in ORIGINS)
    answer = f'  http-request return status 200 content-type text/plain string "{"x" * 100}"'
    return f"global\n  nbthread 1\ndefaults\n  mode http\n  timeout client 30s\nfrontend f\n{binds}\n{answer}\n"


def _haproxy() -> str:
    servers = "\n".join(f"  server s{i} 127.0.0.1:{port} maxconn 64" for i, port in enumerate(ORIGINS))
    return (
        "global\n  nbthread 1\ndefaults\n  mode http\n  timeout client 30s\n  timeout server 30s\n  timeout connect 5s\n"
        "  timeout queue 30s\n  option forwardfor\n  http-reuse always\n"
        f"frontend f\n  bind 127.0.0.1:{HAPROXY}\n  default_backend b\nbackend b\n  balance leastconn\n{servers}\n"
    )


def _lbkit() -> dict[str, object]:
    nodes = {f"s{i}": {"address": "127.0.0.1", "port": port} for i, port in enumerate(ORIGINS)}
    limits = {"hard": 64, "queue": {"size": 1000, "timeout": 30}}
    pool = {"port": 80, "algorithm": "least_connections", "limits": limits, "nodes": nodes, "drain": 1}
    return {"pools": {"p": pool}, "listeners": {"l": {"address": "127.0.0.1", "port": LBKIT, "pool": "p"}}}


if __name__ == "__main__":
    sys.exit(main())
