"""What is done to the nodes and the balancer while it serves: one thing at a time, so that enough nodes are left."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from bench.soak.fleet import NODES, POOLS, Fleet, document
from bench.soak.ledger import Ledger, Trouble
from lbkit.dataplane.control_client import call


class Troublemaker:
    """Kills, hangs, drains and reconfigures, until it is told to stop."""

    def __init__(
        self, fleet: Fleet, control: Path, ports: tuple[int, int], ledger: Ledger, dice: random.Random
    ) -> None:
        self.fleet, self._control, self._ports, self._ledger, self._dice = fleet, control, ports, ledger, dice
        self.deeds: dict[Callable[[str], Awaitable[None]], int] = {
            self.kill: 4, self.hang: 1, self.drain: 3, self.maintain: 2, self.remove: 3, self.reconfigure: 5, self.mislead: 2,
        }  # fmt: skip

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            deed = self._dice.choices(list(self.deeds), list(self.deeds.values()))[0]
            await deed(self._dice.choice(NODES))
            self._ledger.done[deed.__name__] += 1
            await asyncio.sleep(self._dice.uniform(0.2, 1.0))

    async def kill(self, name: str) -> None:
        """kill -9, and a new process a moment later."""
        node = self.fleet.nodes[name]
        trouble = self._note("death", name)
        await asyncio.to_thread(self.fleet.kill, node)
        trouble.ended = time.monotonic()
        await asyncio.sleep(self._dice.uniform(0, 2))
        self.fleet.start(node)
        await asyncio.to_thread(self.fleet.ready, node)
        await self._up(name)

    async def hang(self, name: str) -> None:
        """Accepts connections and does nothing, as a process that is stuck."""
        node = self.fleet.nodes[name]
        trouble = self._note("hang", name)
        self.fleet.hang(node, True)
        try:
            await asyncio.sleep(4)
        finally:
            self.fleet.hang(node, False)
            await self._up(name)
            trouble.ended = time.monotonic() + 0.5

    async def drain(self, name: str) -> None:
        for pool in POOLS:
            await self._call("POST", f"/v1/pools/{pool}/nodes/{name}/drain")
        await asyncio.sleep(self._dice.uniform(0, 1.5))
        for pool in POOLS:
            await self._call("POST", f"/v1/pools/{pool}/nodes/{name}/ready")

    async def maintain(self, name: str) -> None:
        """Running work is cut, which is what was asked for."""
        pool = self._dice.choice(POOLS)
        trouble = self._note("maintenance", name)
        await self._call("POST", f"/v1/pools/{pool}/nodes/{name}/maintenance")
        trouble.ended = time.monotonic()
        await asyncio.sleep(self._dice.uniform(0, 0.5))
        await self._call("POST", f"/v1/pools/{pool}/nodes/{name}/ready")

    async def remove(self, name: str) -> None:
        """Out of every pool, and back while some of its requests may still run."""
        for pool in POOLS:
            await self._call("DELETE", f"/v1/pools/{pool}/nodes/{name}")
        await asyncio.sleep(self._dice.uniform(0, 1.5))
        for pool in POOLS:
            await self._call("PUT", f"/v1/pools/{pool}/nodes/{name}", {"address": self.fleet.nodes[name].address})
        await self._up(name)

    async def reconfigure(self, name: str) -> None:
        """The whole document again, with another algorithm, weight or time."""
        new = document(
            self.fleet, self._ports, algorithm=self._dice.choice(("round_robin", "least_connections", "random_two"))
        )
        web = new["spec"]["pools"]["web"]
        web["nodes"][name]["weight"] = self._dice.randint(1, 4)
        web["timeouts"]["keep_alive"] = self._dice.choice((0, 1, 4))
        web["slow_start"] = self._dice.choice((0, 2))
        await self._call("PUT", "/v1/config", new)

    async def mislead(self, name: str) -> None:
        """A configuration that is wrong changes nothing."""
        before = (await self._call("GET", "/v1/status"))["revision"]
        bad = document(self.fleet, self._ports, algorithm="astrology")
        await self._call("PUT", "/v1/config", bad, wanted=422)
        if (await self._call("GET", "/v1/status"))["revision"] != before:
            self._ledger.refusals.append("a wrong configuration made a new revision")

    def _note(self, kind: str, node: str) -> Trouble:
        trouble = Trouble(kind, node, time.monotonic())
        self._ledger.troubles.append(trouble)
        return trouble

    async def _up(self, name: str) -> None:
        """Wait until the balancer sees the node as healthy again."""
        for _ in range(400):
            pools = (await self._call("GET", "/v1/status"))["pools"]
            if all(pools[pool]["nodes"].get(name, {}).get("health") == "up" for pool in POOLS):
                return
            await asyncio.sleep(0.05)
        self._ledger.refusals.append(f"node {name} did not come back")

    async def _call(self, method: str, path: str, body: Any = None, wanted: int = 200) -> Any:
        status, found = await asyncio.to_thread(call, self._control, method, path, body)
        if status != wanted:
            self._ledger.refusals.append(f"{method} {path}: {status} {str(found)[:200]}")
        return found
