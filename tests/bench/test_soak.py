"""The soak, short: real processes, real trouble. `make soak` runs the same for minutes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bench.soak.__main__ import not_zero, soak
from bench.soak.ledger import Ledger, Outcome, Trouble, growth
from bench.stage import Stage


@pytest.mark.timeout(90)
def test_nothing_is_lost_in_fifteen_seconds_of_trouble():  # LB-6 LB-7 LB-9 UK-4 UK-11 UK-13 SA-10
    with Stage() as stage:
        assert asyncio.run(soak(stage, 15, seed=7)) == []


def failed(began: float, ended: float) -> Ledger:
    ledger = Ledger()
    ledger.add(Outcome("several", began, ended, "502"))
    return ledger


@pytest.mark.parametrize(
    ("began", "ended", "explained"),
    [(9, 11, True), (10.1, 10.2, True), (9, 13, False), (10.5, 11, False), (1, 2, False)],
)
def test_a_death_explains_only_what_ran_on_it_and_failed_at_once(began: float, ended: float, explained: bool):
    ledger = failed(began, ended)
    ledger.troubles.append(Trouble("death", "a", 10, 10.1))
    assert (ledger.unexplained() == []) is explained


def test_a_hang_explains_what_began_while_it_lasted():
    ledger = failed(12, 15)
    ledger.troubles.append(Trouble("hang", "a", 10, 13))
    assert ledger.unexplained() == []
    assert ledger.excused == {"hang": 1}


def test_refusals_are_answers():
    ledger = Ledger()
    ledger.add(Outcome("tight", 0, 1, "refused 503"))
    assert ledger.unexplained() == []
    assert ledger.counts["tight", "refused 503"] == 1


def test_growth_leaves_the_warming_up_out():
    assert growth([10, 30, 30, 30, 30]) == 0
    assert growth([10, 30, 31, 32, 33]) == 3
    assert growth([1, 2]) == 0


def test_what_is_not_zero_is_named():
    node: dict[str, Any] = {"in_flight": 1, "leaving": True}
    status = {
        "listeners": {"l": {"connections": 2}},
        "pools": {"p": {"in_flight": 1, "queued": 0, "nodes": {"a": node, "b": {"in_flight": 0, "leaving": False}}}},
    }
    assert list(not_zero(status)) == [
        "listener l: 2 connections",
        "pool p: 1 in_flight",
        "node p/a: 1 in flight, leaving",
    ]
