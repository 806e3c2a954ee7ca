"""The AWS program under the real engine, against a provider that records."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.house import Stack, before, brief

CONFIG = {
    "vpcId": "vpc-0a1b2c3d4e5f60718",
    "subnetIds": ["subnet-0a1b2c3d4e5f60718", "subnet-0f1e2d3c4b5a69788"],
    "image": "ami-0a1b2c3d4e5f60718",
}
POOL = 'pools={"workers":'
NEW_POOL = 'Pool(port=81, health_check=HealthCheck(path="/", timeout=3), nodes={"a": {"address": "10.0.0.9"}})'
FIRST_POOL = f'pools={{"first": {NEW_POOL}, "workers":'
RENAMED = '"inference", spec, opts=pulumi.ResourceOptions(aliases=[pulumi.Alias(name="ai-workloads")]), target=home'
LISTENERS = 'return {"http"'


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    found = Stack("aws_alb", tmp_path)
    found.configure(**CONFIG)
    yield found
    found.run("down")


def test_the_life_of_a_balancer(stack: Stack):  # AW-1, AW-8, AW-11, LB-3
    assert ".example.com" in stack.run("up")
    made = brief(stack.calls())
    listener, group = "create ai-workloads--listener--80", "create ai-workloads--machines--workers"
    assert before(made, "create ai-workloads", listener)
    assert before(made, "create ai-workloads--workers", "create ai-workloads--join--workers")
    assert before(made, group, "create ai-workloads--drain--workers")
    assert before(made, "create ai-workloads--drain--workers", "create ai-workloads--join--workers")
    assert before(made, "create ai-workloads--join--workers", listener)
    assert before(made, group, "create ai-workloads--scaling--workers")

    stack.run("preview")
    stack.run("up")
    assert stack.calls() == []

    stack.edit(POOL, FIRST_POOL)
    stack.edit(LISTENERS, 'return {"early": Listener(port=8081, pool="first"), "http"')
    stack.run("up")
    added = brief(stack.calls())
    assert added
    assert all(call.startswith("create") for call in added), "a pool in the middle touches nothing else"

    stack.edit('"ai-workloads", spec, home', RENAMED)
    stack.run("up")
    assert not [call for call in brief(stack.calls()) if not call.startswith("update")], "a rename replaces nothing"

    stack.run("down")
    ended = brief(stack.calls())
    assert before(ended, "delete inference--listener--80", "delete inference--join--workers")
    assert before(ended, "delete inference--join--workers", "delete inference--machines--workers")
    assert before(ended, "delete inference--listener--80", "delete inference")
    assert all(call.startswith("delete") for call in ended)


def test_a_spec_that_aws_cannot_do_changes_nothing(stack: Stack):  # LB-2
    stack.edit("limits=Limits(", "retries=3, limits=Limits(hard=9, ")
    text = stack.run("up", fails=True)
    assert "LoadBalancer 'ai-workloads': AWS ALB can't do what the spec asks" in text
    assert text.count("pools.workers.limits.hard = 9") == 1
    assert "pools.workers.retries = 3" in text
    assert stack.calls() == []


def test_a_user_reaches_any_argument_of_any_child(stack: Stack):
    statement = 'if kind == "aws:lb/loadBalancer:LoadBalancer": props["enableWafFailOpen"] = True'
    stack.transform('LoadBalancer("ai-workloads", spec, home)', statement)
    stack.run("up")
    (balancer,) = [call for call in stack.calls() if call["type"] == "aws:lb/loadBalancer:LoadBalancer"]
    assert balancer["inputs"]["enableWafFailOpen"] is True
    stack.run("up")
    assert stack.calls() == []
