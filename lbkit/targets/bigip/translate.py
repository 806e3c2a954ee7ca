"""Spec words in, F5 words out: plain dicts, no Pulumi. Everything that is sent to the provider is decided here.

Every argument is written out: the provider keeps the old value of one that is left out later. Pulumi names and the
device's names are made together, so that what forces a replacement (a monitor's type, a node's address) is a new
object, never the old name again.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from lbkit.spec import HealthCheck, Node, Pool, Spec
from lbkit.spec.inputs import is_output
from lbkit.targets.bigip.rules import down_after, pattern

if TYPE_CHECKING:
    from lbkit.targets.bigip import Ltm

Args = dict[str, Any]
_ALGORITHMS = {"round_robin": "round-robin", "least_connections": "least-connections-member"}
_WEIGHTED = {"round_robin": "ratio-member", "least_connections": "ratio-least-connections-member"}
_STATES = {"ready": "enabled", "drain": "disabled", "maintenance": "forced_offline"}


def plan(name: str, spec: Spec, ltm: Ltm) -> dict[str, Any]:
    """All arguments of all objects, keyed by kind and by the last part of their Pulumi name."""

    def path(part: str) -> str:
        return f"/{ltm.partition}/{name}-{part}"

    monitors = {f"{key}--{_kind(p.health_check)}": _monitor(p.health_check, p, path(f"{key}-{_kind(p.health_check)}"))
                for key, p in spec.pools.items() if p.health_check}  # fmt: skip
    return {
        "monitors": monitors,
        "nodes": {_node_key(pool, key, node): {"name": path(_node_key(pool, key, node)), **_node(node)}
                  for pool, p in spec.pools.items() for key, node in p.nodes.items()},
        "pools": {key: {"name": path(key), "monitor": _monitor_of(key, p), **_pool(p)} for key, p in spec.pools.items()},
        "members": {f"{pool}--{key}": {"pool": pool, "of": _node_key(pool, key, node), **_member(node, p)}
                    for pool, p in spec.pools.items() for key, node in p.nodes.items()},
        "virtual_servers": {key: {"name": path(key), "pool": item.pool, **_virtual(item.address or ltm.address, item.port)}
                            for key, item in spec.listeners.items()},
    }  # fmt: skip


def _kind(check: HealthCheck | None) -> str:
    return "http" if check and check.path and check.protocol != "tcp" else "tcp"


def _monitor_of(key: str, pool: Pool) -> str | None:
    return f"{key}--{_kind(pool.health_check)}" if pool.health_check else None


def _monitor(check: HealthCheck, pool: Pool, name: str) -> Args:
    """Counts as times: down after `fall` misses, up after `rise` good probes (F5 K350, K13397 for the request)."""
    http = _kind(check) == "http"
    host = check.host or ""
    return {
        "name": name,
        "parent": f"/Common/{_kind(check)}",
        "interval": int(check.interval),
        "timeout": down_after(pool),
        "time_until_up": (check.rise - 1) * int(check.interval),
        "up_interval": 0,
        "destination": f"*:{check.port}" if check.port else "*:*",
        "send": f"{check.method} {check.path} HTTP/1.1\\r\\nHost: {host}\\r\\nConnection: Close\\r\\n\\r\\n"
        if http
        else "",
        "receive": pattern(check.codes) if http else "",
        "receive_disable": "",
        "adaptive": "disabled",
        "manual_resume": "disabled",
        "reverse": "disabled",
        "transparent": "disabled",
    }


def _node_key(pool: str, key: str, node: Node) -> str:
    """One address is one node on a device, shared by pools; a late one is known by its place in the spec."""
    if is_output(node.address):
        return f"{pool}--{key}"
    return "node-" + ipaddress.ip_address(str(node.address)).exploded.translate(str.maketrans(".:", "--"))


def _node(node: Node) -> Args:
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
    return {
        "load_balancing_mode": (_WEIGHTED if weighted else _ALGORITHMS)[pool.algorithm],
        "allow_snat": "yes",
        "allow_nat": "yes",
        "minimum_active_members": 0,
        "slow_ramp_time": int(pool.slow_start),
        "reselect_tries": pool.retries,
        "service_down_action": "none",
    }


def _member(node: Node, pool: Pool) -> Args:
    return {
        "port": node.port or pool.port,
        "ratio": node.weight,
        "state": _STATES[node.admin_state],
        "monitor": "default",
        "connection_limit": 0,
        "connection_rate_limit": "disabled",
        "dynamic_ratio": 1,
        "priority_group": 0,
    }


def _virtual(address: Any, port: int) -> Args:
    """HTTP over TCP, and SNAT so that answers come back through the BIG-IP."""
    return {
        "destination": address,
        "port": port,
        "ip_protocol": "tcp",
        "profiles": ["/Common/tcp", "/Common/http"],
        "source_address_translation": "automap",
        "translate_address": "enabled",
        "translate_port": "enabled",
        "state": "enabled",
    }
