"""HAProxy, nginx and lbkit alternating in one run: processor time for a unit of work, as a ratio. `make bench`.

The proxy has one core for itself; origin and load share the other. Ratios are paired with HAProxy's of the same round,
with the same duties on both (`bench/peers.py`). Differences below about 15 % mean nothing on a shared machine.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import peers, plot
from bench.loads import LOADS, Load, held, nodes
from bench.peers import Node, Peer
from bench.report import HEAD, Held, Row, Run, lines, memory_table, rows, write
from bench.stage import Missing, Stage, cores, free_ports, origin, scraped

PERIOD = 20
"""Milliseconds between two events of a stream."""
MORE = {"nodes": "4 against 1,000 nodes", "idle": "10,000 idle connections", "readers": "200 slow readers"}
PLACE = Path(__file__).parent.parent / "build" / "bench"


def main() -> int:
    given = _arguments()
    if absent := peers.missing():
        return _refuse(f"Missing: {', '.join(absent)}. apt-get install {' '.join(absent)}")
    if len(cores()) < 2:
        return _refuse("Two cores are needed, one for the proxy alone.")
    try:
        with Stage() as stage:
            os.sched_setaffinity(0, {cores()[1]})
            _bench(stage, given.only, given.rounds, given.seconds)
    except Missing as error:
        return _refuse(str(error))
    except KeyboardInterrupt:
        return _refuse("Stopped; nothing is left behind.", 130)
    return 0


def _arguments() -> argparse.Namespace:
    keys = [*(load.key for load in LOADS), *MORE]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=lambda text: _known(text, keys), default=keys, help=f"some of {','.join(keys)}")
    parser.add_argument("--rounds", type=int, default=3, help="how often each proxy gets each load")
    parser.add_argument("--seconds", type=float, default=3, help="how long each load lasts")
    return parser.parse_args()


def _known(text: str, keys: list[str]) -> list[str]:
    wanted = text.split(",")
    if unknown := [key for key in wanted if key not in keys]:
        raise argparse.ArgumentTypeError(f"there is no load {', '.join(unknown)}; there are {', '.join(keys)}")
    return wanted


def _bench(stage: Stage, only: list[str], rounds: int, seconds: float) -> None:
    about = _about(rounds, seconds)
    ports = free_ports(2)
    for port in ports:
        origin(stage, PERIOD, port)
    both = [Node("127.0.0.1", port) for port in ports]
    loads = [load for load in LOADS if load.key in only]
    print(HEAD)
    found: list[Row] = []
    memory: list[Held] = []
    if loads:
        contenders = [
            peers.start(stage, kind, both, log) for log in (True, False) for kind in ("haproxy", "nginx", "lbkit")
        ]
        for load in loads:
            found += _compare(stage, load, contenders, rounds, seconds)
        for peer in contenders:
            stage.end(peer.process)
    if "nodes" in only:
        found += _shown(nodes.compare(stage, PERIOD, rounds, seconds))
    for kind in ("haproxy", "nginx", "lbkit"):
        if {"idle", "readers"} & set(only):
            memory += _held(stage, kind, both, only)
    if memory:
        print("\n" + memory_table(memory))
    write(PLACE, found, memory, about)
    _plot(found, memory)
    print(f"\nwritten to {PLACE.relative_to(Path.cwd()) if PLACE.is_relative_to(Path.cwd()) else PLACE}")


def _compare(stage: Stage, load: Load, contenders: list[Peer], rounds: int, seconds: float) -> list[Row]:
    runs: dict[str, list[Run]] = {peer.name: [] for peer in contenders}
    for _ in range(rounds):
        for peer in contenders:
            with scraped(peer.scrape, seconds / 2):
                runs[peer.name].append(load.run(stage, peer, seconds))
    return _shown(rows(load.name, load.unit, runs, {peer.name: peer.base for peer in contenders}))


def _shown(found: list[Row]) -> list[Row]:
    print("\n".join(lines(found)), flush=True)
    return found


def _held(stage: Stage, kind: str, both: list[Node], only: list[str]) -> list[Held]:
    """Each on a fresh process, so that the memory before is that of a proxy that did nothing yet."""
    found = []
    for key, hold in (("idle", held.idle), ("readers", held.readers)):
        if key in only:
            peer = peers.start(stage, kind, both, name=f"{kind}")
            found.append(hold(peer))
            stage.end(peer.process)
    return found


def _about(rounds: int, seconds: float) -> dict[str, object]:
    """How far to trust the run: a pure loop's processor time over its wall time is 1 on a quiet machine."""
    spent, began = time.process_time(), time.monotonic()
    while time.monotonic() - began < 0.5:
        pass
    quiet = (time.process_time() - spent) / (time.monotonic() - began)
    print(
        f"{rounds} rounds of {seconds:g} s; a pure loop gets {quiet:.2f} of its core{'' if quiet > 0.97 else ': NOT A QUIET MACHINE'}"
    )
    return {
        "rounds": rounds,
        "seconds": seconds,
        "quiet": round(quiet, 3),
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def _plot(found: list[Row], memory: list[Held]) -> None:
    if found:
        bars = [plot.Bar(row.load, row.peer, row.ratio, row.lowest, row.highest) for row in found]
        (PLACE / "ratios.svg").write_text(plot.svg("Processor time", "HAProxy = 1", bars, 1.0))
    if memory:
        bars = [plot.Bar(one.load, one.peer, one.after, one.after, one.after) for one in memory]
        (PLACE / "memory.svg").write_text(plot.svg("Memory", "MB", bars))


def _refuse(why: str, status: int = 1) -> int:
    print(why, file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
