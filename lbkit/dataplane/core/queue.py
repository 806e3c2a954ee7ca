"""Those who wait for a node, in order of arrival. To join, to leave from anywhere, and to know the first cost the same for any length."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

from lbkit.dataplane.core.agenda import NEVER
from lbkit.dataplane.core.ticket import Ticket
from lbkit.spec import Queue


class Waiting:
    """The queue of one pool."""

    def __init__(self) -> None:
        self._tickets: OrderedDict[Ticket, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._tickets)

    def __iter__(self) -> Iterator[Ticket]:
        return iter(self._tickets)

    @property
    def first(self) -> Ticket:
        return next(iter(self._tickets))

    @property
    def deadline(self) -> float:
        """When the first one's patience ends; all have the same, so nobody's ends sooner."""
        return self.first.deadline if self._tickets else NEVER

    def join(self, ticket: Ticket, queue: Queue | None) -> bool:
        """Whether there was room."""
        if queue is None or len(self._tickets) >= queue.size:
            return False
        ticket.deadline, ticket.waited = ticket.arrived + queue.timeout, True
        self._tickets[ticket] = None
        return True

    def advance(self, ticket: Ticket, queue: Queue | None) -> None:
        """One that joined again after a failed attempt goes before the others, its patience counted from its first arrival."""
        if ticket in self._tickets and queue is not None:
            ticket.deadline = ticket.arrived + queue.timeout
            self._tickets.move_to_end(ticket, last=False)

    def leave(self, ticket: Ticket) -> None:
        """Harmless when it does not wait."""
        self._tickets.pop(ticket, None)

    def overdue(self, now: float) -> list[Ticket]:
        """Those whose patience ended; they leave."""
        late = []
        while self._tickets and self.first.deadline <= now:
            late.append(self._tickets.popitem(last=False)[0])
        return late

    def configure(self, queue: Queue | None) -> list[Ticket]:
        """A new timeout holds for those who wait already, counted from their arrival; who is beyond the new size leaves."""
        for ticket in self._tickets:
            ticket.deadline = ticket.arrived + (queue.timeout if queue else 0.0)
        beyond = []
        while len(self._tickets) > (queue.size if queue else 0):
            beyond.append(self._tickets.popitem()[0])
        return beyond

    def dissolve(self) -> list[Ticket]:
        """All leave."""
        everybody = list(self._tickets)
        self._tickets.clear()
        return everybody
