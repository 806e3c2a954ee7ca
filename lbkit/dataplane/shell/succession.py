"""What two processes say to each other after a take-over, so that a node's limit is one limit for both (UK-11).

Lines of JSON on the socket that handed over the listening sockets. The old process says `held` for work that runs, `pool`
for its nodes with what was set by hand, `ask` for work that needs a node, `end` for work that is over, and `begun` once all
is said that was so when it stopped to decide. Its successor says `go`, `no` or `cut`. The end of the socket ends it all.
"""

from __future__ import annotations

import asyncio
import json
import socket
from itertools import count
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

from lbkit.dataplane.core.commands import Reason
from lbkit.dataplane.core.node import NodeState
from lbkit.dataplane.core.ticket import Ticket
from lbkit.dataplane.shell.dispatch import Dispatcher
from lbkit.dataplane.shell.heirs import Heir, Held, by_place
from lbkit.dataplane.shell.stream import Stream

if TYPE_CHECKING:
    from lbkit.dataplane.shell.server import Server
    from lbkit.dataplane.shell.work import Work


class _Talk:
    """One end of the socket."""

    def __init__(self, server: Server, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.server, self._rest = server, b""
        self._stream = Stream(server.loop, sock, self, self._received)
        self._stream.start()

    def say(self, *words: Any) -> None:
        self._stream.write(json.dumps(words).encode() + b"\n")

    def heard(self, what: str, *words: Any) -> None:
        raise NotImplementedError

    def over(self) -> None:
        raise NotImplementedError

    def _received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self.heard(*json.loads(line))

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self.over()

    def pause_writing(self) -> None: ...
    def resume_writing(self) -> None: ...


class Lead(_Talk):
    """The old process's end: the successor decides."""

    def __init__(self, server: Server, sock: socket.socket) -> None:
        super().__init__(server, sock)
        self._count = count()
        self._numbers: dict[Ticket, int] = {}
        self._asked: dict[int, tuple[Dispatcher, Ticket]] = {}

    def begin(self) -> None:
        """Say what is, and decide nothing from here on."""
        server = self.server
        for dispatcher in server.dispatchers:
            for node in dispatcher.pool.all_nodes():
                for ticket in node.tickets:
                    if not isinstance(ticket, Heir):  # which counts for one that is said itself
                        self.say("held", self._number(dispatcher, ticket), dispatcher.name, node.address, node.port)
        for name, dispatcher in server.pools.items():
            nodes = dispatcher.pool.nodes.values()
            self.say("pool", name, [(node.address, node.port, node.asked, node.admin) for node in nodes])
        for dispatcher in server.pools.values():
            dispatcher.follow()
        self.say("begun")

    def ask(self, dispatcher: Dispatcher, ticket: Ticket) -> None:
        tried = [(node.address, node.port) for node in ticket.tried]
        self.say(
            "ask", self._number(dispatcher, ticket), dispatcher.name, ticket.key.decode("latin-1"),
            ticket.wanted.decode("latin-1"), tried, monotonic() - ticket.arrived,
        )  # fmt: skip

    def freed(self, ticket: Ticket) -> None:
        number = self._numbers.pop(ticket, None)
        if number is not None:
            del self._asked[number]
            self.say("end", number)

    def heard(self, what: str, *words: Any) -> None:
        number, *said = words
        dispatcher, ticket = self._asked.get(number, (None, None))
        if dispatcher is None or ticket is None:  # it ended meanwhile, which the successor will hear
            return
        if what == "go":
            dispatcher.granted(ticket, *said)
        elif what == "no":
            del self._asked[number], self._numbers[ticket]
            dispatcher.denied(ticket, *said)
        else:
            cast("Work", ticket).dropped(*said)

    def over(self) -> None:
        """It is gone: we decide again."""
        self.server.lead = None
        for dispatcher in self.server.pools.values():
            dispatcher.lead()

    def _number(self, dispatcher: Dispatcher, ticket: Ticket) -> int:
        number = self._numbers[ticket] = next(self._count)
        self._asked[number] = dispatcher, ticket
        return number


class _Guest(Ticket):
    """A ticket of the old process."""

    __slots__ = ("_guests", "_number")

    def __init__(self, guests: Guests, number: int, key: str = "", wanted: str = "") -> None:
        super().__init__(key.encode("latin-1"), wanted.encode("latin-1"))
        self._guests, self._number = guests, number

    def assigned(self, node: NodeState) -> None:
        self._guests.say("go", self._number, node.name, node.address, node.port)

    def refused(self, reason: Reason, retry_after: int | None) -> None:
        self._guests.forget(self._number)
        self._guests.say("no", self._number, reason, retry_after)

    def dropped(self, reason: Reason) -> None:
        self._guests.say("cut", self._number, reason)


class Guests(_Talk):
    """The successor's end: the old process's work counts among its own."""

    def __init__(self, server: Server, sock: socket.socket) -> None:
        super().__init__(server, sock)
        self.begun = asyncio.Event()
        """Whether everything is known that ran when the old process stopped to decide."""
        self.open = True
        self._held: dict[int, list[Held]] = {}
        self._places = by_place(server.pools.values())
        self._pools: dict[str, Dispatcher] = {}

    def forget(self, number: int) -> None:
        self._held.pop(number, None)

    def heard(self, what: str, *words: Any) -> None:
        heard = {"held": self._hold, "pool": self._pool, "ask": self._ask, "end": self._end, "begun": self.begun.set}
        heard[what](*words)  # type: ignore[operator]

    def over(self) -> None:
        self.open = False
        self.begun.set()
        for number in list(self._held):
            self._end(number)

    def _hold(self, number: int, pool: str, address: str, port: int) -> None:
        """In the pool of that name; where that does not have the node, in all that do."""
        owners = self._places.get((address, port), [])
        held = self._held[number] = []
        for dispatcher, node in [owner for owner in owners if owner[0].name == pool] or owners:
            guest = _Guest(self, number)
            dispatcher.hold(guest, node)
            held.append((dispatcher, guest))

    def _pool(self, name: str, nodes: list[tuple[str, int, str, Any]]) -> None:
        """What was set by hand stays, unless the configuration says something new about it."""
        for address, port, asked, admin in nodes:
            for dispatcher, node in self._places.get((address, port), ()):
                same = dispatcher.name == name or name not in self.server.pools
                if same:
                    self._pools.setdefault(name, dispatcher)
                if same and node.asked == asked != admin != node.admin:
                    dispatcher.set_admin(node.name, admin)

    def _ask(self, number: int, pool: str, key: str, wanted: str, tried: list[Any], waited: float) -> None:
        dispatcher = self.server.pools.get(pool) or self._pools.get(pool)
        guest = _Guest(self, number, key, wanted)
        if dispatcher is None:
            guest.refused("no_node", None)
            return
        guest.tried = tuple(
            node for node in dispatcher.pool.nodes.values() if tried and [node.address, node.port] in tried
        )
        self._held[number] = [(dispatcher, guest)]
        dispatcher.submit(cast("Work", guest), monotonic() - waited)

    def _end(self, number: int) -> None:
        for dispatcher, guest in self._held.pop(number, ()):
            dispatcher.release(guest, monotonic())
