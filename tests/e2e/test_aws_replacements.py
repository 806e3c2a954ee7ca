"""What AWS can't change comes up beside the old one, under the real engine: each argument that replaces a resource of lbkit's,
and what its user sees. At no time does a listener lead to an empty group, and nothing is deleted while it is used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.e2e.aws_house import FIRST, SECOND, TCP, THIRD, Balancer
from tests.e2e.doubles.recording import REPLACES
from tests.e2e.house import before
from tests.targets.aws.house import CERTIFICATE, FIXED_FLEET, GROUP, IDS, OTHER, TLS, routed

SHOWN: dict[str, dict[str, str]] = {
    "loadBalancer": {"internal": "updates.test_a_balancer_that_becomes_internal", "loadBalancerType": "test_an_alb_that_becomes"},
    "targetGroup": {
        "port": "updates.test_a_pool_that_moves", "protocol": "updates.test_a_pool_that_changes_its_protocol",
        "vpcId": "test_another_vpc", "targetType": "test_nodes_by_address", "protocolVersion": "test_nodes_that_speak",
    },
    "listener": {"loadBalancerArn": "test_another_vpc"},
    "listenerRule": {"listenerArn": "test_another_vpc"},
    "listenerCertificate": {"listenerArn": "test_another_vpc", "certificateArn": "test_a_late_certificate"},
    "targetGroupAttachment": {
        "targetId": "test_a_late_node", "port": "updates.test_a_pool_that_moves", "targetGroupArn": "updates.test_a_pool_that_moves",
        "availabilityZone": "test_a_node_that_turns_out",
    },
    "attachment": {"autoscalingGroupName": "test_another_vpc", "lbTargetGroupArn": "updates.test_machines_take_over"},
    "policy": {"autoscalingGroupName": "test_another_vpc"},
    "lifecycleHook": {"autoscalingGroupName": "test_another_vpc"},
    "securityGroup": {"vpcId": "test_another_vpc"},
    "securityGroupIngressRule": {"securityGroupId": "test_another_vpc"},
    "securityGroupEgressRule": {"securityGroupId": "test_another_vpc"},
}  # fmt: skip
"""By kind and argument that replaces it: the beginning of the test that says what its user sees."""
NEVER = {("securityGroup", "description"), ("eip", "domain")}
"""Constants of lbkit's."""
FOURTH = "subnet-0bb0cc1dd2ee3ff4a"
ELSEWHERE = "vpc-0f0e0d0c0b0a09080"
LIES = {FIRST: IDS["vpc_id"], SECOND: IDS["vpc_id"], THIRD: ELSEWHERE, FOURTH: ELSEWHERE}
SCALED: dict[str, Any] = {**FIXED_FLEET, "pools.p.fleet.max": 4, "pools.p.limits.soft": 8, "pools.p.drain": 60}


def comes_up_beside(calls: list[str], *joins: str) -> None:
    """A pool's second target group is served before the listener moves, and the first one goes after."""
    for join in joins:
        assert before(calls, "create lb--p", f"create lb--{join}")
        assert before(calls, f"create lb--{join}", "update lb--listener--80")
    assert before(calls, "update lb--listener--80", "delete lb--p")


def test_each_argument_that_replaces_something_is_shown():
    """Names are Pulumi's own: lbkit gives none."""
    forced = {(token.partition("/")[2].partition(":")[0], argument)
              for token, arguments in REPLACES.items() if token.startswith("aws:")
              for argument in arguments if argument != "name"}  # fmt: skip
    assert forced == {(kind, argument) for kind, each in SHOWN.items() for argument in each} | NEVER
    here = Path(__file__).parent
    for test in (test for each in SHOWN.values() for test in each.values()):
        module, _, beginning = test.rpartition(".")
        text = (here / f"test_aws_{module or 'replacements'}.py").read_text()
        assert f"\ndef {beginning}" in text, test


def test_another_vpc_is_another_balancer_beside_the_old_one(balancer: Balancer):
    """Replaced by the VPC: balancer, groups, machines and all that hangs on them. The machines' template stays."""
    answers = {subnet: {"vpcId": vpc, "availabilityZone": subnet} for subnet, vpc in LIES.items()}
    balancer.stack.environment["LBKIT_ANSWERS"] = json.dumps(answers)
    further = {"listeners.l.tls.names": {"x": {"certificate": CERTIFICATE.format("b")}}}
    routes = {"listeners.l.routes": {"a": {"path": "/a", "pool": "p", "priority": 1}}}
    secure = {**SCALED, **TLS, **further, **routes, "listeners.l.port": 443}
    balancer.up(secure)
    calls = balancer.up(secure, vpc_id=ELSEWHERE, subnet_ids=[THIRD, FOURTH])
    ours = ("lb", "lb--p", "lb--machines--p", "lb--firewall--balancer", "lb--firewall--nodes--p", "lb--join--p",
            "lb--drain--p", "lb--scaling--p", "lb--out--p--8000", "lb--admit--p--8000", "lb--in--443--0-0-0-0-0")  # fmt: skip
    for name in (*ours, "lb--listener--443"):
        assert before(calls, f"create {name}", f"delete {name}")
    with_it = ("lb--route--443--50000", "lb--certificate--443--b")
    for name in with_it:
        assert before(calls, f"create {name}", "delete lb")
    assert before(calls, "create lb--machines--p", "create lb--join--p")
    assert before(calls, "create lb--join--p", "create lb--listener--443")
    assert before(calls, "create lb--listener--443", "delete lb--join--p")
    assert before(calls, "create lb--listener--443", "delete lb")
    assert "delete lb--template--p" not in calls
    assert balancer.amiss == []
    balancer.up({})
    del balancer.stack.environment["LBKIT_ANSWERS"]


def test_a_fleet_that_scales_keeps_its_size(balancer: Balancer):
    """`desired` is the size at the start; afterwards load decides, and no `up` resets it."""
    balancer.up(SCALED)
    assert balancer.up({**SCALED, "pools.p.fleet.desired": 4}) == []
    assert balancer.up({**SCALED, "pools.p.fleet.desired": 4, "pools.p.fleet.max": 5}) == ["update lb--machines--p"]


def test_nodes_that_speak_another_version_of_http_come_up_beside_the_old_group(balancer: Balancer):
    secure = {**TLS, "listeners.l.port": 80}
    balancer.up(secure)
    versions: tuple[dict[str, Any], ...] = ({"http2": ["p"]}, {"grpc": {"p": "0"}}, {})
    for version in versions:
        comes_up_beside(balancer.up(secure, **version), "node--p--10-0-0-1-8000", "node--p--10-0-0-2-8000")
    assert balancer.amiss == []


def test_nodes_by_address_and_by_instance_come_up_beside_each_other(balancer: Balancer):
    machine = "i-0a1b2c3d4e5f60718"
    balancer.up({}, node_security_group_ids=[GROUP])
    by_id = {"pools.p.nodes": {"a": {"instance": machine}}}
    comes_up_beside(balancer.up(by_id, node_security_group_ids=[GROUP]), f"node--p--{machine}-8000")
    back = balancer.up({}, node_security_group_ids=[GROUP])
    comes_up_beside(back, "node--p--10-0-0-1-8000", "node--p--10-0-0-2-8000")
    assert balancer.amiss == []


def test_a_node_that_turns_out_to_lie_outside_the_vpc_is_taken_out_before(balancer: Balancer):
    """AWS knows a target by address and port: in one step the old registration's removal would take the new one along."""
    outside: dict[str, Any] = {"outside_vpc": ["10.0.0.2/32"]}
    alone = {"pools.p.nodes": {"a": {"address": "10.0.0.1"}}}
    balancer.up({})
    balancer.up(alone)
    assert "create lb--node--p--10-0-0-2-8000" in balancer.up({}, **outside)
    assert balancer.amiss == []
    calls = balancer.up({})
    assert before(calls, "create lb--node--p--10-0-0-2-8000", "delete lb--node--p--10-0-0-2-8000")
    assert balancer.amiss, "the double knows what happens else"
    balancer.up(alone)
    balancer.amiss.clear()


def test_a_late_node_that_moves_is_replaced_by_its_successor_first(balancer: Balancer):  # LB-4
    late = ["pools.p.nodes.a.address", "pools.q.nodes.z.address"]
    both = {**OTHER, "pools.q.port": 8000, "listeners.m": {"port": 90, "pool": "q"}}

    def at(address: str) -> dict[str, Any]:
        return {**both, "pools.p.nodes": {"a": {"address": address}}, "pools.q.nodes.z.address": address}

    calls = balancer.up(at("10.0.0.7"), late=late)
    assert len([call for call in calls if call.startswith("create lb--out")]) == 1, "AWS refuses the second"
    calls = balancer.up(at("10.0.0.8"), late=late)
    for name in ("lb--node--p--a", "lb--node--q--z"):
        assert before(calls, "create lb--out--p--a--8000", f"create {name}")
        assert before(calls, f"create {name}", f"delete {name}")
        assert before(calls, f"delete {name}", "delete lb--out--p--a--8000"), "reached until it is out"
    assert balancer.amiss == []


def test_a_late_certificate_that_changes_is_replaced_by_its_successor_first(balancer: Balancer):  # LB-4
    late = ["listeners.l.tls.names.x.certificate"]

    def named(certificate: str) -> dict[str, Any]:
        return {**TLS, "listeners.l.tls.names": {"x": {"certificate": CERTIFICATE.format(certificate)}}}

    balancer.up(named("b"), late=late)
    calls = balancer.up(named("c"), late=late)
    assert calls == ["create lb--certificate--80--x", "delete lb--certificate--80--x"]
    assert balancer.amiss == []


def test_other_authorities_come_before_the_listener_goes_over_to_them(balancer: Balancer):
    balancer.up({**TLS, "listeners.l.tls.client_ca": "s3://ours/one.pem"})
    calls = balancer.up({**TLS, "listeners.l.tls.client_ca": "s3://ours/two.pem"})
    assert [call.partition("--trust")[0] for call in calls] == ["create lb", "update lb--listener--80", "delete lb"]


def test_a_renamed_balancer_with_long_names_gets_new_groups_beside_the_old_ones(balancer: Balancer):
    pool = "a-pool-with-a-long-name"
    long = {"pools": {pool: {"port": 8000, "health_check": {"path": "/"}, "nodes": {"a": {"address": "10.0.0.1"}}}},
            "listeners.l.pool": pool}  # fmt: skip
    balancer.up(long)
    calls = balancer.up(long, name="inference", aliases=["lb"])
    assert not [call for call in calls if call in ("create inference", "delete lb", "create inference--listener--80")]
    (made,) = [call for call in calls if call.startswith("create inference--a-pool")]
    (gone,) = [call for call in calls if call.startswith("delete lb--a-pool")]
    assert before(calls, made, "update inference--listener--80")
    assert before(calls, "update inference--listener--80", gone)
    assert balancer.amiss == []
    balancer.up({}, name="inference")


def test_an_alb_that_becomes_an_nlb_comes_up_beside_the_old_one(balancer: Balancer):
    balancer.up(routed(a={"path": "/a", "priority": 1}))
    calls = balancer.up(TCP, home="Nlb")
    assert before(calls, "create lb", "create lb--listener--80")
    assert before(calls, "create lb--node--p--10-0-0-1-8000", "create lb--listener--80")
    assert before(calls, "create lb--listener--80", "delete lb")
    assert balancer.amiss == []
