"""Mistakes: those of the example program that the AWS program replaces, and more. Each answer names path and remedy."""

from __future__ import annotations

from typing import Any

import pytest

from lbkit.errors import SpecError, Unsupported
from lbkit.spec import Pool, Spec
from lbkit.targets.aws.rules import health
from lbkit.targets.base import check
from tests.targets.aws.house import CERTIFICATE, IDS, OTHER, TLS, alb, planned, refusals, routed
from tests.targets.aws.house import changed as changed

SUBNET, ZONE_TWO = IDS["subnet_ids"]


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("subnet_ids", [SUBNET], "At least 2"),  # AW-2
        ("subnet_ids", [SUBNET] * 2, "named twice"),  # AW-2
        ("subnet_ids", ["subnet-1234567890abcdef0", "subnet-0987654321fedcba0"], "placeholder"),  # AW-14
        ("subnet_ids", ["vpc-0a1b2c3d", "subnet-0f1e2d3c"], "and 8 or 17 hexadecimal"),
        ("node_subnet_ids", [SUBNET] * 2, "named twice"),
        ("vpc_id", "vpc-1234567890abcdef0", "placeholder"),  # AW-14
        ("vpc_id", "sg-123456", "placeholder"),  # AW-14
        ("vpc_id", "my-network", "hexadecimal"),
        ("vpc_id", "subnet-0a1b2c3d", "and 8 or 17 hexadecimal"),
        ("node_security_group_ids", ["sg-123456"], "placeholder"),  # AW-14
        ("vpcid", "x", "no such field"),
        ("security_groups", ["sg-123456"], "no such field"),
        ("ip", "ipv6", "'ipv4' or 'dualstack'"),
        ("tags", {"aws:x": "y"}, "keeps this name"),
        ("access_logs", {"bucket": "s3://ours"}, "no s3://"),
        ("access_logs", {"bucket": "ours", "prefix": "/a/"}, "such as logs/web"),
        ("static_addresses", True, "no such field"),
    ],
)
def test_a_wrong_placement_is_refused(field: str, value: Any, reason: str):
    with pytest.raises(SpecError, match=reason) as caught:
        alb(**{field: value})
    assert f"Alb.{field}" in str(caught.value)


def test_an_internal_balancer_has_ipv4_addresses():
    with pytest.raises(SpecError, match="IPv4 addresses only"):
        alb(internal=True, ip="dualstack")


@pytest.mark.parametrize(
    ("changes", "path", "reason"),
    [
        ({"pools.p.limits": {"hard": 4, "queue": {}}}, "pools.p.limits.queue", "never queues"),
        ({"pools.p.limits": {"soft": 4}}, "pools.p.limits.soft", "Without a fleet"),
        ({"pools.p.health_check": {}}, "pools.p.health_check.path", "TCP connect"),
        ({"pools.p.health_check.timeout": 5}, "pools.p.health_check.timeout", "below the interval"),
        ({"pools.p.health_check.timeout": 1}, "pools.p.health_check.timeout", "2 to 120"),
        ({"pools.p.health_check.interval": 4, "pools.p.health_check.timeout": 3}, "pools.p.health_check.interval", "5 to 300"),
        ({"pools.p.health_check.rise": 1}, "pools.p.health_check.rise", "2 to 10"),
        ({"pools.p.health_check.fall": 11}, "pools.p.health_check.fall", "2 to 10"),
        ({"pools.p.health_check.codes": "200-599"}, "pools.p.health_check.codes", "200 to 499"),
        ({"pools.p.health_check.path": "/" * 1025}, "pools.p.health_check.path", "1024"),
        ({"pools.p.health_check.method": "HEAD"}, "pools.p.health_check.method", "GET"),
        ({"pools.p.timeouts.first_byte": 5}, "pools.p.timeouts.first_byte", "one timer"),
        ({"pools.p.timeouts": {"keep_alive": 0}}, "pools.p.timeouts.keep_alive", "decides by itself"),
        ({"pools.p.timeouts": {"idle": 4001}}, "pools.p.timeouts.idle", "1 to 4000"),
        ({"pools.p.drain": 4000}, "pools.p.drain", "0 to 3600"),
        ({"pools.p.drain": 0.5}, "pools.p.drain", "0 to 3600"),
        ({"pools.p.retries": 0}, "pools.p.retries", "decides by itself"),
        ({"pools.p.slow_start": 29}, "pools.p.slow_start", "30 to 900"),
        ({"pools.p.slow_start": 30, "pools.p.algorithm": "least_connections"}, "pools.p.slow_start", "round_robin only"),
        ({"pools.p.algorithm": "source_hash"}, "pools.p.algorithm", "no such algorithm"),
        ({"pools.p.sticky": {"cookie": "mine"}}, "pools.p.sticky.cookie", "AWSALB"),
        ({"pools.p.protocol": "https"}, "pools.p.tls.verify", "never verifies"),
        ({"pools.p.nodes.a.address": "fd00::1"}, "pools.p.nodes.a.address", "IPv4"),
        ({"pools.p.nodes.a.address": "127.0.0.1"}, "pools.p.nodes.a.address", "one machine"),
        ({"pools.p.nodes.a.address": "169.254.169.254"}, "pools.p.nodes.a.address", "one machine"),
        ({"pools.p.nodes.a.weight": 2}, "pools.p.nodes.a.weight", "shares on a route"),
        ({"pools.p.proxy_protocol": "v2"}, "pools.p.proxy_protocol", "X-Forwarded-For"),
        ({"listeners.l.address": "10.0.0.9"}, "listeners.l.address", "belong to AWS"),
        ({"listeners.l.timeouts": {"keep_alive": 59}}, "listeners.l.timeouts.keep_alive", "60 to 604800"),
        ({**TLS, "listeners.l.tls.default.certificate": "/etc/cert.pem"}, "listeners.l.tls.default.certificate", "ARN"),
        ({**TLS, "listeners.l.tls.default.certificate": "arn:aws:acm:eu-west-1:12:certificate/a"},
         "listeners.l.tls.default.certificate", "ARN"),
        ({**TLS, "listeners.l.tls.default.key": "/k.pem"}, "listeners.l.tls.default.key", "ACM"),
        ({**TLS, "listeners.l.tls.names": {"x": {"certificate": "b"}}}, "listeners.l.tls.names.x.certificate", "ARN"),
        ({**TLS, "listeners.l.tls.client_ca": "/ca.pem"}, "listeners.l.tls.client_ca", "trust store"),
    ],
)  # fmt: skip
def test_what_alb_cannot_do_is_named(changes: dict[str, Any], path: str, reason: str):  # LB-2
    found = refusals(changes)
    assert path in found
    assert set(found) <= {path, "pools.p.limits.hard"}
    assert reason in found[path]


@pytest.mark.parametrize(
    ("changes", "placement", "path", "reason"),
    [
        ({}, {"grpc": {"p": "0"}}, "Alb.grpc.p", "behind https"),
        ({}, {"http2": ["p"]}, "Alb.http2.p", "behind https"),
        (TLS, {"http2": ["x"]}, "Alb.http2.x", "no such pool"),
        (TLS, {"http2": ["p"], "grpc": {"p": "0"}}, "Alb.grpc.p", "already"),
        ({**TLS, "pools.p.health_check.codes": "200"}, {"grpc": {"p": "0"}}, "pools.p.health_check.codes", "own codes"),
    ],
)
def test_versions_of_http_that_can_not_be_are_refused(
    changes: dict[str, Any], placement: dict[str, Any], path: str, reason: str
):
    found = refusals(changes, alb(**placement))
    assert list(found) == [path]
    assert reason in found[path]


@pytest.mark.parametrize("codes", ["100", "", "a", "0-", "OK"])
def test_codes_that_grpc_does_not_have_are_refused(codes: str):
    with pytest.raises(SpecError, match="0 to 99"):
        alb(grpc={"p": codes})


def test_instance_ids_and_addresses_do_not_mix():
    nodes = {"a": {"instance": "i-0a1b2c3d"}, "b": {"address": "10.0.0.2"}}
    assert refusals({"pools.p.nodes": nodes}, alb(node_security_group_ids=["sg-0a1b2c3d"])) == {
        "pools.p.nodes.a.instance": "A target group takes instance ids or addresses, not both. "
        "Make two pools, or give all nodes the same way."
    }


def test_the_placeholder_of_an_instance_is_refused():  # AW-14
    nodes = {"a": {"instance": "i-1234567890abcdef0"}}
    found = refusals({"pools.p.nodes": nodes}, alb(node_security_group_ids=["sg-0a1b2c3d"]))
    assert found == {
        "pools.p.nodes.a.instance": "This is a placeholder from an example. Give the id of an EC2 instance of yours."
    }


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"listeners.l.protocol": "https"}, "needs a certificate"),
        ({"listeners.l.tls": {"default": {"certificate": CERTIFICATE}}}, "doesn't end TLS"),
        ({"listeners.l.tls": {"default": {"certificate": "-----BEGIN CERTIFICATE-----"}}}, "PEM text"),
        ({"pools.p.nodes.a": {}}, "address or an instance id"),
        ({"pools.p.nodes.a": {"address": "10.0.0.1", "instance": "i-0a1b2c3d"}}, "exactly one"),
        ({"pools.p.nodes": {"a": {"instance": "i-0a1b2c3d"}, "b": {"instance": "i-0a1b2c3d"}}}, "same instance"),
        (routed(r={"path": "/a", "pools": {"p": 0, "q": 0}}), "No pool has a share"),
        (routed(r={"path": "/a", "pool": "p", "pools": {"q": 1}}), "leads to one place"),
        (routed(r={"path": "/a", "pools": {"x": 1}}), "There is no such pool"),
        (routed(r={"path": "/a", "pools": {"p": 257}}), "At most 256"),
        (routed(r={"query": {"": "x"}}), "must not be empty"),
    ],
)
def test_a_spec_that_contradicts_itself_is_refused(changes: dict[str, Any], reason: str):
    with pytest.raises(SpecError, match=reason):
        changed(changes)


def test_all_problems_come_at_once_in_the_documented_form():  # LB-2
    spec = changed({"pools.p.limits": {"hard": 8, "queue": {"size": 256, "timeout": 100}}, "pools.p.retries": 2})
    with pytest.raises(Unsupported) as caught:
        check("inference", spec, alb())
    assert str(caught.value) == (
        "LoadBalancer 'inference': AWS ALB can't do what the spec asks\n"
        "  pools.p.limits.hard = 8\n"
        "      AWS keeps no count of a node's work that could limit it.\n"
        "      Use Native, or leave `hard` out.\n"
        "  pools.p.limits.queue = 256\n"
        "      AWS never queues: it forwards or refuses.\n"
        "      Use Native, or leave `queue` out.\n"
        "  pools.p.retries = 2\n"
        "      ALB decides by itself what it tries again.\n"
        "      Leave it out."
    )


def test_a_default_that_aws_cannot_do_is_said_not_rounded_in_silence():
    assert planned({})["p"].args["health_check"]["timeout"] == 4
    assert any("health_check.timeout: 4 s" in note for note in alb().notes(changed({})))


def test_two_pools_must_agree_on_what_the_balancer_has_once():
    both = {**OTHER, "listeners.m": {"port": 90, "pool": "q"}}
    assert "two balancers" in refusals({**both, "pools.q.timeouts": {"idle": 9}})["pools.q.timeouts.idle"]
    assert (
        "two balancers"
        in refusals({**both, "listeners.m.timeouts": {"keep_alive": 90}})["listeners.m.timeouts.keep_alive"]
    )


def test_each_answer_has_a_remedy():
    spec = changed(
        {"pools.p.health_check": {"interval": 1, "timeout": 1, "codes": "500", "path": "/"}, "pools.p.drain": 9999}
    )
    assert isinstance(spec, Spec)
    assert all(reason.count(".") >= 2 for reason in refusals({"pools.p.drain": 9999, "pools.p.retries": 3}).values())


def test_a_timeout_without_room_below_its_interval_asks_for_a_longer_one():
    pool = Pool.load({"port": 80, "nodes": {"a": {"address": "10.0.0.1"}},
                      "health_check": {"path": "/", "interval": 2, "timeout": 2}})  # fmt: skip
    (problem,) = [p for p in health("pools.p", pool) if p.path.endswith("timeout")]
    assert problem.remedy == "Raise `interval`, to 5 at least."
