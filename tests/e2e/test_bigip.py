"""The BIG-IP program under the real engine, against a provider that records."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.house import Stack, before, brief

CONFIG = {"device": "192.0.2.10", "address": "192.0.2.80"}
RENAME = ('LoadBalancer("cluster", spec, Ltm(address=config.require("address"), device=device))',
          'LoadBalancer("renamed", spec, Ltm(address=config.require("address"), device=device), '
          'pulumi.ResourceOptions(aliases=[pulumi.Alias(name="cluster")]))')  # fmt: skip


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    found = Stack("bigip_ltm", tmp_path)
    found.pulumi("stack", "init", "dev")
    found.pulumi("config", "set", "--secret", "password", "hunter2-secret")
    found.configure(**CONFIG, nodes=["10.0.0.1", "10.0.0.2"])
    yield found
    found.run("down")


def test_the_life_of_a_balancer(stack: Stack):  # F5-1..5, LB-3
    stack.run("up")
    made = brief(stack.calls())
    assert before(made, "create cluster--ml--http", "create cluster--ml")
    for node in ("10-0-0-1", "10-0-0-2"):
        assert before(made, f"create cluster--node-{node}", f"create cluster--ml--n-{node}--member")
        assert before(made, f"create cluster--ml--n-{node}--member", "create cluster--http--server")
    assert "hunter2" not in stack.state_file

    assert "unchanged" in stack.run("preview")
    assert stack.calls() == []

    stack.configure(**CONFIG, nodes=["10.0.0.3", "10.0.0.1", "10.0.0.2"])
    stack.run("up")
    assert brief(stack.calls()) == ["create cluster--node-10-0-0-3", "create cluster--ml--n-10-0-0-3--member"]

    stack.edit(*RENAME)
    stack.run("up")
    assert not [call for call in brief(stack.calls()) if not call.startswith("update")], "a rename replaces nothing"

    stack.run("down")
    ended = brief(stack.calls())
    assert before(ended, "delete renamed--http--server", "delete renamed--ml")
    assert before(ended, "delete renamed--ml--n-10-0-0-1--member", "delete renamed--node-10-0-0-1")
    assert before(ended, "delete renamed--ml", "delete renamed--ml--http")
    assert len(ended) == 9
