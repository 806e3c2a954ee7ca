"""Limits, queue, drain and reconfiguration: calls in, commands out."""

from __future__ import annotations

from lbkit.dataplane.core.agenda import NEVER
from lbkit.dataplane.core.commands import Assign, Command, Drop, Freed, Gone, Refuse
from lbkit.dataplane.core.pace import Pace
from lbkit.dataplane.core.pool import PoolState
from lbkit.dataplane.core.ticket import Ticket
from tests.dataplane.specs import pool, random

QUEUE = {"hard": 1, "queue": {"size": 2, "timeout": 10}}


def arrive(state: PoolState, now: float = 0) -> tuple[Ticket, list[Command]]:
    ticket = Ticket()
    return ticket, state.arrive(ticket, now)


def assigned(commands: list[Command]) -> list[Ticket]:
    return [c.ticket for c in commands if isinstance(c, Assign)]


def refused(commands: list[Command]) -> list[tuple[Ticket, str]]:
    return [(c.ticket, c.reason) for c in commands if isinstance(c, Refuse)]


def test_without_a_queue_the_excess_is_refused_at_once():  # UK-12, UK-5
    state = PoolState(pool(2, limits={"hard": 1}), 0, random)
    for _ in range(2):
        assert assigned(arrive(state)[1])
    ticket, commands = arrive(state)
    assert refused(commands) == [(ticket, "overflow")]


def test_hard_1_serves_one_at_a_time_and_the_queue_in_order():  # SA-7..9, UK-11
    state = PoolState(pool(1, limits=QUEUE), 0, random)
    first, _ = arrive(state)
    second, waiting = arrive(state)
    third, _ = arrive(state)
    fourth, commands = arrive(state)
    assert waiting == []
    assert refused(commands) == [(fourth, "overflow")]
    assert assigned(state.release(first, 1)) == [second]
    assert assigned(state.release(second, 2)) == [third]
    assert state.release(third, 3) == []
    assert "waiting=0 <a up 0/1>" in repr(state)


def test_who_waits_too_long_is_refused_and_never_sent():  # SA-11, SA-12, SA-13
    state = PoolState(pool(1, limits=QUEUE), 0, random)
    first, _ = arrive(state)
    late, _ = arrive(state, now=3)
    assert state.deadline == 13
    assert state.expire(12.9) == []
    assert refused(state.expire(13)) == [(late, "queue")]
    assert assigned(state.release(first, 14)) == []


def test_a_client_that_leaves_the_queue_lets_the_next_one_pass():  # LB-7
    state = PoolState(pool(1, limits=QUEUE), 0, random)
    first, _ = arrive(state)
    gone, _ = arrive(state)
    patient, _ = arrive(state)
    state.release(gone, 1)
    assert assigned(state.release(first, 2)) == [patient]


def test_releasing_twice_gives_back_one_slot():  # LB-7
    state = PoolState(pool(1, limits={"hard": 2}), 0, random)
    first, _ = arrive(state)
    arrive(state)
    state.release(first, 1)
    state.release(first, 1)
    assert state.nodes["a"].in_flight == 1


def test_retry_after_comes_from_the_measured_pace():  # LB-8
    state = PoolState(pool(1, limits={"hard": 1}), 0, random)
    ticket, _ = arrive(state)
    (command,) = arrive(state)[1]
    assert isinstance(command, Refuse)
    assert command.retry_after is None
    for now in (4, 8):
        state.release(ticket, now)
        ticket, _ = arrive(state, now)
    (command,) = arrive(state, 8)[1]
    assert isinstance(command, Refuse)
    assert command.retry_after == 5
    pace = Pace()
    assert pace.retry_after(0, 0.5) is None
    for now in (0, 8):
        pace.freed(now)
    assert [pace.retry_after(0, chance) for chance in (0.0, 0.99)] == [8, 10]
    assert pace.retry_after(9, 0.0) == 80


def test_a_failed_node_is_not_tried_again_while_there_is_another():  # LB-7
    state = PoolState(pool(2, algorithm="least_connections"), 0, random)
    ticket, _ = arrive(state)
    before = ticket.node
    assert assigned(state.again(ticket, 0)) == [ticket]
    assert before
    assert ticket.node is not before
    assert before.in_flight == 0


def test_a_retry_waits_for_another_node_rather_than_fail_on_the_same_again():  # LB-7
    state = PoolState(pool(2, algorithm="least_connections", limits=QUEUE), 0, random)
    failed, _ = arrive(state)
    other, _ = arrive(state)
    bad, good = failed.node, other.node
    assert state.again(failed, 0) == []
    fresh, commands = arrive(state)
    assert assigned(commands) == [fresh]  # who has not met the bad node is not kept from its room
    assert fresh.node is bad
    late, _ = arrive(state)
    assert assigned(state.release(other, 1)) == [failed]
    assert failed.node is good
    assert assigned(state.release(failed, 2)) == [late]


def test_a_retry_goes_to_the_same_node_when_there_is_no_other():  # LB-7
    state = PoolState(pool(1, limits=QUEUE), 0, random)
    ticket, _ = arrive(state)
    assert assigned(state.again(ticket, 0)) == [ticket]


def test_a_removed_node_that_returns_keeps_the_count_of_what_it_still_does():  # UK-11, LB-6
    both, one = pool(2, limits=QUEUE), pool(1, limits=QUEUE)
    state = PoolState(both, 0, random)
    arrive(state)
    running, _ = arrive(state)
    assert running.node is state.nodes["b"]
    state.configure(one, 1)
    state.configure(both, 2)
    assert state.leaving == []
    assert state.nodes["b"].in_flight == 1
    waits, commands = arrive(state, 3)
    assert commands == []
    assert assigned(state.release(running, 4)) == [waits]
    assert state.expire(100) == []  # the removal's deadline went with it


def test_a_server_under_another_name_keeps_the_count_of_what_it_does():  # UK-11, UK-17, UK-18, UK-19
    state = PoolState(pool(2, limits=QUEUE), 0, random)
    first, _ = arrive(state)
    second, _ = arrive(state)
    nodes = {"b": {"address": "10.0.0.1"}, "c": {"address": "10.0.0.2"}}
    state.configure(pool(nodes=nodes, limits=QUEUE), 1)
    assert {name: node.in_flight for name, node in state.nodes.items()} == {"b": 1, "c": 1}
    assert state.leaving == []
    assert (first.node, second.node) == (state.nodes["b"], state.nodes["c"])
    assert state.by_mark[state.nodes["c"].mark] is state.nodes["c"]


def test_a_node_that_goes_down_gets_nothing_new_and_keeps_its_work():  # CR-12
    state = PoolState(pool(2, health_check={"fall": 1, "rise": 1}), 0, random)
    a, b = state.nodes.values()
    for node in (a, b):
        state.probed(node, True, "", 0)
    ticket, _ = arrive(state)
    assert ticket.node is a
    state.probed(a, False, "no answer", 1)
    assert [arrive(state)[0].node for _ in range(3)] == [b, b, b]
    assert a.in_flight == 1
    assert a.last_error == "no answer"


def test_without_a_healthy_node_work_is_refused_even_with_a_queue():
    state = PoolState(pool(1, limits=QUEUE, health_check={}), 0, random)
    waiting, commands = arrive(state)
    assert commands == []
    assert assigned(state.probed(state.nodes["a"], True, "", 0)) == [waiting]
    state.probed(state.nodes["a"], False, "", 1)
    state.probed(state.nodes["a"], False, "", 2)
    ticket, commands = arrive(state)
    assert refused(commands) == [(ticket, "no_node")]


def test_drain_takes_nothing_new_and_is_reversible():  # UK-13
    state = PoolState(pool(2), 0, random)
    running, _ = arrive(state)
    state.set_admin("a", "drain", 0)
    assert [arrive(state)[0].node for _ in range(2)] == [state.nodes["b"]] * 2
    state.set_admin("a", "ready", 1)
    assert state.deadline == NEVER
    assert running.node is state.nodes["a"]
    assert state.nodes["a"] in [arrive(state)[0].node for _ in range(2)]


def test_drain_is_bounded_by_its_deadline():  # UK-13
    state = PoolState(pool(1, drain=30), 0, random)
    running, _ = arrive(state)
    state.set_admin("a", "drain", 100)
    assert state.deadline == 130
    assert state.expire(129) == []
    assert state.expire(130) == [Drop(running, "drain")]


def test_maintenance_cuts_running_work():
    state = PoolState(pool(1), 0, random)
    running, _ = arrive(state)
    assert state.set_admin("a", "maintenance", 0) == [Drop(running, "maintenance")]


def test_a_removed_node_gets_nothing_new_from_that_instant_and_is_forgotten_when_empty():  # UK-4, LB-6
    state = PoolState(pool(2), 0, random)
    running, _ = arrive(state)
    leaving = state.nodes["a"]
    assert state.configure(pool(nodes={"b": {"address": "10.0.0.2"}}), 5) == []
    assert [arrive(state)[0].node for _ in range(3)] == [state.nodes["b"]] * 3
    assert state.deadline == 5 + 300
    assert state.release(running, 6) == [Freed(running), Gone(leaving)]
    assert not state.leaving


def test_an_idle_removed_node_is_forgotten_at_once():  # UK-4
    state = PoolState(pool(2), 0, random)
    leaving = state.nodes["a"]
    assert state.configure(pool(nodes={"b": {"address": "10.0.0.2"}}), 0) == [Gone(leaving)]


def test_adding_a_node_keeps_the_counts_of_others_and_serves_who_waits():  # UK-17, UK-18, UK-19, LB-6
    state = PoolState(pool(1, limits=QUEUE), 0, random)
    arrive(state)
    waiting, _ = arrive(state)
    kept = state.nodes["a"]
    assert assigned(state.configure(pool(2, limits=QUEUE), 1)) == [waiting]
    assert state.nodes["a"] is kept
    assert kept.in_flight == 1


def test_a_new_address_under_an_old_name_is_another_node():  # UK-4
    state = PoolState(pool(1), 0, random)
    running, _ = arrive(state)
    before = state.nodes["a"]
    state.configure(pool(nodes={"a": {"address": "10.0.0.9"}}), 0)
    assert state.nodes["a"] is not before
    assert running.node is before
    assert before.leaving


def test_an_admin_state_set_by_hand_survives_a_configuration_that_does_not_speak_of_it():
    state = PoolState(pool(2), 0, random)
    state.set_admin("a", "drain", 0)
    state.configure(pool(2, algorithm="least_connections"), 1)
    assert state.nodes["a"].admin == "drain"
    nodes = {"a": {"address": "10.0.0.1", "admin_state": "maintenance"}, "b": {"address": "10.0.0.2"}}
    state.configure(pool(nodes=nodes), 2)
    assert state.nodes["a"].admin == "maintenance"
    state.configure(pool(2), 3)
    assert state.nodes["a"].admin == "ready"


def test_a_lower_limit_and_a_shorter_queue_hold_at_once():
    state = PoolState(pool(1, limits={"hard": 2, "queue": {"size": 3}}), 0, random)
    running = [arrive(state)[0] for _ in range(2)]
    waiting = [arrive(state)[0] for _ in range(3)]
    assert refused(state.configure(pool(1, limits={"hard": 1, "queue": {"size": 1}}), 1)) == [
        (waiting[2], "overflow"),
        (waiting[1], "overflow"),
    ]
    assert assigned(state.release(running[0], 2)) == []
    assert assigned(state.release(running[1], 2)) == [waiting[0]]


def test_a_retired_pool_refuses_who_waits_and_drains_the_rest():
    state = PoolState(pool(1, limits=QUEUE), 0, random)
    running, _ = arrive(state)
    waiting, _ = arrive(state)
    assert refused(state.members.retire(0)) == [(waiting, "drain")]
    assert state.expire(300) == [Drop(running, "drain")]


def test_who_waits_for_other_nodes_than_the_one_that_failed_him_is_served_by_it_when_they_are_ejected():
    settings = {"hard": 1, "queue": {"size": 9, "timeout": 9}}
    state = PoolState(
        pool(2, limits=settings, passive_check={"errors": 1, "eject": 10}, algorithm="round_robin"), 0, random
    )
    first, other = Ticket(), Ticket()
    state.arrive(first, 0)
    state.arrive(other, 0)
    assert state.again(first, 1) == [], "it waits for b"
    assert other.node
    (command,) = state.observed(other.node, False, "no answer", 2)
    assert isinstance(command, Assign)
    assert (command.ticket, first.node) == (first, state.nodes["a"])
