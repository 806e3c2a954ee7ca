"""Spec words in, AWS words out: plain dicts, no Pulumi. Everything that is sent to the provider is decided here.

Every argument is written out, defaults too: a target group keeps the old value of one that is left out later.
A rule names security groups by their key in the plan; only the made ones have ids.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from lbkit.spec import Fleet, HealthCheck, Listener, Node, Pool, Spec
from lbkit.spec.inputs import is_output
from lbkit.targets.aws.rules import health_timeout

if TYPE_CHECKING:
    from lbkit.targets.aws import Alb

Args = dict[str, Any]
_ALGORITHMS = {"round_robin": "round_robin", "least_connections": "least_outstanding_requests"}
_ANYWHERE = ["0.0.0.0/0"]
BALANCER = "balancer"
"""Key of the balancer's own security group."""


def plan(spec: Spec, alb: Alb) -> dict[str, Any]:
    """All arguments of all resources, keyed by kind and by the user's names."""
    fleets = {name: pool for name, pool in spec.pools.items() if pool.fleet}
    return {
        "load_balancer": _load_balancer(spec, alb),
        "rules": {**_ingress(spec), **_egress(spec), **_node_rules(fleets)},
        "target_groups": {name: _target_group(pool, alb) for name, pool in spec.pools.items()},
        "attachments": {
            f"{name}--{key}": _attachment(node, pool)
            for name, pool in spec.pools.items()
            for key, node in pool.nodes.items()
        },
        "listeners": {name: _listener(listener) for name, listener in spec.listeners.items()},
        "fleets": {name: _fleet(pool, pool.fleet, alb) for name, pool in fleets.items() if pool.fleet},
    }


def _load_balancer(spec: Spec, alb: Alb) -> Args:
    return {
        "load_balancer_type": "application",
        "internal": alb.internal,
        "ip_address_type": "ipv4",
        "subnets": alb.subnet_ids,
        "idle_timeout": int(next(iter(spec.pools.values())).timeouts.idle),
        "client_keep_alive": int(next(iter(spec.listeners.values())).timeouts.keep_alive),
        "drop_invalid_header_fields": True,
        "desync_mitigation_mode": "defensive",
        "enable_http2": True,
        "preserve_host_header": True,
        "xff_header_processing_mode": "append",
        "enable_deletion_protection": False,
    }


def _target_group(pool: Pool, alb: Alb) -> Args:
    assert pool.health_check is not None
    return {
        "port": pool.port,
        "protocol": "HTTP",
        "protocol_version": "HTTP1",
        "target_type": "instance" if pool.fleet else "ip",
        "vpc_id": alb.vpc_id,
        "load_balancing_algorithm_type": _ALGORITHMS[pool.algorithm],
        "deregistration_delay": int(pool.drain),
        "slow_start": 0,
        "stickiness": {"type": "lb_cookie", "enabled": False},
        "health_check": _health_check(pool, pool.health_check),
    }


def _health_check(pool: Pool, check: HealthCheck) -> Args:
    return {
        "enabled": True,
        "protocol": "HTTP",
        "path": check.path,
        "port": str(check.port) if check.port else "traffic-port",
        "interval": int(check.interval),
        "timeout": int(health_timeout(pool)),
        "healthy_threshold": check.rise,
        "unhealthy_threshold": check.fall,
        "matcher": check.codes,
    }


def _attachment(node: Node, pool: Pool) -> Args:
    return {"target_id": node.address, "port": node.port or pool.port}


def _listener(listener: Listener) -> Args:
    return {"port": listener.port, "protocol": "HTTP", "pool": listener.pool}


def _ingress(spec: Spec) -> dict[str, Args]:
    """Clients to the balancer: exactly the listeners' ports."""
    rules = {}
    for name, listener in spec.listeners.items():
        for cidr in listener.allow or _ANYWHERE:
            kind = "cidr_ipv6" if ":" in cidr else "cidr_ipv4"
            key = f"in--{name}--{cidr.translate(str.maketrans('./:', '---'))}"
            rules[key] = {
                "way": "ingress",
                "group": BALANCER,
                "ip_protocol": "tcp",
                **_ports(listener.port),
                kind: cidr,
            }
    return rules


def _egress(spec: Spec) -> dict[str, Args]:
    """The balancer to nodes: traffic and health port, nothing more (AW-15). A late address is keyed by pool and node."""
    rules: dict[str, Args] = {}
    for name, pool in spec.pools.items():
        for port in _pool_ports(pool) if pool.fleet else ():
            rules[f"out--{name}--{port}"] = {
                "way": "egress", "group": BALANCER, "ip_protocol": "tcp", **_ports(port), "peer": nodes_group(name),
            }  # fmt: skip
        for key, node in pool.nodes.items():
            for port in sorted(
                {node.port or pool.port, (pool.health_check and pool.health_check.port) or node.port or pool.port}
            ):
                at = (
                    f"{name}--{key}"
                    if is_output(node.address)
                    else str(node.address).translate(str.maketrans(".:", "--"))
                )
                rules[f"out--{at}--{port}"] = {
                    "way": "egress", "group": BALANCER, "ip_protocol": "tcp", **_ports(port), "host": node.address,
                }  # fmt: skip
    return rules


def nodes_group(pool: str) -> str:
    """Key of a fleet's security group. Each fleet has its own, so that none admits another's ports (AW-15)."""
    return f"nodes--{pool}"


def _node_rules(fleets: dict[str, Pool]) -> dict[str, Args]:
    """The balancer into the fleets' machines, and the machines out: they fetch images and models."""
    rules: dict[str, Args] = {}
    for name, pool in fleets.items():
        group = nodes_group(name)
        for port in _pool_ports(pool):
            rules[f"{group}--{port}"] = {
                "way": "ingress", "group": group, "ip_protocol": "tcp", **_ports(port), "peer": BALANCER,
            }  # fmt: skip
        rules[f"{group}--out"] = {"way": "egress", "group": group, "ip_protocol": "-1", "cidr_ipv4": "0.0.0.0/0"}
    return rules


def _pool_ports(pool: Pool) -> list[int]:
    return sorted({pool.port, (pool.health_check and pool.health_check.port) or pool.port})


def _ports(port: int) -> Args:
    return {"from_port": port, "to_port": port}


def _fleet(pool: Pool, fleet: Fleet, alb: Alb) -> dict[str, Args | None]:
    return {"template": _template(fleet, alb), "group": _group(fleet, alb), "policy": _policy(pool)}


def _template(fleet: Fleet, alb: Alb) -> Args:
    disk = {"encrypted": "true", "volume_size": fleet.disk, "volume_type": "gp3", "delete_on_termination": "true"}
    return {
        "image_id": fleet.image,
        "instance_type": fleet.size,
        "metadata_options": {"http_endpoint": "enabled", "http_tokens": "required", "http_put_response_hop_limit": 2},
        "block_device_mappings": [{"device_name": alb.root_device, "ebs": disk}],
        "user_data": encoded(fleet.user_data),
    }


def _group(fleet: Fleet, alb: Alb) -> Args:
    return {
        "min_size": fleet.min,
        "max_size": fleet.max,
        "desired_capacity": fleet.desired if fleet.desired is not None else fleet.min,
        "vpc_zone_identifiers": alb.node_subnet_ids or alb.subnet_ids,
        "health_check_type": "ELB",
        "health_check_grace_period": int(fleet.grace),
        "default_instance_warmup": int(fleet.grace),
    }


def _policy(pool: Pool) -> Args | None:
    """Target tracking on requests in flight per machine: rate times response time, over the healthy machines (AW-13)."""
    if pool.limits.soft is None:
        return None
    return {
        "policy_type": "TargetTrackingScaling",
        "target_value": float(pool.limits.soft),
        "expression": "requests * seconds / 60 / machines",
        "metrics": {
            "requests": ("RequestCount", "Sum"),
            "seconds": ("TargetResponseTime", "Average"),
            "machines": ("HealthyHostCount", "Average"),
        },
    }


def encoded(user_data: Any) -> Any:
    """Base64, as a launch template wants it; late text when it arrives."""
    if user_data is None:
        return None
    if is_output(user_data):
        return user_data.apply(encoded)
    return base64.b64encode(str(user_data).encode()).decode()
