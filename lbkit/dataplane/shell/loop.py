"""The event loop: asyncio's, with a selector that serves connections itself.

A stream's events are handled inside `select`, without a handle or a callback of asyncio's for each, which halves the
cost of a request. Everything else (probes, hooks, the control API) is plain asyncio beside it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import select
import selectors
from collections.abc import Callable, Mapping
from contextvars import Context
from time import monotonic
from typing import Any, Protocol, TypeVarTuple

from lbkit.dataplane.shell.alarm import Wheel

log = logging.getLogger("lbkit.loop")
Args = TypeVarTuple("Args")
READ, WRITE = select.EPOLLIN, select.EPOLLOUT


class Watcher(Protocol):
    """Whoever owns a descriptor."""

    def ready(self, mask: int) -> None:
        """Events arrived."""


class Receiver(Protocol):
    """Whoever read something."""

    def deliver(self, data: bytes) -> None:
        """Use it. Never raises."""


class Sender(Protocol):
    """Whoever wrote something."""

    def flush(self) -> None:
        """Send it."""


class Poller(selectors.BaseSelector):
    """A selector over one epoll for asyncio's own descriptors and for watchers."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._keys: dict[int, selectors.SelectorKey] = {}
        self._watchers: dict[int, Watcher] = {}
        self.arrived: list[tuple[Receiver, bytes]] = []
        """What was read in this round, and by whom."""
        self.unsent: list[Sender] = []
        """Those that have something to send at the end of this round."""
        self.ended: list[tuple[Callable[[Exception | None], None], Exception | None]] = []
        """What is to be called then, with its error, for connections that ended."""
        self.stirred = False
        """Whether asyncio was given something to do while watchers were served."""

    # -- watchers ----------------------------------------------------------------------------------------------------

    def watch(self, fd: int, watcher: Watcher, mask: int) -> None:
        self._epoll.register(fd, mask)
        self._watchers[fd] = watcher

    def change(self, fd: int, mask: int) -> None:
        self._epoll.modify(fd, mask)

    def forget(self, fd: int) -> None:
        """Harmless when it is not watched."""
        if self._watchers.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def drop(self, fd: int) -> None:
        """Forget a descriptor that is closed before the next round: closing takes it out of the epoll by itself."""
        self._watchers.pop(fd, None)

    def __contains__(self, fd: int) -> bool:
        return fd in self._watchers

    # -- what asyncio asks for ---------------------------------------------------------------------------------------

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        fd = fileobj if isinstance(fileobj, int) else int(fileobj.fileno())
        if fd in self._keys:
            raise KeyError(f"{fileobj!r} is registered already")
        key = self._keys[fd] = selectors.SelectorKey(fileobj, fd, events, data)
        self._epoll.register(fd, _mask(events))
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        fd = fileobj if isinstance(fileobj, int) else int(fileobj.fileno())
        key = self._keys.pop(fd)
        with contextlib.suppress(OSError):  # closed before it was unregistered
            self._epoll.unregister(fd)
        return key

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        fd = fileobj if isinstance(fileobj, int) else int(fileobj.fileno())
        key = self._keys[fd] = self._keys[fd]._replace(events=events, data=data)
        self._epoll.modify(fd, _mask(events))
        return key

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Serve the watchers until asyncio has something to do, or `timeout` seconds are over.

        A turn of asyncio's for each round would cost as much as a chunk of a stream.
        """
        until = math.inf if timeout is None else monotonic() + timeout
        self.stirred = False
        self._settle()
        while True:
            wait = 0.0 if self.stirred else until - monotonic()
            try:
                found = self._epoll.poll(-1.0 if wait == math.inf else math.ceil(max(0.0, wait) * 1e3) * 1e-3, 256)
            except InterruptedError:
                return []
            ready = self._serve(found)
            self._settle()
            if ready or self.stirred or not found or monotonic() >= until:
                return ready

    def _serve(self, found: list[tuple[int, int]]) -> list[tuple[selectors.SelectorKey, int]]:
        """Tell the watchers; what is asyncio's own."""
        ready: list[tuple[selectors.SelectorKey, int]] = []
        watchers = self._watchers
        for fd, mask in found:
            watcher = watchers.get(fd)
            if watcher is not None:
                try:
                    watcher.ready(mask)
                except Exception:
                    log.exception("a connection's handler failed")
            elif (key := self._keys.get(fd)) is not None:
                events = (mask & ~READ and selectors.EVENT_WRITE) | (mask & ~WRITE and selectors.EVENT_READ)
                if events & key.events:
                    ready.append((key, events & key.events))
        return ready

    def _settle(self) -> None:
        """Hand out what was read, send what was written, and take leave of the connections that ended."""
        while self.arrived or self.unsent or self.ended:
            arrived, self.arrived = self.arrived, []
            for receiver, data in arrived:
                receiver.deliver(data)
            waiting, self.unsent = self.unsent, []
            for sender in waiting:
                try:
                    sender.flush()
                except Exception:
                    log.exception("a connection's handler failed")
            ended, self.ended = self.ended, []
            for tell, error in ended:
                try:
                    tell(error)
                except Exception:
                    log.exception("a connection's handler failed")

    def close(self) -> None:
        self._epoll.close()
        self._keys.clear()
        self._watchers.clear()

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys[fileobj if isinstance(fileobj, int) else int(fileobj.fileno())]

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._keys


class Loop(asyncio.SelectorEventLoop):
    """An asyncio loop that knows its poller and its alarms."""

    def __init__(self) -> None:
        self.poller = Poller()
        self.wheel = Wheel(self)
        super().__init__(self.poller)

    def call_soon(
        self, callback: Callable[[*Args], object], *args: *Args, context: Context | None = None
    ) -> asyncio.Handle:
        self.poller.stirred = True
        return super().call_soon(callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[[*Args], object], *args: *Args, context: Context | None = None
    ) -> asyncio.TimerHandle:
        self.poller.stirred = True
        return super().call_at(when, callback, *args, context=context)


def _mask(events: int) -> int:
    return (READ if events & selectors.EVENT_READ else 0) | (WRITE if events & selectors.EVENT_WRITE else 0)
