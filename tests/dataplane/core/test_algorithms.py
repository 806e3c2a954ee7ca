"""The seeds' sentences about algorithms, without sockets or clocks."""

from __future__ import annotations

import itertools
import sys
from collections import Counter
from collections.abc import Sized
from operator import ne
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbkit.dataplane.core.algorithms import InOrder, LeastConnections, RoundRobin
from lbkit.dataplane.core.commands import Assign, Refuse
from lbkit.dataplane.core.maglev import table
from lbkit.dataplane.core.node import NodeState
from lbkit.dataplane.core.picker import Picker
from lbkit.dataplane.core.pool import PoolState
from lbkit.dataplane.core.ticket import Ticket
from lbkit.spec import Pool
from tests.dataplane.specs import pool, random


def chosen(state: PoolState, count: int) -> list[str]:
    names = []
    for _ in range(count):
        (command,) = state.arrive(Ticket(), 0)
        assert isinstance(command, Assign)
        assert command.ticket.node
        names.append(command.ticket.node.name)
    return names


def test_round_robin_is_sequential_and_cyclic():  # SA-2, SA-3
    assert chosen(PoolState(pool(3), 0, random), 6) == ["a", "b", "c", "a", "b", "c"]


def test_round_robin_is_blind_to_load():  # SA-2
    state = PoolState(pool(2), 0, random)
    first = Ticket()
    state.arrive(first, 0)
    state.arrive(Ticket(), 0)
    state.release(first, 1)
    assert chosen(state, 2) == ["a", "b"]


def test_weights_are_spread_smoothly():  # SA-2
    nodes = {"a": {"address": "10.0.0.1", "weight": 5}, "b": {"address": "10.0.0.2"}, "c": {"address": "10.0.0.3"}}
    picked = "".join(chosen(PoolState(pool(nodes=nodes), 0, random), 70))
    assert (picked.count("a"), picked.count("b"), picked.count("c")) == (50, 10, 10)
    assert "aaaaaa" not in picked


def test_least_connections_picks_from_the_set_with_the_minimum():  # SA-4, UK-14, UK-15, UK-16
    state = PoolState(pool(4, algorithm="least_connections"), 0, random)
    tickets = [Ticket() for _ in range(16)]
    for ticket in tickets:
        state.arrive(ticket, 0)
    wanted = {"a": 4, "b": 1, "c": 2, "d": 1}
    for ticket in tickets:
        if ticket.node and ticket.node.in_flight > wanted[ticket.node.name]:
            state.release(ticket, 0)
    assert {name: node.in_flight for name, node in state.nodes.items()} == wanted
    first, second = chosen(state, 2)
    assert {first, second} == {"b", "d"}


def test_least_connections_has_no_favourite_among_idle_nodes():  # UK-14
    state = PoolState(pool(3, algorithm="least_connections"), 0, random)
    seen: Counter[str] = Counter()
    for _ in range(30):
        ticket = Ticket()
        state.arrive(ticket, 0)
        assert ticket.node
        seen[ticket.node.name] += 1
        state.release(ticket, 0)
    assert seen == {"a": 10, "b": 10, "c": 10}


@given(st.lists(st.integers(1, 8), min_size=1, max_size=6), st.integers(1, 60))
def test_least_connections_follows_weights(weights: list[int], count: int):
    nodes = {f"n{i}": {"address": f"10.0.0.{i + 1}", "weight": w} for i, w in enumerate(weights)}
    state = PoolState(pool(nodes=nodes, algorithm="least_connections"), 0, random)
    chosen(state, count)
    shares = [node.in_flight / node.weight for node in state.nodes.values()]
    assert max(shares) - min(shares) <= 1


@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(1, 4))
def test_round_robin_gives_each_cycle_its_exact_shares(weights: list[int], cycles: int):
    nodes = {f"n{i}": {"address": f"10.0.0.{i + 1}", "weight": w} for i, w in enumerate(weights)}
    picked = Counter(chosen(PoolState(pool(nodes=nodes), 0, random), sum(weights) * cycles))
    assert picked == {f"n{i}": w * cycles for i, w in enumerate(weights)}


def reached(state: PoolState, clients: list[bytes]) -> dict[bytes, str]:
    """Which node each client's address is led to."""
    found = {}
    for key in clients:
        ticket = Ticket(key)
        state.arrive(ticket, 0)
        assert ticket.node
        found[key] = ticket.node.name
        state.release(ticket, 0)
    return found


CLIENTS = [f"10.{i >> 8 & 255}.{i & 255}.7".encode() for i in range(4000)]


def many(count: int, **more: Any) -> Pool:
    nodes = {f"n{i}": {"address": f"10.0.{i >> 8}.{i & 255}"} for i in range(count)}
    return pool(nodes=nodes, **{"algorithm": "source_hash", **more})


def test_source_hash_leads_a_client_to_one_node_whatever_else_happens():  # CR-14
    state = PoolState(many(7), 0, random)
    before = reached(state, CLIENTS[:300])
    for key in CLIENTS[300:400]:
        state.arrive(Ticket(key), 0)  # load elsewhere
    assert reached(state, CLIENTS[:300]) == before
    assert reached(PoolState(many(7), 5, random), CLIENTS[:300]) == before, "and after a restart"


@pytest.mark.parametrize("count", [2, 3, 5, 10, 40, 200])
def test_when_one_of_n_nodes_leaves_only_its_share_moves(count: int):  # CR-14
    members = [(f"n{i}", 1) for i in range(count)]
    before = [members[owner][0] for owner in table(members)]
    for gone in range(0, count, 1 + count // 5):
        left = members[:gone] + members[gone + 1 :]
        after = [left[owner][0] for owner in table(left)]
        moved = sum(map(ne, before, after)) / len(before)
        assert 1 / count - 0.001 <= moved <= 1 / count + 0.02


def test_clients_of_a_node_that_comes_back_return_to_it():  # CR-14
    state = PoolState(many(10), 0, random)
    before = reached(state, CLIENTS[:500])
    state.set_admin("n1", "maintenance", 0)
    after = reached(state, CLIENTS[:500])
    assert "n1" not in after.values()
    assert sum(before[key] != after[key] for key in after if before[key] != "n1") < 15
    state.set_admin("n1", "ready", 0)
    assert reached(state, CLIENTS[:500]) == before


def test_source_hash_spreads_evenly_and_by_weight():  # CR-14
    shares = Counter(reached(PoolState(many(10), 0, random), CLIENTS).values())
    assert max(shares.values()) / min(shares.values()) < 1.5
    nodes = {"a": {"address": "10.0.0.1", "weight": 3}, "b": {"address": "10.0.0.2"}}
    found = Counter(reached(PoolState(pool(nodes=nodes, algorithm="source_hash"), 0, random), CLIENTS).values())
    assert 2.6 < found["a"] / found["b"] < 3.4


def test_a_full_node_of_source_hash_hands_its_clients_on_and_takes_them_back():  # CR-14, UK-11
    state = PoolState(many(3, limits={"hard": 1}), 0, random)
    key = CLIENTS[0]
    first, second = Ticket(key), Ticket(key)
    state.arrive(first, 0)
    state.arrive(second, 0)
    assert first.node
    assert second.node not in (None, first.node)
    own = first.node
    state.release(first, 0)
    assert reached(state, [key])[key] == own.name


def test_random_two_takes_the_better_of_two():
    chance = itertools.cycle([0.05, 0.0, 0.4, 0.0])
    state = PoolState(pool(4, algorithm="random_two"), 0, lambda: next(chance))
    assert chosen(state, 4) == ["a", "b", "a", "b"], "drawn are always a and b"


@pytest.mark.parametrize("count", [2, 5, 20])
def test_random_two_keeps_loads_together(count: int):
    state = PoolState(many(count, algorithm="random_two"), 0, Random(7).random)
    chosen(state, 30 * count)
    loads = [node.in_flight for node in state.nodes.values()]
    assert max(loads) - min(loads) <= 8


@pytest.mark.parametrize("algorithm", ["round_robin", "least_connections", "random_two", "source_hash"])
def test_a_choice_among_1000_nodes_takes_the_steps_of_one_among_4(algorithm: str):
    def steps(count: int) -> float:
        state = PoolState(many(count, algorithm=algorithm, limits={"hard": 5}), 0, Random(1).random)
        for key in CLIENTS[:count]:
            state.arrive(Ticket(key), 0)
        called = 0

        def count_calls(frame: object, event: str, argument: object) -> None:
            nonlocal called
            called += event in ("call", "c_call", "line")

        tickets = [Ticket(key) for key in CLIENTS[-200:]]
        before = sys.getprofile()
        sys.setprofile(count_calls)
        try:
            for ticket in tickets:
                state.arrive(ticket, 0)
                state.release(ticket, 0)
        finally:
            sys.setprofile(before)
        return called / len(tickets)

    steps(4)  # tables are made once
    assert steps(1000) <= steps(4) * 1.5 + 5


def test_a_backup_gets_work_only_while_nobody_else_is_healthy():
    nodes = {"a": {"address": "10.0.0.1"}, "b": {"address": "10.0.0.2", "backup": True}}
    state = PoolState(pool(nodes=nodes, limits={"hard": 2}), 0, random)
    assert chosen(state, 2) == ["a", "a"]
    (refused,) = state.arrive(Ticket(), 0)
    assert isinstance(refused, Refuse), "a full node is a healthy one"
    state.set_admin("a", "drain", 0)
    assert chosen(state, 2) == ["b", "b"]
    state.set_admin("a", "ready", 0)
    for ticket in list(state.nodes["a"].tickets):
        state.release(ticket, 0)
    assert chosen(state, 2) == ["a", "a"]


def test_a_client_returns_to_the_node_it_had_unless_that_is_full_or_gone():
    state = PoolState(pool(3, limits={"hard": 1}, sticky={}), 0, random)
    mark = state.nodes["c"].mark
    first, second = Ticket(wanted=mark), Ticket(wanted=mark)
    state.arrive(first, 0)
    state.arrive(second, 0)
    assert first.node is state.nodes["c"]
    assert second.node not in (None, state.nodes["c"])
    state.release(first, 0)
    state.set_admin("c", "drain", 0)
    third = Ticket(wanted=mark)
    state.arrive(third, 0)
    assert third.node not in (None, state.nodes["c"])


def test_a_node_that_comes_back_starts_slowly():
    state = PoolState(pool(2, algorithm="least_connections", slow_start=10), 0, random)
    assert Counter(chosen(state, 20)) == {"a": 10, "b": 10}, "at the start of all nobody is slow"
    for ticket in [t for n in state.nodes.values() for t in n.tickets]:
        state.release(ticket, 0)
    state.set_admin("b", "maintenance", 0)
    state.set_admin("b", "ready", 100)
    shares = []
    for now in (100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110):
        state.expire(now)
        if now not in (100, 104, 110):
            continue
        names = Counter(chosen(state, 110))
        shares.append(names["b"] / 110)
        for ticket in [t for n in state.nodes.values() for t in n.tickets]:
            state.release(ticket, now)
    assert shares[0] < 0.12
    assert 0.3 < shares[1] < 0.36
    assert shares[2] == 0.5


def test_the_passive_check_ejects_for_a_while_and_never_the_last_node():
    state = PoolState(pool(2, passive_check={"errors": 2, "eject": 30}), 0, random)
    a, b = state.nodes.values()
    state.observed(a, False, "refused", 0)
    state.observed(a, True, "", 0)
    state.observed(a, False, "refused", 0)
    assert a.able, "a good answer resets the count"
    state.observed(a, False, "refused", 0)
    assert (a.able, a.health.state, a.state) == (False, "up", "ejected"), "health is another thing"
    for _ in range(5):
        state.observed(b, False, "refused", 0)
    assert set(chosen(state, 3)) == {"b"}
    state.expire(30)
    assert set(chosen(state, 2)) == {"a", "b"}


@pytest.mark.parametrize("picker", [RoundRobin(), LeastConnections(), InOrder()], ids=lambda item: type(item).__name__)
def test_nodes_that_fill_and_empty_again_and_again_leave_nothing_behind(picker: Picker):
    settings = pool(3)
    every = [NodeState(name, node, settings) for name, node in settings.nodes.items()]
    for order, node in enumerate(every):
        node.order = order
        picker.add(node)
    for _ in range(5000):
        assert picker.pick(b"", ())
        picker.remove(every[2])
        picker.add(every[2])
    kept = [value for value in vars(picker).values() if isinstance(value, Sized)]
    assert max(map(len, kept)) < 100


def test_a_new_order_of_the_nodes_is_the_order_in_which_they_are_packed():  # UK-8
    settings, picker = pool(3), InOrder()
    every = [NodeState(name, node, settings) for name, node in settings.nodes.items()]
    for orders in ([0, 1, 2], [5, 4, 3]):
        for order, node in zip(orders, every, strict=True):
            node.order = order
            picker.add(node)
        first = min(every, key=lambda node: node.order)
        assert picker.pick(b"", ()) is first
        assert picker.pick(b"", (first,)) is every[1]
        for node in every:
            picker.remove(node)
    assert picker.pick(b"", ()) is None


def test_shares_that_change_leave_no_scores_behind():
    settings, picker = pool(2), LeastConnections()
    every = [NodeState(name, node, settings) for name, node in settings.nodes.items()]
    for node in every:
        picker.add(node)
    every[1].tickets.add(Ticket())
    for share in range(1, 5000):
        every[1].share = 1 / share
        picker.changed(every[1])
    assert len(picker._scores) == len(picker._rows) < 100
    assert picker.pick(b"", ()) is every[0]
    assert picker.pick(b"", (every[0],)) is every[1]
