"""Pools, their nodes and members in F5's words.

One address is one node on a device, shared by the pools; of late addresses, those that are one Output. A member's name
holds address and port, and a limited pool has a name of its own, because a limit can't be taken off a member: so every
change comes up beside what runs.
"""

from __future__ import annotations

from typing import Any

from lbkit.spec import Node, Pool
from lbkit.spec.inputs import origin
from lbkit.targets.bigip.parts import SUFFIX, Args, Plan, Ref, Text, dashed, known, when_known

_ALGORITHMS = {
    "round_robin": "round-robin",
    "least_connections": "least-connections-member",
    "source_hash": "round-robin",  # the persistence profile of the virtual server hashes
}
_WEIGHTED = {"round_robin": "ratio-member", "least_connections": "ratio-least-connections-member"}
_STATES = {"ready": "enabled", "drain": "forced_offline"}
PRIMARY, BACKUP = 2, 1
"""Priority groups, high first; never 0, because a member can't go back to it."""


def pool_key(name: str, pool: Pool) -> str:
    return f"{name}--limited" if pool.limits.hard else name


def add(plan: Plan, name: str, pool: Pool, monitor: Ref | None) -> Ref:
    """A pool with its nodes and members. Returns the pool."""
    made = plan.add("pools", pool_key(name, pool), {"monitors": [monitor or ""], **_pool(pool)})
    for key, node in pool.nodes.items():
        at = _node(plan, name, key, node)
        port = node.port or pool.port
        place = key if known(node.address) is None else f"{at.key}-{port}"
        plan.join(made, f"{made.key}--{place}", {"node": Text((at, f":{port}")), **_member(node, pool)})
    return made


def _node(plan: Plan, pool: str, key: str, node: Node) -> Ref:
    address = known(node.address)
    if address is not None:
        at = Ref("nodes", dashed(address))
        return at if at.key in plan.kinds["nodes"] else plan.add("nodes", at.key, _node_args(node))
    given = id(origin(node.address))
    if (shared := plan.late_nodes.get(given)) is not None:
        return shared
    at = plan.late_nodes[given] = plan.add("nodes", f"{pool}--{key}", _node_args(node))
    plan.kinds["nodes"][at.key]["name"] = when_known(node.address, lambda found: late_name(plan, at.key, str(found)))
    return at


def late_name(plan: Plan, key: str, address: str) -> str:
    """A late address stands in the name, so that a new one comes up beside the old; the balancer's name does not, so
    that a rename stays free."""
    return f"/{plan.partition}/lbkit--{key}--{dashed(address)}--{SUFFIX['nodes']}"


def _node_args(node: Node) -> Args:
    return {
        "address": node.address,
        "monitor": "none",
        "connection_limit": 0,
        "dynamic_ratio": 1,
        "ratio": 1,
        "rate_limit": "disabled",
        "session": "user-enabled",
        "state": "user-up",
    }


def _pool(pool: Pool) -> Args:
    weighted = len({node.weight for node in pool.nodes.values()}) > 1
    mode: Any = (_WEIGHTED if weighted else _ALGORITHMS).get(pool.algorithm)
    return {
        "load_balancing_mode": mode,
        "allow_snat": "yes",
        "allow_nat": "yes",
        "minimum_active_members": 1 if any(node.backup for node in pool.nodes.values()) else 0,
        "slow_ramp_time": int(pool.slow_start),
        "reselect_tries": pool.retries,
        "service_down_action": "none",
    }


def _member(node: Node, pool: Pool) -> Args:
    return {
        "ratio": node.weight,
        "state": _STATES[node.admin_state],
        "monitor": "default",
        "connection_limit": pool.limits.hard or 0,
        "connection_rate_limit": "disabled",
        "dynamic_ratio": 1,
        "priority_group": BACKUP if node.backup else PRIMARY,
    }
