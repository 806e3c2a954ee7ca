"""No order of events leaves a count wrong (LB-7, UK-11)."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from lbkit.dataplane.core.commands import Assign, Command, Drop, Refuse, Ticket
from lbkit.dataplane.core.pool import PoolState
from tests.dataplane.specs import pool

NAMES = "abcd"


def some_pool(hard: int | None, queue: int | None, names: str, algorithm: str) -> Any:
    limits = {"hard": hard, "queue": {"size": queue, "timeout": 5} if queue and hard else None}
    nodes = {n: {"address": f"10.0.0.{NAMES.index(n) + 1}"} for n in names}
    return pool(nodes=nodes, limits=limits, algorithm=algorithm, drain=7, health_check={"rise": 1, "fall": 1})


pools = st.builds(
    some_pool,
    st.sampled_from([None, 1, 2, 3]),
    st.sampled_from([None, 1, 4]),
    st.sets(st.sampled_from(NAMES), min_size=1).map(lambda s: "".join(sorted(s))),
    st.sampled_from(["round_robin", "least_connections"]),
)


class Balancer(RuleBasedStateMachine):
    """Plays the shell: it keeps its own account of who runs where and who waits."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.state = PoolState(some_pool(2, 4, "ab", "round_robin"), 0)
        self.running: list[Ticket] = []
        self.waiting: list[Ticket] = []
        for node in self.state.nodes.values():
            self.do(self.state.probed(node, True, "", 0))

    def do(self, commands: list[Command]) -> None:
        for command in commands:
            match command:
                case Assign(ticket):
                    if ticket in self.waiting:
                        self.serve(ticket)
                    assert ticket.node is not None
                    limit = self.state.spec.limits.hard
                    assert limit is None or ticket.node.in_flight <= limit, "over the hard limit"
                    self.running.append(ticket)
                case Refuse(ticket):
                    if ticket in self.waiting:
                        self.waiting.remove(ticket)
                    assert ticket.node is None
                case Drop(ticket):
                    self.leave(ticket)

    def serve(self, ticket: Ticket) -> None:
        assert ticket is self.waiting[0], "served out of order"
        self.waiting.remove(ticket)

    def leave(self, ticket: Ticket) -> None:
        for known in (self.running, self.waiting):
            if ticket in known:
                known.remove(ticket)
        self.do(self.state.release(ticket, self.now))

    @rule()
    def arrive(self) -> None:
        ticket = Ticket()
        commands = self.state.arrive(ticket, self.now)
        if not commands:
            self.waiting.append(ticket)
        self.do(commands)

    @rule(data=st.data())
    def finish_or_give_up(self, data: st.DataObject) -> None:
        if known := self.running + self.waiting:
            ticket = data.draw(st.sampled_from(known))
            self.leave(ticket)
            self.do(self.state.release(ticket, self.now))

    @rule(data=st.data())
    def fail_and_try_again(self, data: st.DataObject) -> None:
        if self.running:
            ticket = data.draw(st.sampled_from(self.running))
            self.running.remove(ticket)
            commands = self.state.again(ticket, self.now)
            if not any(isinstance(c, Assign | Refuse) and c.ticket is ticket for c in commands):
                self.waiting.append(ticket)
            self.do(commands)

    @rule(seconds=st.sampled_from([0.5, 3, 8]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.do(self.state.expire(self.now))

    @rule(data=st.data(), good=st.booleans())
    def probe(self, data: st.DataObject, good: bool) -> None:
        node = data.draw(st.sampled_from(list(self.state.nodes.values())))
        self.do(self.state.probed(node, good, "", self.now))

    @rule(data=st.data(), state=st.sampled_from(["ready", "drain", "maintenance"]))
    def administer(self, data: st.DataObject, state: Any) -> None:
        name = data.draw(st.sampled_from(list(self.state.nodes)))
        self.do(self.state.set_admin(name, state, self.now))

    @rule(spec=pools)
    def reconfigure(self, spec: Any) -> None:
        self.do(self.state.configure(spec, self.now))

    @invariant()
    def counts_are_the_truth(self) -> None:
        held = [ticket for node in self.state.all_nodes() for ticket in node.tickets]
        assert sorted(map(id, held)) == sorted(map(id, self.running))
        assert list(self.state.waiting.values()) == self.waiting
        assert all(ticket.node and ticket in ticket.node.tickets for ticket in self.running)

    @invariant()
    def nobody_waits_beside_a_free_slot(self) -> None:
        assert not (self.waiting and any(node.open for node in self.state.nodes.values()))

    @invariant()
    def what_left_is_empty_or_bounded(self) -> None:
        assert all(node.tickets and node in self.state.cuts for node in self.state.leaving)


TestAccounting = Balancer.TestCase
TestAccounting.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
