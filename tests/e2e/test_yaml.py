"""LB-5: programs in YAML under the real engine: what Python programs make, to the last name, for all homes."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dataplane.shell.house import free_port
from tests.e2e.fleet import get, servers
from tests.e2e.house import Stack, before, brief
from tests.e2e.test_aws import CONFIG as AWS
from tests.e2e.test_native import processes
from tests.mocks import ROOT
from tests.targets.bigip.double.device import Device
from tests.targets.bigip.double.server import serving

PROGRAMS = Path(__file__).parent / "yaml"
UP = ("up", "--yes", "--skip-preview", "--stack", "dev")


def program(name: str) -> str:
    return (PROGRAMS / f"{name}.yaml").read_text()


def assert_nothing_to_do(stack: Stack) -> None:
    """The program in Python finds its own balancer: every resource, input and name."""
    summary = stack.run("up").partition("Resources:")[2].partition("Duration")[0]
    assert re.findall(r"\d+ (\w+)", summary) == ["unchanged"]
    assert stack.calls() == []


@pytest.fixture
def stack(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    found = Stack(request.param, tmp_path)
    found.pulumi("stack", "init", "dev")
    yield found
    found.pulumi("destroy", "--yes", "--stack", "dev")


@pytest.mark.parametrize("stack", ["aws_alb"], indirect=True)
def test_aws(stack: Stack):  # LB-2, LB-5, AW-1
    wrong = program("aws").replace("max: 10", "max: 0").replace("vpc-0a1b2c3d4e5f60718", "vpc-12345678")
    stack.speak_yaml(wrong)
    text = stack.pulumi("preview", "--stack", "dev", fails=True)
    assert "spec.pools.workers.fleet.min = 1" in text
    assert "aws.vpcId = 'vpc-12345678'" in text
    assert "Unexpected <class" not in text
    assert stack.calls() == []

    stack.speak_yaml(program("aws").replace("limits: {soft: 8}", "limits: {soft: 8, hard: 9}\n            retries: 3"))
    text = stack.pulumi("preview", "--stack", "dev", fails=True)
    assert "AWS ALB can't do what the spec asks" in text
    assert "spec.pools.workers.limits.hard = 9" in text
    assert "spec.pools.workers.retries = 3" in text

    stack.speak_yaml(program("aws"))
    stack.pulumi(*UP)
    made = brief(stack.calls())
    assert before(made, "create ai-workloads--join--workers", "create ai-workloads--listener--80")
    assert json.loads(stack.pulumi("stack", "output", "--json", "--stack", "dev"))["urls"]["http"].startswith("http://")

    stack.configure(**AWS)
    stack.speak_python()
    assert_nothing_to_do(stack)


THE_SAME_IN_PYTHON = """
import pulumi
from lbkit import Listener, LoadBalancer, Node, Pool, Spec
from lbkit.targets.aws import Nlb

VPC, ONE, TWO = "vpc-0a1b2c3d4e5f60718", "subnet-0a1b2c3d4e5f60718", "subnet-0f1e2d3c4b5a69788"
relays = Pool(port=9000, protocol="tcp", nodes={"a": Node(address="10.0.0.1"), "b": Node(address="10.0.0.2")})
relay = Listener(port=9000, protocol="tcp", pool="relays")
edge = LoadBalancer("edge", Spec(pools={"relays": relays}, listeners={"relay": relay}),
                    Nlb(vpc_id=VPC, subnet_ids=[ONE], static_addresses=True, check_placement=False))
masters = Pool(port=6443, protocol="tcp", nodes={"first": Node(address="10.0.1.1")})
api = Listener(port=6443, protocol="tls", pool="masters",
               allow=[edge.endpoint.apply(lambda at: at + "/32"), "10.0.0.0/8"])
plane = LoadBalancer("plane", Spec(pools={"masters": masters}, listeners={"api": api}),
                     Nlb(vpc_id=VPC, subnet_ids=[ONE, TWO], check_placement=False))
pulumi.export("url", plane.url)
"""


@pytest.mark.parametrize("stack", ["aws_alb"], indirect=True)
def test_an_nlb_that_admits_what_another_resource_has(stack: Stack):  # LB-2, LB-4, LB-5, CR-4
    stack.speak_yaml(
        program("nlb").replace(
            "port: 6443\n            protocol: tls",
            "port: 6443\n            proxyProtocol: [10.0.0.0/8]\n            protocol: tls",
        )
    )
    assert "spec.listeners.api.proxyProtocol" in stack.pulumi("preview", "--stack", "dev", fails=True)

    stack.speak_yaml(program("nlb"))
    text = stack.pulumi("preview", "--stack", "dev")
    assert "plane--in--6443--late-0" in text, "what waits for the range is there at preview"
    assert "awsNlb.subnetIds: one subnet is one zone" in text
    stack.pulumi(*UP)
    made = {call["name"]: call["inputs"] for call in stack.calls() if call["op"] == "create"}
    assert made["plane--in--6443--late-0"]["cidrIpv4"] == "198.51.100.7/32"
    assert made["plane--in--6443--10-0-0-0-8"]["cidrIpv4"] == "10.0.0.0/8"

    stack.speak_python()
    stack.replace_program(THE_SAME_IN_PYTHON)
    assert_nothing_to_do(stack)

    stack.speak_yaml(program("nlb").replace("endpoint}/32", "endpoint}/33"))
    text = stack.pulumi(*UP, fails=True)
    assert "spec.listeners.api.allow.0" in text
    assert "A range is wanted here" in text
    assert "198.51.100.7/33" not in text
    assert "File" not in text
    assert stack.calls() == []


@pytest.mark.parametrize("stack", ["bigip_ltm"], indirect=True)
def test_bigip(stack: Stack, tmp_path: Path):  # F5-1, LB-5
    device = Device()
    with serving(device, tmp_path) as (address, _):
        launcher = stack.doubles / "pulumi-resource-f5bigip"
        double = ROOT / "tests" / "e2e" / "doubles" / "bigip.py"
        launcher.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} {double} "$@"\n')
        stack.pulumi("config", "set", "--secret", "password", "hunter2-secret", "--stack", "dev")
        stack.configure(device=address, address="192.0.2.80", nodes=["10.0.0.1", "10.0.0.2"])
        stack.speak_yaml(program("bigip"))
        text = stack.pulumi(*UP)
        assert "bigip.device.ca: the device's certificate is not checked" in text
        assert before(brief(stack.calls()), "create cluster--ml--pool", "create cluster--80--server")
        assert "hunter2" not in stack.state_file + text
        assert "/Common/cluster--ml--pool" in device.objects["ltm/pool"]

        stack.speak_python()
        assert_nothing_to_do(stack)
        stack.pulumi("destroy", "--yes", "--stack", "dev")
        assert device.own() == [], "nothing is left on the device"


@pytest.mark.parametrize("stack", ["native"], indirect=True)
def test_native_with_traffic(stack: Stack, tmp_path: Path):  # LB-4, LB-5, LB-6
    runtime = Path(os.environ["XDG_RUNTIME_DIR"])
    inner, outer = free_port(), free_port()
    with servers("a", "b", "c") as (a, b, c):
        ports = {"PORT_A": a.at, "PORT_B": b.at, "PORT_INNER": f":{inner}", "PORT_OUTER": f":{outer}"}
        text = program("native")
        for word, at in ports.items():
            text = text.replace(word, at.rpartition(":")[2])
        stack.speak_yaml(text)
        stack.pulumi("preview", "--stack", "dev")
        stack.pulumi(*UP)
        assert {get(outer)[1] for _ in range(8)} == {"a", "b"}
        before_change = sorted(processes(runtime))

        added = text.replace(
            "nodes:\n", f"nodes:\n              c: {{address: 127.0.0.1, port: {c.at.rpartition(':')[2]}}}\n", 1
        )
        stack.speak_yaml(added)
        stack.pulumi(*UP)
        assert {get(outer)[1] for _ in range(9)} == {"a", "b", "c"}
        assert sorted(processes(runtime)) == before_change, "the same processes all along"

        stack.speak_yaml(added.replace("pool: llm", "pool: lm"))
        text = stack.pulumi(*UP, fails=True)
        assert "spec.listeners.http.pool = 'lm'" in text
        stack.speak_yaml(added.replace("inner.endpoint", "inner.url"))
        late = stack.pulumi(*UP, fails=True)
        assert "This is a name; an IP address is wanted" in late
        assert "File" not in late
        assert get(outer)[0] == 200
        stack.pulumi("destroy", "--yes", "--stack", "dev")
        assert processes(runtime) == []
