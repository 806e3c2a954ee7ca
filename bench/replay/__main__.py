"""`make replay`: a production trace against simulated A100s and A40s; time to first token for each way of routing.

Open-loop: requests come at the trace's times, sped up so that they fill a set share of the fleet's capacity. All time
runs FACTOR times as fast; what is printed is the trace's time. Contenders run one after another against fresh engines.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench import plot
from bench.replay import simulate, table, traces
from bench.replay.client import replay
from bench.replay.contenders import CONTENDERS, Contender
from bench.replay.fleet import Fleet, mixed
from bench.replay.table import Result
from bench.replay.traces import NoTrace, Request
from bench.stage import PYTHON, Missing, Stage, answers, free_ports, until

ROOT = Path(__file__).parents[2]
PLACE = ROOT / "build" / "bench"
_DRAIN = 60.0
"""Seconds, of our time, that the last requests may take after the last arrival."""


def main() -> int:
    given = _arguments()
    try:
        fleet = mixed(given.a100, given.a40, given.seats, given.traces)
        requests = fleet.loaded(traces.load(given.traces, given.trace, given.requests, given.skip), given.load)
        if shutil.which("haproxy") is None and not given.simulated:
            raise Missing("haproxy is missing: apt-get install haproxy")
        _introduce(given, fleet, requests)
        results = _simulated(fleet, requests, given) if given.simulated else _measured(fleet, requests, given)
    except (NoTrace, Missing) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped; nothing is left behind.", file=sys.stderr)
        return 130
    _write(results, given)
    return 0


def _arguments() -> argparse.Namespace:
    keys = [contender.key for contender in CONTENDERS]
    parser = argparse.ArgumentParser(
        prog="make replay", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--traces", type=Path, default=ROOT.parent / "shared" / "traces", help="folder of the traces")
    parser.add_argument("--trace", choices=("azure", "mooncake"), default="azure")
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--skip", type=int, default=0, help="requests of the trace to leave out at its start")
    parser.add_argument("--load", type=float, default=0.85, help="share of the fleet's capacity")
    parser.add_argument("--factor", type=float, default=10, help="how many times as fast time runs")
    parser.add_argument("--seats", type=int, default=16, help="requests that one engine runs at once")
    parser.add_argument("--a100", type=int, default=2)
    parser.add_argument("--a40", type=int, default=4)
    parser.add_argument("--objective", type=float, default=1.0, help="seconds to the first token")
    parser.add_argument("--only", default=",".join(keys), help=f"some of {','.join(keys)}")
    parser.add_argument(
        "--simulated", action="store_true", help="lbkit's core in simulated time, no sockets; takes seconds"
    )
    given = parser.parse_args()
    given.only = given.only.split(",")
    if unknown := set(given.only) - set(keys):
        parser.error(f"there is no contender {', '.join(sorted(unknown))}; there are {', '.join(keys)}")
    return given


def _introduce(given: argparse.Namespace, fleet: Fleet, requests: list[Request]) -> None:
    print(
        f"{len(requests)} requests of the {given.trace} trace at {traces.rate(requests):.1f}/s, {given.load:.0%} of what "
        f"{given.a100} A100 and {given.a40} A40 with {given.seats} seats each carry"
        + ("; simulated" if given.simulated else f"; time runs {given.factor:g} times as fast")
    )


def _measured(fleet: Fleet, requests: list[Request], given: argparse.Namespace) -> list[Result]:
    print(table.lines([], given.objective)[0], flush=True)
    results = []
    for contender in CONTENDERS:
        if contender.key not in given.only:
            continue
        with Stage() as stage:
            results.append(_measure(stage, contender, fleet, requests, given))
        print(table.line(results[-1]), flush=True)
    return results


def _measure(
    stage: Stage, contender: Contender, fleet: Fleet, requests: list[Request], given: argparse.Namespace
) -> Result:
    engines = free_ports(len(fleet.engines))
    for port, profile in zip(engines, fleet.engines, strict=True):
        numbers = [str(value) for value in (profile.base, profile.slope, profile.prefill)]
        argv = ["--port", str(port), "--factor", str(given.factor), "--seats", str(fleet.seats), "--profile", *numbers]
        stage.start([PYTHON, "-m", "bench.replay.worker", *argv], log="engines.log")
    for port in engines:
        until(lambda port=port: answers(port), "the engine answers")  # type: ignore[misc]
    try:
        port, _ = contender.start(stage, fleet, engines)
    except Missing as error:
        return Result(contender.name, 0, 0, 0, 0, 0, " ".join(str(error).split())[:160])
    seen = asyncio.run(replay(port, requests, given.factor, _DRAIN))
    return table.result(contender.name, [one.first if one else None for one in seen], given.objective)


def _simulated(fleet: Fleet, requests: list[Request], given: argparse.Namespace) -> list[Result]:
    limits = {"hard": fleet.seats, "queue": {"size": 100_000, "timeout": 80_000}}
    variants: dict[str, tuple[dict[str, Any], bool]] = {
        name: ({"algorithm": name}, False) for name in ("round_robin", "least_connections", "random_two", "source_hash")
    }
    variants["least_connections, hard limit and queue"] = ({"algorithm": "least_connections", "limits": limits}, False)
    variants["the same with weights"] = ({"algorithm": "least_connections", "limits": limits}, True)
    results = [
        table.result(name, simulate.first_tokens(requests, fleet, settings, weighted), given.objective)
        for name, (settings, weighted) in variants.items()
    ]
    print("\n".join(table.lines(results, given.objective)))
    return results


def _write(results: list[Result], given: argparse.Namespace) -> None:
    PLACE.mkdir(parents=True, exist_ok=True)
    about = {key: str(value) for key, value in vars(given).items()}
    (PLACE / "replay.json").write_text(
        json.dumps({"about": about, "results": [asdict(one) for one in results]}, indent=2) + "\n"
    )
    bars = [plot.Bar(one.name, "p99", one.p99, one.p50, one.p99) for one in results if not one.note]
    (PLACE / "replay.svg").write_text(plot.svg("Time to first token: p99, line from p50", "s", bars))
    print(f"\nwritten to {PLACE}")


if __name__ == "__main__":
    sys.exit(main())
