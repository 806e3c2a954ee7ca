"""Health as a table: every cell, and the seeds' numbers."""

from __future__ import annotations

import pytest

from lbkit.dataplane.core.health import Health


@pytest.mark.parametrize(("good", "state"), [(True, "up"), (False, "down")])
def test_the_first_probe_decides_alone(good: bool, state: str):
    health = Health(rise=3, fall=2)
    assert health.observe(good)
    assert health.state == state


def test_two_failures_take_a_node_out_and_three_successes_bring_it_back():  # CR-10, CR-11
    health = Health(rise=3, fall=2)
    health.observe(True)
    assert [health.observe(False), health.observe(False)] == [False, True]
    assert health.state == "down"
    assert [health.observe(True) for _ in range(3)] == [False, False, True]
    assert health.state == "up"


def test_a_contrary_result_resets_the_count():  # CR-8..11
    health = Health(rise=3, fall=2)
    health.observe(True)
    for good in (False, True, False):
        health.observe(good)
    assert health.state == "up"
    health.observe(False)
    assert health.state == "down"
    for good in (True, True, False, True, True):
        health.observe(good)
    assert health.state == "down"
    health.observe(True)
    assert health.state == "up"
