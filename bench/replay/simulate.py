"""The trace in simulated time over the dataplane's core: no socket, no waiting, the same result each time."""

from __future__ import annotations

import heapq
import random
from itertools import count
from typing import Any

from bench.replay.engine import Engine, Job
from bench.replay.fleet import Fleet
from bench.replay.traces import Request
from lbkit.dataplane.core.commands import Assign, Command, Refuse
from lbkit.dataplane.core.pool import PoolState
from lbkit.dataplane.core.ticket import Ticket
from lbkit.spec import Pool


class Refused(Exception):
    """A request that the pool did not take."""


def first_tokens(
    requests: list[Request], fleet: Fleet, settings: dict[str, Any], weighted: bool = False, seed: int = 1
) -> list[float]:
    """Seconds from arrival to first token, for each request in order. `settings` are the pool's."""
    return _Simulation(requests, fleet, settings, weighted, seed).run()


class _Simulation:
    def __init__(
        self, requests: list[Request], fleet: Fleet, settings: dict[str, Any], weighted: bool, seed: int
    ) -> None:
        weights = fleet.weights if weighted else [1] * len(fleet.engines)
        nodes = {f"n{i}": {"address": f"10.0.0.{i + 1}", "weight": weight} for i, weight in enumerate(weights)}
        self._requests = requests
        self._dice = random.Random(seed)
        self._pool = PoolState(
            Pool.load({"port": 1, "health_check": None, "nodes": nodes, **settings}), 0.0, self._dice.random
        )
        self._engines = {name: Engine(profile, fleet.seats) for name, profile in zip(nodes, fleet.engines, strict=True)}
        self._order = count()
        self._events: list[tuple[float, int, str, Any]] = []
        self._jobs: dict[Job, tuple[int, Ticket]] = {}
        self._tickets: dict[Ticket, int] = {}
        self._found = [0.0] * len(requests)

    def run(self) -> list[float]:
        for index, request in enumerate(self._requests):
            self._at(request.at, "arrive", index)
        while self._events:
            now, _, what, who = heapq.heappop(self._events)
            if what == "arrive":
                ticket = Ticket(key=self._dice.randbytes(4))
                self._tickets[ticket] = who
                self._do(self._pool.arrive(ticket, now), now)
            elif self._engines[who].due == now:
                self._step(who, now)
        return self._found

    def _at(self, when: float, what: str, who: Any) -> None:
        heapq.heappush(self._events, (when, next(self._order), what, who))

    def _do(self, commands: list[Command], now: float) -> None:
        for command in commands:
            if isinstance(command, Refuse):
                raise Refused(command.reason)
            if isinstance(command, Assign):
                self._send(command.ticket, now)

    def _send(self, ticket: Ticket, now: float) -> None:
        assert ticket.node is not None
        index = self._tickets.pop(ticket)
        job = Job(self._requests[index].asked, self._requests[index].answered)
        self._jobs[job] = (index, ticket)
        engine = self._engines[ticket.node.name]
        idle = engine.due is None
        engine.arrive(job, now)
        if idle and engine.due is not None:
            self._at(engine.due, "step", ticket.node.name)

    def _step(self, name: str, now: float) -> None:
        engine = self._engines[name]
        for job in engine.step():
            index, ticket = self._jobs[job]
            if job.made == 1:
                self._found[index] = now - self._requests[index].at
            if job.made >= job.answered:
                del self._jobs[job]
                self._do(self._pool.release(ticket, now), now)
        if engine.due is not None:
            self._at(engine.due, "step", name)
