"""When nodes are probed: each in its own rhythm, so that a hung node delays nobody and many are not asked at one instant."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from pathlib import Path

from lbkit.dataplane.core.node import NodeState
from lbkit.dataplane.shell.alarm import Alarm
from lbkit.dataplane.shell.dispatch import Dispatcher
from lbkit.dataplane.shell.probe import Probe
from lbkit.spec import HealthCheck
from lbkit.spec.health import speaks

_JITTER = 0.05
_START_SPREAD = 0.005


class Probes:
    """The probes of one pool's nodes."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._check: HealthCheck | None = None
        self._watches: dict[NodeState, _Watch] = {}

    def configure(self) -> None:
        """Follow the pool's present nodes and check; a probe goes on undisturbed where neither changed."""
        check = self._dispatcher.spec.health_check
        wanted = set(self._dispatcher.pool.nodes.values()) if check else set()
        for node in list(self._watches):
            if node not in wanted or check != self._check:
                self._watches.pop(node).close()
        self._check = check
        if check:
            for node in sorted(wanted - set(self._watches), key=lambda node: node.order):
                delay = len(self._watches) * _START_SPREAD
                self._watches[node] = _Watch(self._dispatcher, node, check, delay)

    def close(self) -> None:
        for watch in self._watches.values():
            watch.close()
        self._watches.clear()


class _Watch:
    """One node's probes, one after the other."""

    def __init__(self, dispatcher: Dispatcher, node: NodeState, check: HealthCheck, delay: float) -> None:
        self._dispatcher, self._node, self._check = dispatcher, node, check
        self._alarm = Alarm(dispatcher.loop, self._begin)
        self._alarm.set(delay)
        self._probe: Probe | None = None
        self._reading: asyncio.Task[None] | None = None

    def close(self) -> None:
        self._alarm.cancel()
        if self._probe is not None:
            self._probe.cancel()
        if self._reading is not None:
            self._reading.cancel()

    def _begin(self) -> None:
        if not self._node.probed:
            self._wait()
        elif any(map(_is_file, self._check.headers.values())):
            self._reading = self._dispatcher.loop.create_task(self._read_and_ask())
        else:
            self._ask(self._check.headers)

    async def _read_and_ask(self) -> None:
        try:
            async with asyncio.timeout(self._check.timeout):
                headers = await with_files(self._check.headers)
        except TimeoutError:
            self._ended(f"a header's file was not read within {self._check.timeout:g} s")
        except (OSError, ValueError) as error:  # it is missing, or no text
            self._ended(getattr(error, "strerror", None) or str(error))
        else:
            self._ask(headers)

    def _ask(self, headers: Mapping[str, str]) -> None:
        dispatcher, check = self._dispatcher, self._check
        security = dispatcher.connections.security
        self._probe = Probe(
            dispatcher.loop, self._node, check, security, dispatcher.spec.proxy_protocol,
            request(self._node, check, headers), self._ended,
        )  # fmt: skip
        self._probe.start()

    def _ended(self, error: str | None) -> None:
        self._probe = self._reading = None
        self._wait()
        if error is not None:
            self._dispatcher.probed(self._node, not error, error)

    def _wait(self) -> None:
        self._alarm.set(self._check.interval * random.uniform(1 - _JITTER, 1 + _JITTER))


def _is_file(value: str) -> bool:
    return value.startswith("file:/")


async def with_files(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers with the texts of files in the place of their names. Raises OSError and ValueError."""
    return {
        name: (await asyncio.to_thread(Path(value.removeprefix("file:")).read_text)).strip()
        if _is_file(value)
        else value
        for name, value in headers.items()
    }


def request(node: NodeState, check: HealthCheck, headers: Mapping[str, str]) -> bytes:
    """What a node is asked; nothing where a connection is enough."""
    if speaks(check, "http") == "tcp":
        return b""
    host = check.host or (f"[{node.address}]" if ":" in node.address else node.address) + f":{check.port or node.port}"
    lines = [f"{check.method} {check.path} HTTP/1.1", f"Host: {host}", "User-Agent: lbkit-health", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
