"""Pools become target groups, and their nodes attachments."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any

from lbkit.spec import HealthCheck, Node, Pool, Spec
from lbkit.spec.health import speaks
from lbkit.spec.inputs import is_output
from lbkit.targets.aws.placement import Application, Network, Placement
from lbkit.targets.aws.plan import BALANCER, Args, Plan, Planned, Ref, key, slug, when_known
from lbkit.targets.aws.rules import address, health_timeout, instance, judged
from lbkit.targets.aws.translate.firewall import elastic, ways_to

DAY = 86_400
"""Seconds of AWS's own default for a sticky cookie."""
_ALGORITHMS = {"round_robin": "round_robin", "least_connections": "least_outstanding_requests"}


def pools(spec: Spec, home: Placement) -> Plan:
    plan: Plan = {name: Planned("lb.TargetGroup", _group(name, pool, home)) for name, pool in spec.pools.items()}
    if not elastic(home):
        # A target group serves one balancer, so a new one that comes beside the old one needs groups of its own.
        for item in plan.values():
            item.replaced_with = BALANCER
    ways = ways_to(spec, home)
    for name, pool in spec.pools.items():
        for label, node in pool.nodes.items():
            plan[attachment(name, label, pool)] = Planned(
                "lb.TargetGroupAttachment",
                {"target_group_arn": Ref(name, "arn"), **_attachment(f"pools.{name}.nodes.{label}", node, pool, home)},
                after=ways[name, label],
            )
    return plan


def attachment(name: str, label: str, pool: Pool) -> str:
    """Key of what puts a node into its group: by address and port, not by the user's name. AWS registers a target once, so
    if another resource came to stand for it, the old one's removal would take the target out behind its back."""
    node = pool.nodes[label]
    target = node.address if node.instance is None else node.instance
    return key("node", name, label if is_output(target) else f"{slug(target)}-{node.port or pool.port}")


def _group(name: str, pool: Pool, home: Placement) -> Args:
    assert pool.health_check is not None
    by_instance = pool.fleet is not None or any(node.instance is not None for node in pool.nodes.values())
    return {
        "port": pool.port,
        "protocol": pool.protocol.upper(),
        "target_type": "instance" if by_instance else "ip",
        "vpc_id": home.vpc_id,
        "deregistration_delay": int(pool.drain),
        "health_check": _health_check(pool, pool.health_check, _grpc(name, home)),
        **(_connections(pool, home) if pool.protocol == "tcp" else _requests(name, pool, home)),
    }


def _requests(name: str, pool: Pool, home: Placement) -> Args:
    http2 = isinstance(home, Application) and name in home.http2
    sticky = {"type": "lb_cookie", "enabled": pool.sticky is not None, "cookie_duration": sticky_seconds(pool)}
    return {
        "protocol_version": "GRPC" if _grpc(name, home) else "HTTP2" if http2 else "HTTP1",
        "load_balancing_algorithm_type": _ALGORITHMS[pool.algorithm],
        "load_balancing_cross_zone_enabled": _text(home.cross_zone),
        "slow_start": int(pool.slow_start),
        "stickiness": sticky,
    }


def _connections(pool: Pool, home: Placement) -> Args:
    return {
        "connection_termination": True,  # the drain's time is a limit
        "preserve_client_ip": _text(isinstance(home, Network) and home.preserve_client_ip),
        "proxy_protocol_v2": pool.proxy_protocol == "v2",
        "stickiness": {"type": "source_ip", "enabled": pool.algorithm == "source_hash"},
    }


def sticky_seconds(pool: Pool) -> int:
    """How long a client keeps the cookie of a pool."""
    return int(pool.sticky.ttl) if pool.sticky and pool.sticky.ttl else DAY


def _grpc(name: str, home: Placement) -> str | None:
    """gRPC codes of a good answer, for a pool that speaks it."""
    return home.grpc.get(name) if isinstance(home, Application) else None


def _health_check(pool: Pool, check: HealthCheck, grpc: str | None) -> Args:
    asks = {"path": check.path, "matcher": grpc or check.codes} if check.path else {}
    return {
        "enabled": True,
        "protocol": speaks(check, pool.protocol).upper(),
        "port": str(check.port) if check.port else "traffic-port",
        "interval": int(check.interval),
        "timeout": int(health_timeout(pool)),
        "healthy_threshold": check.rise,
        "unhealthy_threshold": check.fall,
        **asks,
    }


def _attachment(at: str, node: Node, pool: Pool, home: Placement) -> Args:
    by_address = judged(f"{at}.address", node.address, address)
    target = by_address if node.instance is None else judged(f"{at}.instance", node.instance, instance)
    args = {"target_id": target, "port": node.port or pool.port}
    return (
        {**args, "availability_zone": _zone(node.address, home)} if home.outside_vpc and node.instance is None else args
    )


def _zone(address: Any, home: Placement) -> Any:
    """`all` for an address outside the VPC; else AWS finds the zone."""

    def zone(known: Sequence[Any]) -> str | None:
        where, *outside = known
        return "all" if any(ipaddress.ip_address(where) in ipaddress.ip_network(cidr) for cidr in outside) else None

    return when_known([address, *home.outside_vpc], zone)


def _text(value: bool) -> str:
    """A truth value where the provider wants text."""
    return str(value).lower()
