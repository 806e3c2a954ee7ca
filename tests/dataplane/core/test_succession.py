"""Two processes, one limit: no order of events and messages around a take-over exceeds it or loses a count (UK-11, LB-7)."""

from __future__ import annotations

from collections import deque
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from lbkit.dataplane.core.commands import Ask, Assign, Command, Drop, Freed, Refuse
from lbkit.dataplane.core.node import NodeState
from lbkit.dataplane.core.pool import PoolState
from lbkit.dataplane.core.ticket import Ticket
from tests.dataplane.specs import pool, random

HARD = 2
Message = tuple[str, int, Any]


class Processes(RuleBasedStateMachine):
    """Plays both shells and the socket between them: `sent` and `back` are what is on its way."""

    def __init__(self) -> None:
        super().__init__()
        self.old, self.new = PoolState(pool(), 0, random), PoolState(pool(), 0, random)
        self.began = self.ended = False
        self.numbers: dict[Ticket, int] = {}
        self.named: dict[int, Ticket] = {}
        self.guests: dict[int, Ticket] = {}
        self.sent: deque[Message] = deque()
        self.back: deque[Message] = deque()
        self.count = 0
        self.running: dict[Ticket, PoolState] = {}
        self.waiting: dict[Ticket, PoolState] = {}

    @initialize(queue=st.sampled_from([None, 1, 4]), algorithm=st.sampled_from(["round_robin", "least_connections"]))
    def begin(self, queue: int | None, algorithm: str) -> None:
        limits = {"hard": HARD, "queue": {"size": queue, "timeout": 50} if queue else None}
        self.old, self.new = (PoolState(pool(limits=limits, algorithm=algorithm), 0, random) for _ in range(2))

    # -- the shells --------------------------------------------------------------------------------------------------

    def number(self, ticket: Ticket) -> int:
        self.count += 1
        self.numbers[ticket], self.named[self.count] = self.count, ticket
        return self.count

    def do(self, owner: PoolState, commands: list[Command]) -> None:
        for command in commands:
            match command:
                case Assign(ticket) if ticket in self.guests.values():
                    assert ticket.node is not None
                    self.back.append(("go", self.guest_number(ticket), ticket.node))
                case Refuse(ticket, reason) if ticket in self.guests.values():
                    self.back.append(("no", self.guest_number(ticket), reason))
                case Assign(ticket):
                    self.waiting.pop(ticket, None)
                    self.running[ticket] = owner
                case Refuse(ticket):
                    self.waiting.pop(ticket, None)
                case Drop(ticket):
                    self.leave(ticket)
                case Ask(ticket):
                    self.waiting[ticket] = owner
                    self.sent.append(("ask", self.number(ticket), None))
                case Freed(ticket) if ticket in self.numbers:
                    self.sent.append(("end", self.numbers.pop(ticket), None))

    def guest_number(self, ticket: Ticket) -> int:
        return next(number for number, guest in self.guests.items() if guest is ticket)

    def leave(self, ticket: Ticket) -> None:
        owner = self.running.pop(ticket, None) or self.waiting.pop(ticket)
        self.do(owner, owner.release(ticket, 0))

    def arrive(self, owner: PoolState) -> None:
        ticket = Ticket(key=bytes([len(self.running)]))
        commands = owner.arrive(ticket, 0)
        if not any(isinstance(c, Assign | Refuse) and c.ticket is ticket for c in commands):
            self.waiting[ticket] = owner
        self.do(owner, commands)

    # -- what may happen ---------------------------------------------------------------------------------------------

    @precondition(lambda self: not self.ended or not self.began)
    @rule()
    def one_comes_to_the_old(self) -> None:
        self.arrive(self.old)

    @precondition(lambda self: self.began and not self.ended)
    @rule()
    def one_comes_to_the_new(self) -> None:
        self.arrive(self.new)

    @rule(data=st.data())
    def one_ends_or_gives_up(self, data: st.DataObject) -> None:
        if known := [*self.running, *self.waiting]:
            self.leave(data.draw(st.sampled_from(known)))

    @rule(data=st.data())
    def one_tries_again(self, data: st.DataObject) -> None:
        if self.running:
            ticket = data.draw(st.sampled_from(list(self.running)))
            owner = self.running.pop(ticket)
            commands = owner.again(ticket, 0)
            if not any(isinstance(c, Assign | Refuse) and c.ticket is ticket for c in commands):
                self.waiting[ticket] = owner
            self.do(owner, commands)

    @precondition(lambda self: not self.began)
    @rule()
    def a_successor_takes_over(self) -> None:
        self.began = True
        for node in self.old.all_nodes():
            for ticket in node.tickets:
                guest = self.guests[self.number(ticket)] = Ticket()
                self.new.succession.hold(guest, self.new.nodes[node.name], 0)
        self.do(self.old, self.old.succession.begin())

    @precondition(lambda self: self.sent)
    @rule()
    def the_new_hears(self) -> None:
        what, number, _ = self.sent.popleft()
        if what == "ask":
            guest = self.guests[number] = Ticket()
            self.do(self.new, self.new.arrive(guest, 0))
        elif (gone := self.guests.pop(number, None)) is not None:
            self.do(self.new, self.new.release(gone, 0))

    @precondition(lambda self: self.back)
    @rule()
    def the_old_hears(self) -> None:
        what, number, said = self.back.popleft()
        ticket = self.named[number]
        if self.numbers.get(ticket) != number:
            return
        if what == "go":
            node: NodeState = said
            self.do(self.old, self.old.succession.granted(ticket, node.name, node.address, node.port, 0))
        else:
            del self.numbers[ticket]
            self.do(self.old, self.old.succession.denied(ticket, said, None))
            self.guests.pop(number, None)

    @precondition(lambda self: self.began and not self.ended)
    @rule()
    def the_new_dies(self) -> None:
        self.ended = True
        self.sent.clear()
        self.back.clear()
        self.numbers.clear()
        for known in (self.running, self.waiting):
            for ticket in [ticket for ticket, owner in known.items() if owner is self.new]:
                del known[ticket]
        self.do(self.old, self.old.succession.end(0))

    @rule()
    def all_comes_to_rest(self) -> None:
        while self.running or self.waiting or self.sent or self.back:
            if self.sent:
                self.the_new_hears()
            elif self.back:
                self.the_old_hears()
            else:
                self.leave(next(iter(self.running or self.waiting)))
        for state in (self.old,) if self.ended else (self.old, self.new):
            assert (state.in_flight, len(state.waiting)) == (0, 0)
            assert not any(node.tickets for node in state.all_nodes())

    # -- laws --------------------------------------------------------------------------------------------------------

    @invariant()
    def no_node_is_over_its_limit(self) -> None:
        for address in ("10.0.0.1", "10.0.0.2"):
            carried = [ticket for ticket in self.running if ticket.node and ticket.node.address == address]
            assert len(carried) <= HARD

    @invariant()
    def nobody_waits_beside_a_free_slot(self) -> None:
        deciding = self.new if self.began and not self.ended else self.old
        assert not (deciding.waiting and any(node.open for node in deciding.nodes.values())) or any(
            ticket.tried for ticket in deciding.waiting
        )


TestSuccession = Processes.TestCase
TestSuccession.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)
