"""Specs and plans for the tests of the AWS target."""

from __future__ import annotations

import copy
from typing import Any

from lbkit.spec import Spec
from lbkit.targets.aws import Alb, Nlb
from lbkit.targets.aws.placement import Placement
from lbkit.targets.aws.plan import Plan
from lbkit.targets.aws.translate import plan
from lbkit.targets.base import problems
from tests.laws.leaves import BASE, FLEET, TCP, put

IDS: dict[str, Any] = {
    "vpc_id": "vpc-0a1b2c3d4e5f60718",
    "subnet_ids": ["subnet-0a1b2c3d4e5f60718", "subnet-0f1e2d3c4b5a69788"],
}
GROUP = "sg-0a1b2c3d4e5f60718"
CERTIFICATE = "arn:aws:acm:eu-west-1:210987650123:certificate/{}"
TRUST = "arn:aws:elasticloadbalancing:eu-west-1:210987650123:truststore/clients/0a1b2c3d4e5f6071"
TLS: dict[str, Any] = {
    "listeners.l.protocol": "https",
    "listeners.l.tls": {"default": {"certificate": CERTIFICATE.format("a")}},
}
OTHER: dict[str, Any] = {
    "pools.q": {"port": 9000, "health_check": {"path": "/up"}, "nodes": {"z": {"address": "10.0.1.1"}}}
}
FIXED_FLEET: dict[str, Any] = {
    "pools.p.nodes": {},
    "pools.p.fleet": {"image": "ami-0a1b2c3d4e5f60718", "size": "t3.small", "min": 3, "max": 3},
}
__all__ = ["FLEET"]


def changed(changes: dict[str, Any], base: dict[str, Any] = BASE) -> Spec:
    data = copy.deepcopy(base)
    for path, value in changes.items():
        put(data, path, copy.deepcopy(value))
    return Spec.load(data)


def routed(**routes: Any) -> dict[str, Any]:
    """Changes that give the listener these routes, to the second pool where none is said."""
    leads = ("pool", "pools", "redirect", "answer")
    full = {k: v if any(lead in v for lead in leads) else {**v, "pool": "q"} for k, v in routes.items()}
    return {**OTHER, "listeners.l.routes": full, "listeners.m": {"port": 90, "pool": "q"}}


def alb(**placement: Any) -> Alb:
    return Alb(**{**IDS, **placement})


def nlb(**placement: Any) -> Nlb:
    return Nlb(**{**IDS, **placement})


def planned(changes: dict[str, Any], home: Placement | None = None) -> Plan:
    """The plan of a spec that the home can do."""
    home = home or alb()
    spec = changed(changes, TCP if isinstance(home, Nlb) else BASE)
    assert not problems(spec, home)
    return plan(spec, home)


def at(found: Plan, path: str) -> Any:
    """What stands in a plan: `key:argument.argument`."""
    label, _, rest = path.partition(":")
    value: Any = found[label].args
    for part in filter(None, rest.split(".")):
        value = value[int(part)] if isinstance(value, list) else value[part]
    return value


def refusals(changes: dict[str, Any], home: Placement | None = None) -> dict[str, str]:
    """Reason and remedy by path."""
    home = home or alb()
    spec = changed(changes, TCP if isinstance(home, Nlb) else BASE)
    return {problem.path: f"{problem.reason} {problem.remedy}" for problem in problems(spec, home)}
