"""`make soak`: clients that leave, nodes that die, reloads and drains against a running `lbkit serve`, for minutes; then
successors that take over, one after the other, while the clients go on.

At the end every counter of /v1/status is zero, memory and descriptors are flat, no node ever carried more than its hard
limit (the nodes count themselves), and the only failed requests are those on a node at its death or while it hung.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.soak.clients import DEEDS, PATIENCE, Ports, Wrong
from bench.soak.fleet import HARD, POOLS, Fleet, document
from bench.soak.ledger import Ledger, Outcome, fifths, growth
from bench.soak.trouble import Troublemaker
from bench.stage import PYTHON, Missing, Stage, free_ports, memory, until
from lbkit.dataplane.control_client import call
from lbkit.errors import OperationError

CLIENTS = 48
MOST_MB, MOST_SHARE = 6.0, 0.10
"""Memory may grow by this much, or by this share: what a Python heap moves without a leak."""
SUCCESSORS = 4
SHORT = 120.0
"""Seconds below which a run still warms up, so that only a gross leak would show: 32 MB."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument(
        "--seed", type=int, default=random.randrange(1 << 30), help="of the clients' and the trouble's dice"
    )
    parser.add_argument("--keep", type=Path, help="folder for the logs of a run that failed")
    given = parser.parse_args()
    print(f"soak of {given.seconds:g} s, seed {given.seed}", flush=True)
    try:
        with Stage() as stage:
            problems = asyncio.run(soak(stage, given.seconds, given.seed))
            if problems and given.keep:
                _keep(stage.place, given.keep)
    except Missing as error:
        problems = [str(error)]
    except KeyboardInterrupt:
        print("Stopped; nothing is left behind.", file=sys.stderr)
        return 130
    print("\n".join(["", "FAILED:", *(f"  {problem}" for problem in problems)] if problems else ["", "passed"]))
    return 1 if problems else 0


async def soak(stage: Stage, seconds: float, seed: int) -> list[str]:
    """Run it; what is wrong."""
    fleet = await asyncio.to_thread(Fleet, stage)
    http, tcp = free_ports(2)
    state, config = stage.place / "state", stage.place / "boot.json"
    config.write_text(json.dumps(document(fleet, (http, tcp))))
    argv = [PYTHON, "-m", "lbkit.cli", "serve", "--config", str(config), "--state", str(state)]
    log = ["--access-log", str(stage.place / "access.log")]
    process = stage.start([*argv, *log], log="lbkit.log")
    control = state / "control.sock"
    await asyncio.to_thread(until, lambda: _ready(control), "the balancer is ready")
    before = _descriptors(process.pid)
    ledger = Ledger()
    stop = asyncio.Event()
    tasks = [
        asyncio.create_task(_client(i, Ports(http, tcp), ledger, random.Random(seed + i), stop)) for i in range(CLIENTS)
    ]
    trouble = Troublemaker(fleet, control, (http, tcp), ledger, random.Random(seed))
    ends = asyncio.Event()
    tasks.append(asyncio.create_task(trouble.run(ends)))
    try:
        await _watch(process.pid, seconds, ledger, tasks)
    except BaseException:
        stop.set()  # a cancelled client may miss that it was
        raise
    ends.set()
    await tasks.pop()
    problems = []
    for _ in range(SUCCESSORS):
        process, before_it = stage.start([*argv, "--take-over", *log], log="lbkit.log"), process
        problems += await _followed(control, before_it, process)
    stop.set()
    await asyncio.gather(*tasks)
    problems += [f"not zero at the end: {what}" for what in await _at_rest(control)]
    problems += await _descriptors_back(process.pid, before)
    _say(ledger, fleet, seconds)
    problems += [*_wrong(ledger, seconds), *_over(fleet)]
    stage.end(process)
    if process.returncode:
        problems.append(f"the balancer ended with {process.returncode}")
    return problems + _complaints(stage.place / "lbkit.log")


async def _client(number: int, ports: Ports, ledger: Ledger, dice: random.Random, stop: asyncio.Event) -> None:
    turn = 0
    while not stop.is_set():
        turn += 1
        deed = dice.choices(list(DEEDS), list(DEEDS.values()))[0]
        began = time.monotonic()
        try:
            result = await asyncio.wait_for(deed(ports, dice, f"{number}-{turn}"), PATIENCE)
        except Wrong as error:
            result = str(error)
        except TimeoutError:
            result = f"nothing for {PATIENCE:.0f} s"
        except OSError as error:
            result = f"cut: {error}"
        ledger.add(Outcome(deed.__name__, began, time.monotonic(), result))
        await asyncio.sleep(dice.uniform(0, 0.1))


async def _watch(pid: int, seconds: float, ledger: Ledger, tasks: list[asyncio.Task[None]]) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        await asyncio.sleep(min(1.0, seconds / 15))
        ledger.memory.append(memory(pid))
        ledger.descriptors.append(_descriptors(pid))
        for task in tasks:
            if task.done():
                task.result()


async def _followed(control: Path, old: subprocess.Popen[bytes], new: subprocess.Popen[bytes]) -> list[str]:
    """Wait until the new one serves and the old one has ended its work."""
    for _ in range(600):
        if old.poll() == 0 and _serves(control, new.pid):
            return []
        await asyncio.sleep(0.05)
    return [f"process {new.pid} did not follow {old.pid}, which {'runs' if old.poll() is None else 'failed'}"]


def _serves(control: Path, pid: int) -> bool:
    try:
        return bool(call(control, "GET", "/v1/live")[1]["pid"] == pid)
    except OperationError:
        return False


def _ready(control: Path) -> bool:
    try:
        status = call(control, "GET", "/v1/status")[1]
    except OperationError:
        return False
    return all(node["health"] == "up" for pool in status["pools"].values() for node in pool["nodes"].values())


def _descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


# -- the verdict -----------------------------------------------------------------------------------------------------


async def _at_rest(control: Path) -> list[str]:
    """What is still counted a while after the last client left."""
    for _ in range(60):
        status = (await asyncio.to_thread(call, control, "GET", "/v1/status"))[1]
        found = list(not_zero(status))
        if not found:
            return []
        await asyncio.sleep(0.25)
    return found


def not_zero(status: dict[str, Any]) -> Iterator[str]:
    """Everything that counts what is going on."""
    for name, listener in status["listeners"].items():
        if listener["connections"]:
            yield f"listener {name}: {listener['connections']} connections"
    for name, pool in status["pools"].items():
        for what in ("in_flight", "queued"):
            if pool[what]:
                yield f"pool {name}: {pool[what]} {what}"
        for node, found in pool["nodes"].items():
            if found["in_flight"] or found["leaving"]:
                yield f"node {name}/{node}: {found['in_flight']} in flight{', leaving' if found['leaving'] else ''}"


async def _descriptors_back(pid: int, before: int) -> list[str]:
    """Connections to nodes that are kept unused end within seconds; then no more are open than at the start."""
    for _ in range(60):
        now = _descriptors(pid)
        if now <= before + 2:
            return []
        await asyncio.sleep(0.25)
    return [f"{now} descriptors are open, {before} were before the load"]


def _wrong(ledger: Ledger, seconds: float) -> list[str]:
    unexplained = ledger.unexplained()
    problems = [f"{len(unexplained)} requests failed with no node's death to explain it"] if unexplained else []
    problems += [f"  {one.kind} after {one.ended - one.began:.2f} s: {one.result}" for one in unexplained[:10]]
    problems += ledger.refusals[:10]
    grown, first = growth(ledger.memory), ledger.memory[0] if ledger.memory else 0.0
    allowed = 32.0 if seconds < SHORT else max(MOST_MB, MOST_SHARE * first)
    if grown > allowed:
        problems.append(f"memory grew by {grown:.1f} MB, {allowed:.1f} are allowed")
    return problems


def _over(fleet: Fleet) -> list[str]:
    problems = []
    for node, pools in fleet.counts().items():
        for hard, (pool, counts) in zip(HARD, pools.items(), strict=True):
            if counts["over"]:
                problems.append(
                    f"node {node} of {pool} carried {counts['most']}, its limit is {hard}: {counts['over']} times"
                )
            if counts["overlaps"]:
                problems.append(
                    f"node {node} of {pool} got a request on a connection that was in use: {counts['overlaps']} times"
                )
    return problems


def _complaints(log: Path) -> list[str]:
    found = [line for line in log.read_text().splitlines() if "Traceback" in line or " ERROR " in line]
    return [f"the balancer's log: {line}" for line in found[:5]]


def _say(ledger: Ledger, fleet: Fleet, seconds: float) -> None:
    ledger.unexplained()
    total = sum(ledger.counts.values())
    print(
        f"{total} clients' deeds, {total / seconds:.0f} a second; "
        + ", ".join(f"{n} {k}" for k, n in ledger.done.items())
    )
    for (kind, result), count in sorted(ledger.counts.items()):
        print(f"  {kind:<10} {result:<12} {count:>8}")
    print("failed on a node in trouble: " + (", ".join(f"{n} {kind}" for kind, n in ledger.excused.items()) or "none"))
    counts = fleet.counts()
    for index, pool in enumerate(POOLS):
        most = max(counts[node][pool]["most"] for node in counts)
        print(
            f"pool {pool}: at most {most} on one node (limit {HARD[index]}), {sum(c[pool]['requests'] for c in counts.values())} carried"
        )
    if ledger.memory:
        print(
            f"memory by fifths of the run: {', '.join(f'{value:.1f}' for value in fifths(ledger.memory))} MB; "
            f"descriptors {min(ledger.descriptors)} to {max(ledger.descriptors)}"
        )


def _keep(place: Path, where: Path) -> None:
    where.mkdir(parents=True, exist_ok=True)
    for name in ("lbkit.log", "access.log", "nodes.log"):
        if (place / name).exists():
            (where / name).write_bytes((place / name).read_bytes())


if __name__ == "__main__":
    sys.exit(main())
