"""Alarms ring once, in the tick after their time, whatever was set, moved, cleared and cancelled before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbkit.dataplane.shell import alarm as alarms
from lbkit.dataplane.shell.alarm import Alarm, Wheel

TICK = 1 / 64


class Clock:
    """A loop whose time is turned by hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[asyncio.TimerHandle] = []
        self.wheel = Wheel(self)

    def call_at(self, when: float, callback: Callable[..., None], *args: Any) -> asyncio.TimerHandle:
        timer = asyncio.TimerHandle(when, callback, args, cast(Any, self))
        self.timers.append(timer)
        return timer

    def _timer_handle_cancelled(self, handle: object) -> None: ...
    def get_debug(self) -> bool:
        return False

    def turn(self, until: float) -> None:
        """Let time pass, and call whose time has come."""
        while due := [timer for timer in self.timers if timer.when() <= until and not timer.cancelled()]:
            first = min(due, key=lambda timer: timer.when())
            self.timers.remove(first)
            self.now = max(self.now, first.when())
            first._run()
        self.now = until


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(alarms, "monotonic", lambda: found.now)
    return found


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("at"), st.integers(0, 3), st.floats(0, 5)),
        st.tuples(st.sampled_from(("clear", "cancel")), st.integers(0, 3), st.just(0.0)),
        st.tuples(st.just("turn"), st.just(0), st.floats(0, 2)),
    ),
    max_size=40,
)


@given(steps=STEPS)
def test_an_alarm_rings_once_in_the_tick_after_its_time(steps: list[tuple[str, int, float]]):
    with pytest.MonkeyPatch.context() as patch:
        clock = Clock()
        patch.setattr(alarms, "monotonic", lambda: clock.now)
        rung: list[tuple[int, float]] = []
        wanted = [inf] * 4
        given_up = [False] * 4
        every = [Alarm(clock, lambda i=i: rung.append((i, clock.now))) for i in range(4)]  # type: ignore[misc]
        for what, which, number in [*steps, ("turn", 0, 10.0)]:
            if what == "at":
                wanted[which] = clock.now + number
                every[which].at(wanted[which])
            elif what in ("clear", "cancel"):
                wanted[which] = inf
                given_up[which] = given_up[which] or what == "cancel"
                getattr(every[which], what)()
            else:
                clock.turn(clock.now + number)
                assert all(wanted[i] <= at <= wanted[i] + 2 * TICK for i, at in rung)
                late = [i for i, due in enumerate(wanted) if due + 2 * TICK < clock.now and not given_up[i]]
                assert {i for i, _ in rung} >= set(late)
                assert len({i for i, _ in rung}) == len(rung)
                for i, _ in rung:
                    wanted[i] = inf
                rung.clear()
        assert not any(clock.wheel._alarms.values()), "nothing is kept of those that are over"


def test_an_alarm_that_fails_keeps_no_other_from_ringing(clock: Clock, caplog: pytest.LogCaptureFixture):
    rung: list[str] = []

    def fail() -> None:
        raise ZeroDivisionError

    every = [Alarm(clock, fail), *(Alarm(clock, lambda: rung.append("a")) for _ in range(5)), Alarm(clock, fail)]
    for one in every:
        one.at(1.0)
    clock.turn(2.0)
    assert rung == ["a"] * 5
    assert caplog.text.count("a timer's handler failed") == 2


def test_moving_an_alarm_later_asks_nothing_of_the_loop(clock: Clock):
    one = Alarm(clock, lambda: None)
    one.at(1.0)
    asked = len(clock.timers)
    for due in range(2, 1000):
        one.at(float(due))
    assert len(clock.timers) == asked
    assert sum(map(len, clock.wheel._alarms.values())) == 1
