"""Work that runs on a node which left its pool counts in every other pool that has the node: its limit is one limit (UK-11).

So a pool that is renamed, or a node that moves to another pool, begins with the work that is still there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from time import monotonic
from typing import TYPE_CHECKING, cast

from lbkit.dataplane.core.commands import Reason
from lbkit.dataplane.core.node import NodeState
from lbkit.dataplane.core.ticket import Ticket
from lbkit.dataplane.shell.dispatch import Dispatcher

if TYPE_CHECKING:
    from lbkit.dataplane.shell.work import Work

Place = tuple[str, int]
Held = tuple[Dispatcher, Ticket]


def by_place(pools: Iterable[Dispatcher]) -> dict[Place, list[tuple[Dispatcher, NodeState]]]:
    """The nodes of all pools by address and port."""
    found = defaultdict(list)
    for dispatcher in pools:
        for node in dispatcher.pool.nodes.values():
            found[node.address, node.port].append((dispatcher, node))
    return found


class Heir(Ticket):
    """Counts for a ticket of another pool."""

    __slots__ = ("_work",)

    def __init__(self, work: Ticket) -> None:
        super().__init__()
        self._work = work

    def dropped(self, reason: Reason) -> None:
        """Whoever ends this, ends the work itself; `freed` follows."""
        cast("Work", self._work).dropped(reason)


class Heirs:
    """Of one server."""

    def __init__(self) -> None:
        self._of: dict[Ticket, list[Held]] = {}

    def inherit(self, pools: Iterable[Dispatcher], retired: Iterable[Dispatcher]) -> None:
        """Count what nodes that left still carry."""
        pools = list(pools)
        left = [(d, node) for d in (*pools, *retired) for node in d.pool.leaving]
        places = by_place(pools) if left else {}
        for dispatcher, node in left:
            others = [(d, n) for d, n in places.get((node.address, node.port), ()) if d is not dispatcher]
            for ticket in node.tickets if others else ():
                if ticket not in self._of:
                    self._of[ticket] = [(d, _held(d, n, ticket)) for d, n in others]

    def freed(self, ticket: Ticket) -> None:
        """It ended."""
        for dispatcher, heir in self._of.pop(ticket, ()):
            dispatcher.release(heir, monotonic())


def _held(dispatcher: Dispatcher, node: NodeState, work: Ticket) -> Heir:
    heir = Heir(work)
    dispatcher.hold(heir, node)
    return heir
