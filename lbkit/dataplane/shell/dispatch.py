"""The one dispatch: it carries every command of a pool's core to whom it concerns.

Slots are taken and given back here and nowhere else. Commands that arise while others are carried out wait their
turn, so a ticket may call back at any time.
"""

from __future__ import annotations

import logging
import random
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, cast

from lbkit.dataplane.core.commands import Ask, Assign, Command, Drained, Drop, Freed, Gone, Reason, Refuse, Rest, Wake
from lbkit.dataplane.core.node import Admin, NodeState
from lbkit.dataplane.core.pool import PoolState
from lbkit.dataplane.core.ticket import Ticket
from lbkit.dataplane.shell.alarm import Alarm
from lbkit.dataplane.shell.hooks import Hooks
from lbkit.dataplane.shell.loop import Loop
from lbkit.dataplane.shell.metrics import PoolMetrics
from lbkit.dataplane.shell.terms import PoolTerms
from lbkit.dataplane.shell.upstream import NodeConnections
from lbkit.dataplane.wire import answer as answers
from lbkit.spec import Pool

if TYPE_CHECKING:
    from lbkit.dataplane.shell.tls import NodeSecurity
    from lbkit.dataplane.shell.work import Work

log = logging.getLogger("lbkit.pool")


class Dispatcher:
    """One running pool: the core's state, its timer and its connections to nodes."""

    def __init__(self, name: str, spec: Pool, loop: Loop, security: NodeSecurity | None = None) -> None:
        self.name, self.loop = name, loop
        self.pool = PoolState(spec, monotonic(), random.random)
        self.spec, self.terms = spec, PoolTerms(spec)
        self.connections = NodeConnections(loop)
        self.connections.security = security
        self.metrics = PoolMetrics()
        self.reader = answers.Reader()
        self.first_verdict: Callable[[], None] = lambda: None
        """Called when a node was probed for the first time."""
        self.ask: Callable[[Ticket], None] = lambda ticket: None
        """Called for work whose node a successor is to choose."""
        self.freed: Callable[[Ticket], None] = lambda ticket: None
        """Called for work that no longer counts here, which others may have counted."""
        self._hooks = Hooks(self)
        self._todo: deque[Command] = deque()
        self._busy = False
        self._alarm = Alarm(loop, self._expire)

    def submit(self, ticket: Work, now: float) -> None:
        """New work: its ticket is told when there is a node for it, or why there is none."""
        commands = self.pool.arrive(ticket, now)
        if ticket.node is None or self._busy or len(commands) != 1:
            self._do(commands)
            return
        self._busy = True
        try:
            ticket.assigned(ticket.node)
        finally:
            self._busy = False
        if self._todo:
            self._do([])

    def release(self, ticket: Ticket, now: float) -> None:
        """The work is over. Harmless when repeated."""
        commands = self.pool.release(ticket, now)
        if commands:
            self._do(commands)

    def again(self, ticket: Ticket) -> None:
        """The node failed before anything reached it: find another."""
        self.metrics.retries += 1
        self._do(self.pool.again(ticket, monotonic()))

    def failed(self, node: NodeState, error: str) -> None:
        """Real traffic met an error on this node; only the passive check makes it count."""
        node.failures += 1
        node.last_error = error
        self.observed(node, False, error)

    def observed(self, node: NodeState, good: bool, error: str = "") -> None:
        """For the passive check."""
        if self.spec.passive_check is not None:
            self._do(self.pool.observed(node, good, error, monotonic()))

    def probed(self, node: NodeState, good: bool, error: str = "") -> None:
        """A probe's result."""
        before = node.health.state
        self._do(self.pool.probed(node, good, error, monotonic()))
        if node.health.state != before:
            if before == "checking":
                self.first_verdict()
            log.info("node %s/%s is %s%s", self.name, node.name, node.health.state, f": {error}" if error else "")

    def set_admin(self, node: str, state: Admin) -> None:
        """Raises KeyError for a node that is not there."""
        log.info("node %s/%s: admin state %s", self.name, node, state)
        self._do(self.pool.set_admin(node, state, monotonic()))

    def wake(self, node: str) -> None:
        """Raises KeyError for a node that is not there."""
        self._do(self.pool.wake(node, monotonic()))

    def hook_ended(self, node: NodeState, waking: bool, error: str) -> None:
        """How a hook went; an empty error is success."""
        what = "wake" if waking else "rest"
        self.metrics.hooks[what, "failed" if error else "ok"] += 1
        log.log(
            logging.WARNING if error else logging.INFO, "node %s/%s: %s %s", self.name, node.name, what, error or "ok"
        )
        told = self.pool.woke if waking else self.pool.rested
        self._do(told(node, error, monotonic()))

    @property
    def undecided(self) -> bool:
        """Whether no node can serve, but some may as soon as they are probed."""
        nodes = self.pool.nodes.values()
        return not any(node.usable for node in nodes) and any(node.checking for node in nodes)

    def hold(self, ticket: Ticket, node: NodeState) -> None:
        """Work that another process or pool has on this node counts here too, until it is released."""
        self.pool.succession.hold(ticket, node, monotonic())

    def granted(self, ticket: Ticket, name: str, address: str, port: int) -> None:
        """The successor chose this node."""
        self._do(self.pool.succession.granted(ticket, name, address, port, monotonic()))

    def denied(self, ticket: Ticket, reason: Reason, retry_after: int | None) -> None:
        """The successor has none."""
        self._do(self.pool.succession.denied(ticket, reason, retry_after))

    def follow(self) -> None:
        """A successor decides from now on."""
        self._do(self.pool.succession.begin())

    def lead(self) -> None:
        """It is gone."""
        self._do(self.pool.succession.end(monotonic()))

    def configure(self, spec: Pool, security: NodeSecurity | None = None) -> None:
        """Decide what a new spec changes; `resume` does it."""
        if (spec.protocol, spec.tls) != (self.spec.protocol, self.spec.tls):
            self.connections.renew()
        self.spec, self.terms, self.connections.security = spec, PoolTerms(spec), security
        self._todo.extend(self.pool.members.reshape(spec, monotonic()))

    def retire(self) -> None:
        """Decide what the pool's end changes; `resume` does it."""
        self._todo.extend(self.pool.members.retire(monotonic()))

    def resume(self) -> None:
        """Do what was decided, and serve who waits."""
        decided, self._todo = list(self._todo), deque()
        self._do([*decided, *self.pool.serve(monotonic())])

    def close(self) -> None:
        self._alarm.cancel()
        self._hooks.close()
        self.connections.close()

    def _expire(self) -> None:
        self._do(self.pool.expire(monotonic()))

    def _do(self, commands: list[Command]) -> None:
        if self._busy:
            self._todo.extend(commands)
            return
        self._busy = True
        try:
            for command in commands:
                self._carry_out(command)
            while self._todo:
                self._carry_out(self._todo.popleft())
        finally:
            self._busy = False
        pool = self.pool
        if (pool.waiting or pool.agenda) and (deadline := pool.deadline) < self._alarm.due:
            self._alarm.at(deadline)

    def _carry_out(self, command: Command) -> None:
        kind = type(command)
        if kind is Assign or kind is Refuse or kind is Drop:
            self._tell(cast("Assign | Refuse | Drop", command))
        elif kind is Wake:
            self._hooks.wake(cast(Wake, command).node)
        elif kind is Rest:
            self._hooks.rest(cast(Rest, command).node)
        elif kind is Gone:
            self.connections.forget(cast(Gone, command).node)
        elif kind is Ask:
            self.ask(cast(Ask, command).ticket)
        elif kind is Freed:
            self.freed(cast(Freed, command).ticket)
        else:
            log.info("node %s/%s has nothing in flight any more", self.name, cast(Drained, command).node.name)

    def _tell(self, command: Assign | Refuse | Drop) -> None:
        bearer = cast("Work", command.ticket)
        if type(command) is Assign:
            if command.ticket.node is not None:
                bearer.assigned(command.ticket.node)
        elif type(command) is Refuse:
            bearer.refused(command.reason, command.retry_after)
        else:
            bearer.dropped(cast(Drop, command).reason)
