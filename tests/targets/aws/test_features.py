"""One spec for each feature: its golden plan, and that preview registers what up does."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lbkit import LoadBalancer
from lbkit.targets.aws.placement import Placement
from lbkit.targets.aws.plan import Plan, Ref
from tests.laws.leaves import BASE, FLEET, TCP
from tests.mocks import golden, registered
from tests.targets.aws.api import violations
from tests.targets.aws.house import CERTIFICATE, FIXED_FLEET, GROUP, IDS, TLS, TRUST, alb, changed, nlb, planned, routed

ONE = IDS["subnet_ids"][:1]
BLOCK = {
    "subnet_ids": ONE,
    "capacity_reservation": "cr-0a1b2c3d4e5f60718",
    "capacity_block": True,
    "efa": 4,
    "instance_profile": "gpu",
}
SPOT = {**FLEET["pools.p.fleet"], "spot": 60, "on_demand": 1, "fallbacks": ["g5.xlarge", "g6.xlarge"]}
FEATURES: dict[str, tuple[dict[str, Any], Placement]] = {
    "https": (
        {**TLS, "listeners.l.port": 443, "listeners.l.tls.names": {"b": {"certificate": CERTIFICATE.format("b")}},
         "listeners.l.tls.client_ca": TRUST, "listeners.h": {"port": 80, "redirect": {"scheme": "https", "status": 301}}},
        alb(ip="dualstack"),
    ),
    "routes": (
        routed(api={"path": "/v1", "methods": ["POST"]}, canary={"headers": {"X-Canary": "1"}, "pools": {"p": 90, "q": 10}},
               down={"host": "old.example.com", "answer": {"status": 410}}),
        alb(),
    ),
    "grpc": ({**TLS, "pools.p.health_check.path": "/grpc.health.v1.Health/Check"}, alb(grpc={"p": "0-12"})),
    "http2": (TLS, alb(http2=["p"])),
    "sticky": ({"pools.p.sticky": {"ttl": 600}, "pools.p.slow_start": 60}, alb(cross_zone=False)),
    "https-nodes": ({"pools.p.protocol": "https", "pools.p.tls": {"verify": False}}, alb(internal=True)),
    "firewall": ({"pools.p.firewall": True, "pools.p.health_check.port": 9000}, alb(node_security_group_ids=[GROUP])),
    "logs": ({}, alb(access_logs={"bucket": "ours", "prefix": "lb"}, deletion_protection=True, tags={"team": "ml"})),
    "spot-fleet": ({**FLEET, "pools.p.fleet": SPOT}, alb()),
    "warm-fleet": ({**FLEET, "pools.p.fleet": {**FLEET["pools.p.fleet"], "warm": 2, "rollout": 90}}, alb()),
    "gpu-block": ({**FLEET, "pools.p.fleet": {**FLEET["pools.p.fleet"], "size": "p5.48xlarge"}}, alb(machines={"p": BLOCK})),
    "nlb-static": ({"pools.p.algorithm": "source_hash"}, nlb(subnet_ids=ONE, static_addresses=True)),
    "nlb-fleet": ({**FIXED_FLEET, "listeners.l.protocol": "tls"}, nlb(preserve_client_ip=True)),
}  # fmt: skip


def printed(plan: Plan) -> dict[str, Any]:
    """A plan as data: references in braces."""
    return {
        label: {"kind": item.kind, **_plain(item.args), **({"after": sorted(item.after)} if item.after else {})}
        for label, item in plan.items()
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Ref):
        return f"{{{value.key}.{value.attribute}}}"
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("feature", FEATURES)
def test_the_plan_is_the_golden_one(feature: str):
    plan = planned(*FEATURES[feature])
    golden(f"aws-{feature}", printed(plan))
    assert violations(plan) == []


@pytest.mark.parametrize("feature", FEATURES)
def test_preview_registers_what_up_does(feature: str):
    changes, home = FEATURES[feature]
    base = TCP if home.title == "AWS NLB" else BASE

    def program() -> None:
        LoadBalancer("lb", changed(changes, base), home)

    preview, up = (registered(program, preview=preview).resources for preview in (True, False))
    for found in (preview, up):
        found.pop("pulumi:pulumi:Stack::project-stack", None)
    assert preview.keys() == up.keys()
    for key, item in preview.items():
        assert {k: v for k, v in item.items() if k != "inputs"} == {k: v for k, v in up[key].items() if k != "inputs"}
        assert same(item["inputs"], up[key]["inputs"]), f"{key}: {json.dumps(item['inputs'])}"


def same(preview: Any, up: Any) -> bool:
    """Equal, apart from what is unknown at preview."""
    if preview == "<unknown>" or preview == up:
        return True
    if isinstance(preview, dict) and isinstance(up, dict):
        return preview.keys() == up.keys() and all(same(preview[key], up[key]) for key in up)
    if isinstance(preview, list) and isinstance(up, list):
        return len(preview) == len(up) and all(map(same, preview, up))
    return False
