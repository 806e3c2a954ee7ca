"""The seeds' sentences about algorithms, without sockets or clocks."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from lbkit.dataplane.core.commands import Assign, Ticket
from lbkit.dataplane.core.pool import PoolState
from tests.dataplane.specs import pool, random


def chosen(state: PoolState, count: int) -> list[str]:
    names = []
    for _ in range(count):
        (command,) = state.arrive(Ticket(), 0)
        assert isinstance(command, Assign)
        assert command.ticket.node
        names.append(command.ticket.node.name)
    return names


def test_round_robin_is_sequential_and_cyclic():  # SA-2..4
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


def test_least_connections_picks_from_the_set_with_the_minimum():  # UK-14..16
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
