"""The balancer itself, and the addresses that belong to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lbkit.spec import Spec
from lbkit.spec.inputs import is_output
from lbkit.targets.aws.placement import Application, Logs, Network, Placement, listed
from lbkit.targets.aws.plan import BALANCER, Args, Plan, Planned, Ref, key, when_known
from lbkit.targets.aws.translate.firewall import BALANCERS, elastic


def balancer(spec: Spec, home: Placement) -> Plan:
    common: Args = {
        "internal": home.internal,
        "ip_address_type": home.ip,
        "security_groups": [Ref(BALANCERS, "id")],
        "enable_deletion_protection": home.deletion_protection,
    }
    if isinstance(home, Application):
        args = {**common, **_application(spec, home)}
        return {BALANCER: Planned("lb.LoadBalancer", args, replaced_with=BALANCERS)}
    assert isinstance(home, Network)
    names = [key("address", _subnet(subnet, index)) for index, subnet in enumerate(listed(home.subnet_ids))]
    own = {name: Planned("ec2.Eip", {"domain": "vpc"}) for name in names if home.static_addresses}
    given: Sequence[Any] = home.allocation_ids or [Ref(name, "id") for name in own]
    args = {
        **common,
        "load_balancer_type": "network",
        "enable_cross_zone_load_balancing": home.cross_zone,
        "subnet_mappings": when_known([home.subnet_ids], lambda found: _mappings(found[0], given)),
    }
    # An Elastic IP serves one balancer, so the old one must be gone before the new one can have it.
    return {**own, BALANCER: Planned("lb.LoadBalancer", args, replaced_with=BALANCERS, delete_first=elastic(home))}


def _mappings(subnets: Sequence[Any], addresses: Sequence[Any]) -> list[Args]:
    return [
        {"subnet_id": subnet, **({"allocation_id": addresses[index]} if addresses else {})}
        for index, subnet in enumerate(subnets)
    ]


def _subnet(subnet: Any, index: int) -> str:
    """What keys an address: the subnet's id where it is known, so that another subnet before it moves nothing."""
    return str(index) if is_output(subnet) else str(subnet)


def _application(spec: Spec, home: Placement) -> Args:
    args: Args = {
        "load_balancer_type": "application",
        "subnets": home.subnet_ids,
        "idle_timeout": int(next(iter(spec.pools.values())).timeouts.idle),
        "client_keep_alive": int(next(iter(spec.listeners.values())).timeouts.keep_alive),
        "drop_invalid_header_fields": True,
        "desync_mitigation_mode": "defensive",
        "enable_http2": True,
        "preserve_host_header": True,
        "xff_header_processing_mode": "append",
    }
    for name in ("access_logs", "connection_logs"):
        logs: Logs | None = getattr(home, name)
        if logs is not None:
            args[name] = {"bucket": logs.bucket, "prefix": logs.prefix, "enabled": logs.enabled}
    return args
