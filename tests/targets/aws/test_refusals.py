"""What AWS can't do is refused before any resource, with path, reason and remedy."""

from __future__ import annotations

from typing import Any

import pytest

from lbkit.errors import SpecError, Unsupported
from lbkit.spec import Spec
from lbkit.targets.aws import Alb
from lbkit.targets.aws.translate import plan
from lbkit.targets.base import check, problems
from tests.laws.leaves import BASE, FLEET, put

IDS: dict[str, Any] = {
    "vpc_id": "vpc-0a1b2c3d4e5f60718",
    "subnet_ids": ["subnet-0a1b2c3d4e5f60718", "subnet-0f1e2d3c4b5a69788"],
}


def changed(changes: dict[str, Any]) -> Spec:
    import copy

    data = copy.deepcopy(BASE)
    for path, value in changes.items():
        put(data, path, copy.deepcopy(value))
    return Spec.load(data)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("subnet_ids", ["subnet-0a1b2c3d4e5f60718"], "at least 2"),  # AW-2
        ("subnet_ids", ["subnet-0a1b2c3d4e5f60718"] * 2, "named twice"),  # AW-2
        ("subnet_ids", ["subnet-1234567890abcdef0", "subnet-0987654321fedcba0"], "placeholder"),  # AW-14
        ("vpc_id", "vpc-1234567890abcdef0", "placeholder"),  # AW-14
        ("vpc_id", "sg-123456", "placeholder"),  # AW-14
        ("vpc_id", "my-network", "hexadecimal"),
        ("vpcid", "x", "no such field"),
    ],
)
def test_a_wrong_placement_is_refused(field: str, value: Any, reason: str):
    with pytest.raises(SpecError, match=reason):
        Alb(**{**IDS, field: value})


@pytest.mark.parametrize(
    ("changes", "path", "reason"),
    [
        ({"pools.p.limits": {"hard": 4, "queue": {}}}, "pools.p.limits.queue", "never queues"),
        ({"pools.p.limits": {"soft": 4}}, "pools.p.limits.soft", "Without a fleet"),
        ({"pools.p.health_check": {}}, "pools.p.health_check.path", "TCP connect"),
        ({"pools.p.health_check.timeout": 5}, "pools.p.health_check.timeout", "below the interval"),
        ({"pools.p.health_check.rise": 1}, "pools.p.health_check.rise", "Outside"),
        ({"pools.p.health_check.codes": "200-599"}, "pools.p.health_check.codes", "200 to 499"),
        ({"pools.p.timeouts.first_byte": 5}, "pools.p.timeouts.first_byte", "one timer"),
        ({"pools.p.drain": 4000}, "pools.p.drain", "Outside"),
        ({"pools.p.drain": 0.5}, "pools.p.drain", "Outside"),
        ({"pools.p.nodes.a.address": "fd00::1"}, "pools.p.nodes.a.address", "IPv4"),
        ({**FLEET, "pools.p.limits": {}}, "pools.p.limits.soft", "no number"),
        ({**FLEET, "pools.p.fleet.min": 0}, "pools.p.fleet.min", "nothing would wake"),
        ({**FLEET, "pools.p.fleet.image": "ami-1234567890abcdef0"}, "pools.p.fleet.image", "placeholder"),  # AW-14
        ({"pools.p.preset": "salad"}, "pools.p.codes", "fixed codes"),
    ],
)
def test_what_alb_cannot_do_is_named(changes: dict[str, Any], path: str, reason: str):  # LB-2
    found = {p.path: p for p in problems(changed(changes), Alb(**IDS))}
    assert path in found
    assert reason in found[path].reason
    assert found[path].remedy


def test_all_problems_come_at_once_in_the_documented_form():  # LB-2
    spec = changed({"pools.p.limits": {"hard": 8, "queue": {"size": 256, "timeout": 100}}, "pools.p.retries": 2})
    with pytest.raises(Unsupported) as caught:
        check("inference", spec, Alb(**IDS))
    assert str(caught.value) == (
        "LoadBalancer 'inference': AWS ALB can't do what the spec asks\n"
        "  pools.p.limits.hard = 8\n"
        "      ALB keeps no count of a node's requests that could limit them.\n"
        "      Use Native, or leave `hard` out.\n"
        "  pools.p.limits.queue = 256\n"
        "      ALB never queues: it forwards or answers 503.\n"
        "      Use Native, or leave `queue` out.\n"
        "  pools.p.retries = 2\n"
        "      ALB decides by itself what it tries again.\n"
        "      Leave it out."
    )


def test_a_default_that_aws_cannot_do_is_said_not_rounded_in_silence():
    spec, alb = changed({}), Alb(**IDS)
    assert not problems(spec, alb)
    assert plan(spec, alb)["target_groups"]["p"]["health_check"]["timeout"] == 4
    assert any("health_check.timeout: 4 s" in note for note in alb.notes(spec))


def test_nodes_by_address_are_reached_on_their_ports_only():  # AW-15
    spec = changed({"pools.p.nodes.b.port": 9000, "pools.p.health_check.port": 8100})
    rules = plan(spec, Alb(**IDS))["rules"].values()
    assert {(r["host"], r["from_port"]) for r in rules if r["way"] == "egress"} == {
        ("10.0.0.1", 8000), ("10.0.0.1", 8100), ("10.0.0.2", 9000), ("10.0.0.2", 8100),
    }  # fmt: skip


def test_two_pools_must_agree_on_what_the_balancer_has_once():
    spec = changed(
        {
            "pools.q": {
                "port": 9,
                "health_check": {"path": "/"},
                "timeouts": {"idle": 9},
                "nodes": {"z": {"address": "10.0.1.1"}},
            },
            "listeners.m": {"port": 90, "pool": "q"},
        }
    )
    assert "pools.q.timeouts.idle" in {p.path for p in problems(spec, Alb(**IDS))}
