"""The programs of docs/migration.md under the real engine: a balancer that exists is adopted, neither made nor replaced."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.house import Stack, brief
from tests.mocks import ROOT
from tests.targets.bigip.double.device import Device
from tests.targets.bigip.double.server import serving

PAGE = (ROOT / "docs" / "migration.md").read_text()
AWSX, TERRAFORM, F5BIGIP = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
(IMPORT,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
PLACE = {"vpcId": "vpc-0a1b2c3d4e5f60718", "subnetIds": ["subnet-0a1b2c3d4e5f60718", "subnet-0f1e2d3c4b5a69788"]}

BEFORE_AWSX = """
import pulumi
import pulumi_aws as aws

config = pulumi.Config()
component = pulumi.ComponentResource("awsx:lb:ApplicationLoadBalancer", "web")
mine = pulumi.ResourceOptions(parent=component)
vpc, subnets = config.require("vpcId"), config.require_object("subnetIds")
firewall = aws.ec2.SecurityGroup("web", vpc_id=vpc, opts=mine)
balancer = aws.lb.LoadBalancer("web", load_balancer_type="application", internal=False, subnets=subnets,
                               security_groups=[firewall.id], opts=mine)
group = aws.lb.TargetGroup(
    "web", vpc_id=vpc, target_type="ip", port=80, protocol="HTTP", protocol_version="HTTP1", opts=mine
)
forward = aws.lb.ListenerDefaultActionArgs(type="forward", target_group_arn=group.arn)
aws.lb.Listener(
    "web-0", load_balancer_arn=balancer.arn, port=80, protocol="HTTP", default_actions=[forward], opts=mine
)
aws.lb.TargetGroupAttachment("a", target_group_arn=group.arn, target_id="10.0.0.1", port=80)
"""
BEFORE_F5BIGIP = """
import pulumi
import pulumi_f5bigip as f5bigip

config = pulumi.Config()
provider = f5bigip.Provider("bigip", address=config.require("device"), username="admin",
                            password=config.require_secret("password"), teem_disable=True)
mine = pulumi.ResourceOptions(provider=provider)
monitor = f5bigip.ltm.Monitor(
    "app", name="/Common/app", parent="/Common/http", interval=5, timeout=16, time_until_up=0, up_interval=0,
    destination="*:*", send="GET /", receive="", receive_disable="", adaptive="disabled", manual_resume="disabled",
    reverse="disabled", transparent="disabled", opts=mine)
node = f5bigip.ltm.Node("a", name="/Common/a", address="10.0.0.1", opts=mine)
pool = f5bigip.ltm.Pool(
    "app", name="/Common/app", monitors=[monitor.name], load_balancing_mode="round-robin", minimum_active_members=0,
    opts=mine)
member = f5bigip.ltm.PoolAttachment(
    "a", pool=pool.name, node=pulumi.Output.concat(node.name, ":80"), ratio=1, connection_limit=0, priority_group=0,
    connection_rate_limit="disabled", dynamic_ratio=1, monitor="default", state="enabled", opts=mine)
f5bigip.ltm.VirtualServer(
    "web", name="/Common/web", destination="192.0.2.80", mask="255.255.255.255", source="0.0.0.0/0", port=80, pool=pool.name,
    ip_protocol="tcp", profiles=["/Common/tcp", "/Common/http"], client_profiles=[], server_profiles=[], irules=[],
    policies=[], persistence_profiles=[], default_persistence_profile="", snatpool="", source_port="preserve",
    source_address_translation="automap", state="enabled", translate_address="enabled", translate_port="enabled",
    opts=pulumi.ResourceOptions(provider=provider, depends_on=[member]))
"""


@pytest.fixture
def stack(request: pytest.FixtureRequest, tmp_path: Path) -> Stack:
    return Stack(request.param, tmp_path)


@pytest.mark.parametrize("stack", ["aws_alb"], indirect=True)
def test_from_awsx(stack: Stack):
    stack.configure(**PLACE)
    stack.replace_program(BEFORE_AWSX)
    stack.run("up")
    before = {call["id"] for call in stack.calls()}

    stack.replace_program(AWSX)
    stack.run("up")
    calls = stack.calls()
    assert not [call for call in calls if call["op"] != "update" and call["type"].startswith("aws:lb/")], brief(calls)
    assert {call["id"] for call in calls if call["op"] == "update"} <= before
    assert [call["name"] for call in calls if call["op"] == "delete"] == ["web"], "the old security group, at the end"
    assert "update" in brief(calls)[-2], "and not before the balancer left it"

    stack.replace_program(AWSX.replace(", pulumi.ResourceOptions(transforms=[adopt])", ""))
    stack.run("up")
    assert stack.calls() == [], "the transform may go"
    stack.run("down")


@pytest.mark.parametrize("stack", ["aws_alb"], indirect=True)
def test_from_terraform(stack: Stack):
    stack.configure(**PLACE)
    balancer, group, listener, member = (item["id"] for item in json.loads(IMPORT)["resources"] if "id" in item)
    forward = [{"type": "forward", "targetGroupArn": group}]
    world: dict[str, dict[str, Any]] = {
        balancer: {
            "type": "aws:lb/loadBalancer:LoadBalancer",
            "name": "prod-web",
            "dnsName": "prod-web-1.example.com",
            "loadBalancerType": "application",
            "internal": False,
            "subnets": PLACE["subnetIds"],
            "securityGroups": ["sg-0a1b2c3d4e5f60718"],
        },
        group: {
            "type": "aws:lb/targetGroup:TargetGroup",
            "name": "prod-app",
            "port": 80,
            "protocol": "HTTP",
            "protocolVersion": "HTTP1",
            "targetType": "ip",
            "vpcId": PLACE["vpcId"],
        },
        listener: {
            "type": "aws:lb/listener:Listener",
            "loadBalancerArn": balancer,
            "port": 80,
            "protocol": "HTTP",
            "defaultActions": forward,
        },
        member: {
            "type": "aws:lb/targetGroupAttachment:TargetGroupAttachment",
            "targetGroupArn": group,
            "targetId": "10.0.0.1",
            "port": 80,
        },
    }
    world_file = stack.calls_file.parent / "world"
    world_file.write_text(json.dumps({key: {**item, "id": key, "arn": key} for key, item in world.items()}))
    (stack.folder / "adopt.json").write_text(IMPORT)
    stack.speak_yaml(f"name: {stack.project}\nruntime: yaml\n")
    stack.pulumi("stack", "init", "dev")
    options = ("--protect=false", "--generate-code=false", "--yes", "--stack", "dev")
    stack.pulumi("import", "--file", "adopt.json", *options)
    stack.calls()

    stack.speak_python()
    stack.replace_program(TERRAFORM)
    stack.run("up")
    calls = stack.calls()
    changed = [call for call in calls if call["type"] in {item["type"] for item in world.values()}]
    assert {(call["op"], call["id"]) for call in changed} <= {("update", key) for key in world}
    assert not [call for call in calls if call["op"] == "delete"]
    assert json.loads(world_file.read_text())[balancer]["name"] == "prod-web"

    stack.replace_program(TERRAFORM.replace('{"web": "prod-web", "web--app": "prod-app"}', "{}"))
    assert "replace" in stack.run("preview"), "without its name it would be another balancer"


@pytest.mark.parametrize("stack", ["bigip_ltm"], indirect=True)
def test_from_plain_f5bigip_resources(stack: Stack, tmp_path: Path):
    device = Device()
    with serving(device, tmp_path) as (address, _):
        launcher = stack.doubles / "pulumi-resource-f5bigip"
        double = ROOT / "tests" / "e2e" / "doubles" / "bigip.py"
        launcher.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} {double} "$@"\n')
        stack.pulumi("stack", "init", "dev")
        stack.pulumi("config", "set", "--secret", "password", "hunter2-secret")
        stack.configure(device=address)
        stack.replace_program(BEFORE_F5BIGIP)
        stack.run("up")
        before = stack.calls()

        stack.replace_program(F5BIGIP)
        stack.run("up")
        calls = stack.calls()
        known = {call["type"] for call in before}
        assert not [brief([call]) for call in calls if call["op"] != "update" and call["type"] in known]
        assert not [call for call in calls if call["op"] == "delete"]
        assert device.empty == [], "the pool was never empty"
        assert set(device.objects["ltm/pool"]) == {"/Common/app"}
        assert "hunter2" not in stack.state_file
        stack.run("down")
        assert device.own() == []
