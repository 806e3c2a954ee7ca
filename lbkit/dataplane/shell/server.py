"""The running balancer: a configuration made real, and replaced in place by the next one.

A new configuration is applied as a whole or not at all: files are read and ports are bound before anything else
changes. Running requests keep the node they have; removed nodes, pools and listeners drain.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from functools import partial
from typing import Any

from lbkit.dataplane.config import BootConfig
from lbkit.dataplane.core.ticket import Ticket
from lbkit.dataplane.gaps import GAPS
from lbkit.dataplane.shell import report
from lbkit.dataplane.shell.dispatch import Dispatcher
from lbkit.dataplane.shell.heirs import Heirs
from lbkit.dataplane.shell.history import History
from lbkit.dataplane.shell.journal import Journal
from lbkit.dataplane.shell.listening import Listening
from lbkit.dataplane.shell.loop import Loop
from lbkit.dataplane.shell.probes import Probes
from lbkit.dataplane.shell.succession import Guests, Lead
from lbkit.dataplane.shell.tls import Certificates, NodeSecurity
from lbkit.errors import LbkitError, OperationError, Unsupported
from lbkit.spec import Listener, NodeTls, Pool, Spec
from lbkit.spec.balancer import uses
from lbkit.spec.gaps import asked_too_much

log = logging.getLogger("lbkit")
_POLL = 0.02
_FILES_EVERY = 2.0
_TOLD = 10
"""Nodes that a reason names at most."""


class Server:
    """Pools, probes and listeners of one balancer."""

    def __init__(self, loop: Loop, journal: Journal | None = None) -> None:
        self.loop, self.journal = loop, journal
        self.config: BootConfig | None = None
        self.revision = 0
        self.started = loop.time()
        self.stopping = False
        self.pools: dict[str, Dispatcher] = {}
        self.listeners: dict[str, Listening] = {}
        self.waits = False
        """Whether no listener takes clients before `open`."""
        self.lead: Lead | None = None
        """The successor, once it decides."""
        self.guests: Guests | None = None
        """The predecessor, for as long as it has work."""
        self.history = History(self)
        self._heirs = Heirs()
        self._probes: dict[str, Probes] = {}
        self._retired: list[Dispatcher] = []
        self._closing: list[Listening] = []
        self._files = loop.call_later(_FILES_EVERY, self._look_at_files)

    def apply(self, config: BootConfig) -> None:
        """Make this the configuration. Raises Unsupported or OperationError, and then nothing has changed."""
        if self.stopping:
            raise OperationError("The balancer is stopping and takes no configuration")
        if found := list(asked_too_much(config.spec, GAPS)):
            raise Unsupported(f"'{config.name}': the dataplane can't do what the spec asks", found)
        certificates = self._certificates(config.spec)
        security = {
            name: NodeSecurity(pool.tls or NodeTls(), f"pools.{name}.tls")
            for name, pool in config.spec.pools.items() if pool.protocol == "https"
        }  # fmt: skip
        bound = self._bind(config.spec, certificates)
        self._configure_pools(config.spec, security)
        self._configure_listeners(config.spec, bound, certificates)
        self.config = config
        self.revision += 1
        self._sweep()
        log.info("configuration %d of '%s' is live", self.revision, config.name)

    async def admitting(self) -> None:
        """Wait until every listener may take clients."""
        while any(self._undecided(listening.spec) for listening in self.listeners.values()):
            await asyncio.sleep(_POLL)

    def open(self) -> None:
        """Take clients, where that waited for this."""
        self.waits = False
        self._admit()

    def follow(self, sock: socket.socket) -> None:
        """The successor at the other end decides from now on which node gets what."""
        self.lead = Lead(self, sock)
        self.lead.begin()

    async def stop(self) -> None:
        """Take no more clients, let running work end within the longest drain, then cut what is left."""
        self.stopping = True
        patience = max((dispatcher.spec.drain for dispatcher in self.pools.values()), default=0.0)
        for listening in [*self.listeners.values(), *self._closing]:
            listening.close()
        deadline = self.loop.time() + patience
        while (self.connections or (self.lead and self.guests and self.guests.open)) and self.loop.time() < deadline:
            await asyncio.sleep(_POLL)
        self.cut()

    def cut(self) -> None:
        """End everything at once."""
        self._files.cancel()
        self.history.close()
        for listening in [*self.listeners.values(), *self._closing]:
            listening.close()
            listening.cut()
        for probes in self._probes.values():
            probes.close()
        for dispatcher in self.dispatchers:
            dispatcher.close()

    @property
    def dispatchers(self) -> list[Dispatcher]:
        """Of all pools, those too that only end their work."""
        return [*self.pools.values(), *self._retired]

    @property
    def connections(self) -> int:
        """Client connections that are open."""
        return sum(listening.connections for listening in [*self.listeners.values(), *self._closing])

    def unready(self) -> list[str]:
        """Why requests should not be sent here; empty when they may."""
        if self.stopping:
            return ["stopping"]
        reasons = []
        for name, dispatcher in self.pools.items():
            nodes = dispatcher.pool.nodes.values()
            if not any(node.eligible or (node.rest != "awake" and node.admin == "ready") for node in nodes):
                tried = [f"{n.name} {n.state}{f' ({n.last_error})' if n.last_error else ''}" for n in nodes]
                more = f" and {len(tried) - _TOLD} more" if len(tried) > _TOLD else ""
                reasons.append(f"pool {name} has no healthy node: {', '.join(tried[:_TOLD])}{more}")
        return reasons

    def status(self) -> dict[str, Any]:
        """Everything a person or a program wants to see, as plain data."""
        return report.status(self)

    # -- inside ------------------------------------------------------------------------------------------------------

    def _certificates(self, spec: Spec) -> dict[str, Certificates]:
        """Of every https listener; read again, for the files may be others under the same names."""
        return {
            name: Certificates(listener.tls, f"listeners.{name}.tls")
            for name, listener in spec.listeners.items() if listener.tls is not None
        }  # fmt: skip

    def _look_at_files(self) -> None:
        """Certificates that were renewed are taken for new connections."""
        self._files = self.loop.call_later(_FILES_EVERY, self._look_at_files)
        for name, listening in self.listeners.items():
            try:
                if listening.certificates is not None and listening.certificates.reload_if_changed():
                    log.info("listener %s: the certificates were read again", name)
            except LbkitError as error:
                log.error("listener %s keeps its certificates: %s", name, error)

    def _bind(self, spec: Spec, certificates: dict[str, Certificates]) -> dict[str, Listening]:
        """The new listeners. One that moves to another address of its port takes the port from its predecessor."""
        bound: dict[str, Listening] = {}
        new = {name: listener for name, listener in spec.listeners.items() if self._present(listener) is None}
        moving = [
            old for old in self.listeners.values() if old.spec.port in {listener.port for listener in new.values()}
        ]
        for old in moving:
            old.door.unbind()
        try:
            for name, listener in new.items():
                bound[name] = Listening(
                    name, listener, self.pools.__getitem__, self.loop, certificates.get(name), self.journal
                )
        except OperationError:
            for listening in bound.values():
                listening.close()
            for old in moving:
                old.rebind()
            raise
        return bound

    def _present(self, wanted: Listener) -> Listening | None:
        """The running listener on this very address and port, whatever its name."""
        same = (
            item
            for item in self.listeners.values()
            if (item.spec.address, item.spec.port) == (wanted.address, wanted.port)
        )
        return next(same, None)

    def _configure_pools(self, spec: Spec, security: dict[str, NodeSecurity]) -> None:
        for name, pool in spec.pools.items():
            if name in self.pools:
                self.pools[name].configure(pool, security.get(name))
            else:
                self.pools[name] = self._made(name, pool, security.get(name))
                self._probes[name] = Probes(self.pools[name])
            self._probes[name].configure()
        for name in [name for name in self.pools if name not in spec.pools]:
            self._probes.pop(name).close()
            retired = self.pools.pop(name)
            retired.retire()
            self._retired.append(retired)
        self._heirs.inherit(self.pools.values(), self._retired)
        for dispatcher in self.dispatchers:
            dispatcher.resume()

    def _made(self, name: str, pool: Pool, security: NodeSecurity | None) -> Dispatcher:
        made = Dispatcher(name, pool, self.loop, security)
        made.first_verdict, made.freed = self._admit, self._freed
        made.ask = partial(self._ask, made)
        return made

    def _freed(self, ticket: Ticket) -> None:
        """Work is over that others may have counted."""
        self._heirs.freed(ticket)
        if self.lead is not None:
            self.lead.freed(ticket)

    def _ask(self, dispatcher: Dispatcher, ticket: Ticket) -> None:
        assert self.lead is not None
        self.lead.ask(dispatcher, ticket)

    def _configure_listeners(
        self, spec: Spec, bound: dict[str, Listening], certificates: dict[str, Certificates]
    ) -> None:
        before, self.listeners = self.listeners, {}
        kept = set()
        for name, listener in spec.listeners.items():
            present = next(
                (i for i in before.values() if (i.spec.address, i.spec.port) == (listener.address, listener.port)), None
            )
            listening = bound.get(name) or present
            assert listening is not None
            listening.name = name
            listening.door.held = name in bound and (self.waits or self._undecided(listener))
            listening.configure(listener, certificates.get(name))
            kept.add(listening)
            self.listeners[name] = listening
        for listening in before.values():
            if listening not in kept:
                listening.close()
                self._closing.append(listening)

    def _undecided(self, listener: Listener) -> bool:
        return any(self.pools[pool].undecided for _, pool in uses(listener))

    def _admit(self) -> None:
        """A new listener takes clients once its pools' first nodes were probed."""
        for listening in self.listeners.values():
            if listening.door.held and not self.waits and not self._undecided(listening.spec):
                listening.door.admit()

    def _sweep(self) -> None:
        """Let go of what has finished draining since the last change."""
        self._closing = [listening for listening in self._closing if listening.connections]
        for dispatcher in [d for d in self._retired if not d.pool.leaving]:
            dispatcher.close()
            self._retired.remove(dispatcher)
