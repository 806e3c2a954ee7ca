"""The program of seed 001, under mocks: what it makes, in which order, in preview as in up."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.mocks import ROOT, Registered, golden, run_program

CONFIG = {
    "vpcId": "vpc-0a1b2c3d4e5f60718",
    "subnetIds": '["subnet-0a1b2c3d4e5f60718", "subnet-0f1e2d3c4b5a69788"]',
    "image": "ami-0a1b2c3d4e5f60718",
    "instanceType": "t2.medium",
    "requestsPerMachine": "8",
    "min": "1",
    "desired": "2",
    "max": "10",
    "rootDevice": "/dev/xvda",
    "gpu": "false",
    "spot": "0",
    "efa": "0",
    "checkPlacement": "true",
}
GPU = {
    **CONFIG, "gpu": "true", "instanceType": "p5.48xlarge", "efa": "32", "capacityReservation": "cr-0a1b2c3d4e5f60718",
    "machineSubnetIds": '["subnet-0a1b2c3d4e5f60718"]', "instanceProfile": "engine", "rootDevice": "/dev/sda1",
    "certificateArn": "arn:aws:acm:eu-west-1:210987650123:certificate/a",
}  # fmt: skip


@pytest.fixture(scope="module")
def made() -> Registered:
    return run_program("aws_alb", preview=False, config=CONFIG)


@pytest.mark.parametrize("preview", [True, False], ids=["preview", "up"])
def test_the_plan_is_the_golden_one(preview: bool):  # AW-1
    found = run_program("aws_alb", preview=preview, config=CONFIG)
    golden(f"aws_alb-{'preview' if preview else 'up'}", found.resources)


@pytest.mark.parametrize("preview", [True, False], ids=["preview", "up"])
def test_the_plan_with_gpus_is_the_golden_one(preview: bool):
    found = run_program("aws_alb", preview=preview, config=GPU)
    golden(f"aws_alb-gpu-{'preview' if preview else 'up'}", found.resources)
    template = only(found, "aws:ec2/launchTemplate:LaunchTemplate")
    assert template["instanceMarketOptions"] == {"marketType": "capacity-block"}
    assert len(template["networkInterfaces"]) == 32
    assert only(found, "aws:autoscaling/group:Group")["vpcZoneIdentifiers"] == ["subnet-0a1b2c3d4e5f60718"]
    assert only(found, "aws:autoscaling/lifecycleHook:LifecycleHook")["heartbeatTimeout"] == 900


def test_the_pages_settings_can_be_made_one_after_the_other():
    """As a reader does who goes through the page from its head."""
    config: dict[str, Any] = {**CONFIG, "subnetIds": [], "machineSubnetIds": []}
    ids = iter(["subnet-0a1b2c3d4e5f60718", "subnet-0f1e2d3c4b5a69788", "subnet-0aa0bb1cc2dd3ee4f"])
    own = {"vpc-...": CONFIG["vpcId"], "ami-...": CONFIG["image"], "cr-...": GPU["capacityReservation"]}
    page = (ROOT / "programs" / "aws_alb" / "README.md").read_text()
    steps = [block.partition("```")[0] for block in page.split("```console\n")[1:]]
    assert len(steps) == 3
    for step in steps:
        for line in step.splitlines():
            if found := re.fullmatch(r"\$ pulumi config set (--path )?'?(\w+)(\[\d\])?'? (\S+)", line):
                value = next(ids) if found[4] == "subnet-..." else own.get(found[4], found[4])
                config[found[2]] = [*config.get(found[2], []), value] if found[3] else value
            elif found := re.fullmatch(r"\$ pulumi config rm (\w+)", line):
                del config[found[1]]
        texts = {key: json.dumps(value) if isinstance(value, list) else value for key, value in config.items()}
        assert run_program("aws_alb", preview=True, config=texts).order


def only(found: Registered, kind: str) -> Any:
    (resource,) = found.of(kind).values()
    return resource["inputs"]


def test_the_target_group_has_the_seeds_values(made: Registered):  # AW-3, AW-4, AW-5
    group = only(made, "aws:lb/targetGroup:TargetGroup")
    assert (group["port"], group["protocol"], group["vpcId"]) == (80, "HTTP", CONFIG["vpcId"])
    check = group["healthCheck"]
    assert (check["interval"], check["path"], check["timeout"]) == (30, "/health", 3)
    assert (check["healthyThreshold"], check["unhealthyThreshold"]) == (2, 2)
    action = only(made, "aws:lb/listener:Listener")["defaultActions"][0]
    assert action == {"type": "forward", "targetGroupArn": "arn:ai-workloads--workers"}


def test_the_group_has_the_seeds_sizes_and_joins_the_pool(made: Registered):  # AW-6, AW-7, AW-8
    group = only(made, "aws:autoscaling/group:Group")
    assert (group["minSize"], group["desiredCapacity"], group["maxSize"]) == (1, 2, 10)
    assert (group["healthCheckType"], group["healthCheckGracePeriod"]) == ("ELB", 300)
    assert only(made, "aws:autoscaling/attachment:Attachment") == {
        "autoscalingGroupName": "ai-workloads--machines--workers", "lbTargetGroupArn": "arn:ai-workloads--workers",
    }  # fmt: skip


def test_the_listener_waits_for_the_machines_and_the_scale_is_kept(made: Registered):  # AW-7
    (listener,) = made.of("aws:lb/listener:Listener").values()
    assert "ai-workloads--join--workers" in listener["depends_on"]
    (group,) = made.of("aws:autoscaling/group:Group").values()
    assert group["ignore_changes"] == ["desiredCapacity"]


def test_machines_come_from_a_launch_template(made: Registered):  # AW-9
    template = only(made, "aws:ec2/launchTemplate:LaunchTemplate")
    assert template["metadataOptions"]["httpTokens"] == "required"
    assert template["blockDeviceMappings"][0]["ebs"]["encrypted"] == "true"
    assert not [name for name in made.order if "LaunchConfiguration" in name]


def test_nothing_makes_a_vpc(made: Registered):  # AW-10
    assert not [name for name in made.order if "ec2/vpc" in name or "ec2/subnet" in name]


def test_scaling_follows_requests_in_flight_per_machine(made: Registered):  # AW-13
    tracking = only(made, "aws:autoscaling/policy:Policy")["targetTrackingConfiguration"]
    assert tracking["targetValue"] == 8
    metrics = tracking["customizedMetricSpecification"]["metrics"]
    assert [m["id"] for m in metrics if m["returnData"]] == ["inflight"]
    assert metrics[-1]["expression"] == "requests * seconds / 60 / machines"


def test_security_groups_open_what_is_needed_and_nothing_more(made: Registered):  # AW-15
    rules = {
        name: rule["inputs"]
        for kind in ("Ingress", "Egress")
        for name, rule in made.of(f"aws:vpc/securityGroup{kind}Rule:SecurityGroup{kind}Rule").items()
    }
    balancer, nodes = "ai-workloads--firewall--balancer-id", "ai-workloads--firewall--nodes--workers-id"
    inward = [r for n, r in rules.items() if n.startswith("ai-workloads--in--")]
    assert [(r["securityGroupId"], r["fromPort"], r["cidrIpv4"]) for r in inward] == [(balancer, 80, "0.0.0.0/0")]
    to_nodes = rules["ai-workloads--admit--workers--80"]
    assert (to_nodes["securityGroupId"], to_nodes["referencedSecurityGroupId"]) == (nodes, balancer)
    assert (to_nodes["fromPort"], to_nodes["toPort"]) == (80, 80)
    outward = rules["ai-workloads--out--workers--80"]
    assert (outward["securityGroupId"], outward["referencedSecurityGroupId"]) == (balancer, nodes)
    assert len(rules) == 4


def test_children_stand_flat_below_the_component(made: Registered):
    parents = {value["parent"] for key, value in made.resources.items() if key.startswith("aws:")}
    assert parents == {"ai-workloads"}
    assert made.outputs["ai-workloads"]["endpoint"] == "ai-workloads.example.com"  # AW-11
