"""Standby nodes: woken by load, at rest again when it falls."""

from __future__ import annotations

from typing import Any

import pytest

from lbkit.dataplane.core.commands import Assign, Refuse, Rest, Wake
from lbkit.dataplane.core.pool import PoolState
from lbkit.dataplane.core.ticket import Ticket
from tests.dataplane.specs import pool, random

HOOK = {"command": ["true"]}
HOOKS = {"wake": HOOK, "rest": HOOK}


def sleepy(names: str = "abc", resting: str = "bc", soft: int = 5, **settings: Any) -> PoolState:
    nodes = {n: {"address": f"10.0.0.{i + 1}", "standby": n in resting} for i, n in enumerate(names)}
    limits = {"soft": soft, **settings.pop("limits", {})}
    return PoolState(pool(nodes=nodes, limits=limits, **{"standby": HOOKS, **settings}), 0, random)


def arrive(state: PoolState, count: int, now: float = 0) -> tuple[list[Ticket], list[str]]:
    """So many requests; which nodes are woken for them."""
    tickets = [Ticket() for _ in range(count)]
    commands = [command for ticket in tickets for command in state.arrive(ticket, now)]
    return tickets, [command.node.name for command in commands if isinstance(command, Wake)]


def loads(state: PoolState) -> dict[str, int]:
    return {name: node.in_flight for name, node in state.nodes.items() if node.in_flight}


def test_the_sixth_parallel_request_wakes_the_second_node():  # UK-8
    state = sleepy("ab", "ab")
    state.wake("a", 0)
    state.woke(state.nodes["a"], "", 0)
    assert arrive(state, 5)[1] == []
    assert loads(state) == {"a": 5}
    assert arrive(state, 1)[1] == ["b"]
    state.woke(state.nodes["b"], "", 1)
    arrive(state, 3, 1)
    assert loads(state) == {"a": 6, "b": 3}, "who was sent stays; the next go to the woken node"


def test_a_node_is_woken_once_however_many_ask():  # LB-1
    state = sleepy()
    assert arrive(state, 9)[1] == ["b"]
    state.woke(state.nodes["b"], "", 1)
    assert arrive(state, 1, 1)[1] == [], "two nodes carry ten"
    assert arrive(state, 1, 1)[1] == ["c"]


def test_without_standby_left_soft_is_exceeded_by_least_connections():  # UK-9
    state = sleepy("ab", "b", soft=2)
    arrive(state, 3)
    state.woke(state.nodes["b"], "", 0)
    arrive(state, 7)
    assert loads(state) == {"a": 5, "b": 5}


def test_nodes_rest_as_soon_as_the_others_can_carry_the_load():  # UK-10
    state = sleepy("abc", "bc", soft=2)
    first, _ = arrive(state, 3)
    state.woke(state.nodes["b"], "", 0)
    second, woken = arrive(state, 3)
    assert woken == ["c"]
    state.woke(state.nodes["c"], "", 0)
    third, _ = arrive(state, 1)
    assert loads(state) == {"a": 3, "b": 2, "c": 2} or sum(loads(state).values()) == 7

    rested = []
    for ticket in [*third, *second, *first]:
        rested += [c.node.name for c in state.release(ticket, 9) if isinstance(c, Rest)]
    assert rested == ["c", "b"]
    assert state.in_flight == 0
    state.rested(state.nodes["c"], "", 9)
    assert [node.rest for node in state.nodes.values()] == ["awake", "resting", "asleep"]


def test_a_woken_node_stays_awake_for_its_time():
    state = sleepy("ab", "b", soft=1, standby={**HOOKS, "min_awake": 30})
    tickets, _ = arrive(state, 2)
    state.woke(state.nodes["b"], "", 10)
    for ticket in tickets:
        assert not [c for c in state.release(ticket, 11) if isinstance(c, Rest)]
    assert state.deadline == 40
    assert [type(c) for c in state.expire(40)] == [Rest]


def test_with_every_node_asleep_the_request_is_held_and_served():  # LB-1
    state = sleepy("ab", "ab", limits={"queue": {"size": 10, "timeout": 60}})
    tickets, woken = arrive(state, 3)
    assert woken == ["a"]
    assert len(state.waiting) == 3
    served = [c.ticket for c in state.woke(state.nodes["a"], "", 20) if isinstance(c, Assign)]
    assert served == tickets


def test_the_queues_timeout_is_the_wakes_deadline():  # LB-1
    state = sleepy("a", "a", limits={"queue": {"size": 10, "timeout": 60}})
    (ticket,), _ = arrive(state, 1)
    commands = state.expire(60)
    assert [c.reason for c in commands if isinstance(c, Refuse)] == ["queue"]
    assert ticket.node is None
    assert state.nodes["a"].last_error == "it did not wake in time"


def test_without_a_queue_the_request_is_refused_and_the_node_woken_all_the_same():
    state = sleepy("a", "a")
    refused, wake = state.arrive(Ticket(), 0)
    assert isinstance(refused, Refuse)
    assert refused.reason == "waking"
    assert isinstance(wake, Wake)
    assert state.woke(state.nodes["a"], "", 5) == []
    ticket = Ticket()
    assert isinstance(state.arrive(ticket, 8)[0], Assign), "it waited for who was refused"
    assert [type(command) for command in state.release(ticket, 9)] == [Rest]


def test_a_woken_node_that_nobody_uses_rests_after_all():
    state = sleepy("a", "a")
    state.wake("a", 0)
    state.woke(state.nodes["a"], "", 5)
    assert [type(command) for command in state.expire(65)] == [Rest]


def test_a_wake_that_fails_backs_off_and_the_next_node_is_tried():
    state = sleepy("abc", "bc", soft=1)
    arrive(state, 2)
    _, b, c = state.nodes.values()
    commands = state.woke(b, "status 500", 1)
    assert [x.node for x in commands if isinstance(x, Wake)] == [c]
    assert (b.rest, b.last_error) == ("asleep", "status 500")
    state.woke(c, "status 500", 1)
    assert state.deadline == 2, "one second, and then doubled"
    assert [x.node for x in state.expire(2) if isinstance(x, Wake)] == [b]
    assert [x.node for x in state.woke(b, "status 500", 2) if isinstance(x, Wake)] == [c]
    assert state.woke(c, "status 500", 2.5) == []
    assert state.deadline == 4


def test_a_node_that_would_not_rest_serves_on():
    state = sleepy("ab", "b", soft=1)
    tickets, _ = arrive(state, 2)
    b = state.nodes["b"]
    state.woke(b, "", 0)
    extra, _ = arrive(state, 1)
    assert extra[0].node is b
    for ticket in [*tickets, *extra]:
        state.release(ticket, 1)
    assert b.rest == "resting"
    state.rested(b, "status 500", 2)
    assert (b.rest, b.last_error) == ("awake", "status 500")


def test_a_woken_node_with_a_health_check_has_to_pass_it_first():
    state = sleepy("ab", "b", soft=1, health_check={"path": "/health", "rise": 1, "fall": 1})
    a, b = state.nodes.values()
    state.probed(a, True, "", 0)
    arrive(state, 2)
    state.woke(b, "", 1)
    assert not b.eligible
    state.probed(b, False, "not yet", 2)
    assert not b.eligible
    state.probed(b, True, "", 3)
    assert b.eligible


@pytest.mark.parametrize("state_word", ["drain", "maintenance"])
def test_health_admin_rest_and_load_never_rewrite_each_other(state_word: Any):
    state = sleepy("ab", "b", soft=1)
    tickets, _ = arrive(state, 2)
    b = state.nodes["b"]
    state.woke(b, "", 0)
    state.set_admin("b", state_word, 1)
    assert (b.rest, b.health.state, b.admin) == ("awake", "up", state_word)
    state.set_admin("b", "ready", 2)
    assert (b.rest, b.health.state, b.admin) == ("awake", "up", "ready")
    assert sum(ticket.node is not None for ticket in tickets) == state.in_flight


def test_traffic_itself_wakes_where_no_hook_is_given():
    state = sleepy("ab", "b", soft=1, standby={})
    arrive(state, 2)
    assert loads(state) == {"a": 1, "b": 1}
