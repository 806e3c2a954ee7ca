"""No order of events leaves a count wrong (LB-7, UK-11)."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from lbkit.dataplane.core.commands import Assign, Command, Drop, Refuse, Rest, Wake
from lbkit.dataplane.core.node import NodeState
from lbkit.dataplane.core.pool import PoolState
from lbkit.dataplane.core.ticket import Ticket
from tests.dataplane.specs import pool, random

NAMES = "abcd"


def some_pool(
    hard: int | None = 2, queue: int | None = 4, names: str = "ab", algorithm: str = "round_robin",
    soft: int | None = None, standby: str = "", backup: str = "", hooks: bool = True, probes: bool = True,
) -> Any:  # fmt: skip
    soft = min(soft, hard) if soft and hard else soft
    resting = set(standby) & set(names) if soft else set()
    backups = set(backup) & set(names) - resting
    backups = set() if backups == set(names) else backups
    nodes = {
        n: {"address": f"10.0.0.{NAMES.index(n) + 1}", "standby": n in resting, "backup": n in backups} for n in names
    }
    waits = queue and (hard or resting)
    limits = {"hard": hard, "soft": soft, "queue": {"size": queue, "timeout": 5} if waits else None}
    hook = {"command": ["true"]}
    settings: Any = {"standby": {"wake": hook, "rest": hook, "min_awake": 2}} if hooks and resting else {}
    check = {"rise": 1, "fall": 1} if probes else None
    passive = {"errors": 2, "eject": 4}
    return pool(
        nodes=nodes, limits=limits, algorithm=algorithm, drain=7, health_check=check, passive_check=passive, **settings
    )  # fmt: skip


pools = st.builds(
    some_pool,
    st.sampled_from([None, 1, 2, 3]),
    st.sampled_from([None, 1, 4]),
    st.sets(st.sampled_from(NAMES), min_size=1).map(lambda s: "".join(sorted(s))),
    st.sampled_from(["round_robin", "least_connections", "random_two", "source_hash"]),
    st.sampled_from([None, 1, 2]),
    st.sampled_from(["", "b", "cd", "abcd"]),
    st.sampled_from(["", "a", "c"]),
    st.booleans(),
    st.booleans(),
)


class Balancer(RuleBasedStateMachine):
    """Plays the shell: it keeps its own account of who runs where and who waits."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.state = PoolState(some_pool(), 0, random)
        self.waking: set[NodeState] = set()
        self.resting: set[NodeState] = set()
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
                    assert ticket.node.eligible, "sent to a node that may not get work"
                    self.running.append(ticket)
                case Refuse(ticket):
                    if ticket in self.waiting:
                        self.waiting.remove(ticket)
                    assert ticket.node is None
                case Drop(ticket):
                    self.leave(ticket)
                case Wake(node):
                    assert node.rest == "waking", "woken twice, or without need"
                    self.waking.add(node)
                case Rest(node):
                    assert not node.tickets, "told to rest with work in flight"
                    self.resting.add(node)

    def serve(self, ticket: Ticket) -> None:
        earlier = self.waiting[: self.waiting.index(ticket)]
        assert all(ticket.node in other.tried for other in earlier), "served out of order"
        self.waiting.remove(ticket)

    def leave(self, ticket: Ticket) -> None:
        for known in (self.running, self.waiting):
            if ticket in known:
                known.remove(ticket)
        self.do(self.state.release(ticket, self.now))

    @rule()
    def arrive(self) -> None:
        ticket = Ticket(key=bytes([len(self.running)]))
        self.expect(ticket, self.state.arrive(ticket, self.now))

    def expect(self, ticket: Ticket, commands: list[Command]) -> None:
        if not any(isinstance(c, Assign | Refuse) and c.ticket is ticket for c in commands):
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
                self.waiting.insert(0, ticket)
            self.do(commands)

    @rule(seconds=st.sampled_from([0.5, 3, 8]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.do(self.state.expire(self.now))

    @rule(data=st.data(), good=st.booleans())
    def probe(self, data: st.DataObject, good: bool) -> None:
        node = data.draw(st.sampled_from(list(self.state.nodes.values())))
        self.do(self.state.probed(node, good, "", self.now))

    @rule(data=st.data(), error=st.sampled_from(["", "no"]))
    def a_hook_ends(self, data: st.DataObject, error: str) -> None:
        if known := sorted(self.waking | self.resting, key=lambda node: node.name):
            node = data.draw(st.sampled_from(known))
            if node in self.waking:
                self.waking.discard(node)
                self.do(self.state.woke(node, error, self.now))
            else:
                self.resting.discard(node)
                self.do(self.state.rested(node, error, self.now))

    @rule(data=st.data())
    def wake_by_hand(self, data: st.DataObject) -> None:
        self.do(self.state.wake(data.draw(st.sampled_from(list(self.state.nodes))), self.now))

    @rule(data=st.data(), good=st.booleans())
    def traffic_judges(self, data: st.DataObject, good: bool) -> None:
        node = data.draw(st.sampled_from(list(self.state.nodes.values())))
        self.do(self.state.observed(node, good, "bad", self.now))

    @rule(data=st.data(), state=st.sampled_from(["ready", "drain", "maintenance"]))
    def administer(self, data: st.DataObject, state: Any) -> None:
        name = data.draw(st.sampled_from(list(self.state.nodes)))
        self.do(self.state.set_admin(name, state, self.now))

    @rule(spec=pools)
    def reconfigure(self, spec: Any) -> None:
        self.do(self.state.configure(spec, self.now))

    @rule()
    def everybody_finishes(self) -> None:
        for ticket in self.running + self.waiting:
            self.leave(ticket)
        while self.running:
            self.leave(self.running[0])
        assert self.state.in_flight == 0
        assert not self.state.waiting
        assert not any(node.tickets for node in self.state.all_nodes())
        assert not self.state.leaving

    @invariant()
    def counts_are_the_truth(self) -> None:
        held = [ticket for node in self.state.all_nodes() for ticket in node.tickets]
        assert sorted(map(id, held)) == sorted(map(id, self.running))
        assert self.state.in_flight == len(held)
        assert list(self.state.waiting) == self.waiting
        able = [node for node in self.state.nodes.values() if node.eligible and not node.backup]
        assert (self.state.tiers.able, self.state.tiers.load) == (len(able), sum(node.in_flight for node in able))
        assert all(ticket.node and ticket in ticket.node.tickets for ticket in self.running)

    @invariant()
    def nobody_waits_beside_a_free_slot(self) -> None:
        nodes = self.state.nodes.values()
        regular = any(node.eligible and not node.backup for node in nodes)
        free = [node for node in nodes if node.open and not (node.backup and regular)]
        usable = [node for node in nodes if node.able and node.backup is not regular]
        for ticket in self.waiting:
            untried = [node for node in usable if node not in ticket.tried]
            assert not [node for node in free if node in untried or not untried]

    @invariant()
    def sleepers_hold_nothing(self) -> None:
        assert not any(
            node.tickets for node in self.state.nodes.values() if node.rest in ("asleep", "resting", "waking")
        )

    @invariant()
    def what_left_is_empty_or_bounded(self) -> None:
        assert all(node.tickets and ("cut", node) in self.state.agenda for node in self.state.leaving)

    @invariant()
    def somebody_is_woken_for_those_who_wait(self) -> None:
        nodes = self.state.nodes.values()
        ready = [
            n for n in nodes if n.rest == "asleep" and n.admin == "ready" and ("retry", n) not in self.state.agenda
        ]
        assert not (self.waiting and ready and not any(n.rest == "waking" for n in nodes))


TestAccounting = Balancer.TestCase
TestAccounting.settings = settings(max_examples=200, stateful_step_count=50, deadline=None)
