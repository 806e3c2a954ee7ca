"""The loop serves its watchers for as long as it can, but what asyncio has to do never waits for them."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from lbkit.dataplane.shell.loop import READ, Loop

PATIENCE = 10.0


class Busy:
    """A watcher with always something to read, which it never does."""

    def __init__(self, loop: Loop) -> None:
        self.near, self.far = socket.socketpair()
        self.far.send(b"x")
        self.rounds = 0
        self.at_once: Callable[[], object] = lambda: None
        loop.poller.watch(self.near.fileno(), self, READ)

    def ready(self, mask: int) -> None:
        self.rounds += 1
        self.at_once()


@pytest.fixture
def loop() -> Iterator[Loop]:
    made = Loop()
    yield made
    made.close()


@pytest.fixture
def busy(loop: Loop) -> Iterator[Busy]:
    made = Busy(loop)
    yield made
    loop.poller.forget(made.near.fileno())
    made.near.close()
    made.far.close()


def comes_true(loop: Loop, awaited: asyncio.Future[None]) -> bool:
    """Without the guard that wakes the loop in the end; until then it gets no timer but the test's own."""
    guard = threading.Timer(PATIENCE, loop.call_soon_threadsafe, (loop.stop,))
    guard.start()
    loop.run_until_complete(awaited)
    waited = not guard.is_alive()
    guard.cancel()
    return not waited


def done(future: asyncio.Future[None]) -> Callable[[], None]:
    return lambda: None if future.done() else future.set_result(None)


def test_a_timer_rings_while_watchers_are_busy(loop: Loop, busy: Busy, monkeypatch: pytest.MonkeyPatch):
    future, turns, select = loop.create_future(), [0], loop.poller.select

    def counted(timeout: float | None) -> object:
        turns[0] += 1
        return select(timeout)

    monkeypatch.setattr(loop.poller, "select", counted)
    loop.call_later(0.01, done(future))
    assert comes_true(loop, future)
    assert turns[0] < busy.rounds, "rounds are served without a turn of asyncio's for each"


def test_what_a_watcher_asks_of_asyncio_is_done_after_its_round(loop: Loop, busy: Busy):
    future = loop.create_future()
    busy.at_once = lambda: loop.call_soon(done(future))
    assert comes_true(loop, future)
    assert busy.rounds <= 2


def test_a_timer_that_a_watcher_sets_rings(loop: Loop, busy: Busy):
    future = loop.create_future()
    busy.at_once = lambda: busy.rounds > 1 or loop.call_later(0.01, done(future))
    assert comes_true(loop, future)


def test_another_thread_is_heard(loop: Loop, busy: Busy):
    future = loop.create_future()
    other = threading.Thread(target=loop.call_soon_threadsafe, args=(done(future),))

    def third() -> None:
        if busy.rounds == 3:
            other.start()

    busy.at_once = third
    assert comes_true(loop, future)
    other.join()


def test_what_arises_before_the_loop_waits_is_not_waited_with(loop: Loop):
    future = loop.create_future()

    def ended(error: Exception | None) -> None:
        loop.call_soon(done(future))

    loop.poller.ended.append((ended, None))
    assert comes_true(loop, future)
