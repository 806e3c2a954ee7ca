"""Plans carried out against moto, and what AWS then says of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from moto import mock_aws

from tests.laws.leaves import FLEET
from tests.targets.aws.house import FIXED_FLEET, OTHER, alb, nlb, planned, routed
from tests.targets.aws.moto_cloud import Cloud


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    for name, value in {"ACCESS_KEY_ID": "x", "SECRET_ACCESS_KEY": "x", "DEFAULT_REGION": "eu-west-1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    with mock_aws():
        yield Cloud()


def home(cloud: Cloud, kind: Any = alb, **more: Any) -> Any:
    return kind(vpc_id=cloud.vpc, subnet_ids=cloud.subnets, **more)


def applied(cloud: Cloud, changes: dict[str, Any], where: Any = None) -> Cloud:
    cloud.apply(planned(changes, where or home(cloud)))
    return cloud


def attributes(found: list[dict[str, str]]) -> dict[str, str]:
    return {item["Key"]: item["Value"] for item in found}


def rules(cloud: Cloud) -> list[dict[str, Any]]:
    found = cloud.elb.describe_rules(ListenerArn=cloud.made["listener--l"]["arn"])["Rules"]
    return sorted((rule for rule in found if not rule["IsDefault"]), key=lambda rule: int(rule["Priority"]))


def test_a_plain_balancer_reads_back(cloud: Cloud):  # AW-1, AW-2, AW-3, AW-4, AW-5
    applied(cloud, {"pools.p.timeouts": {"idle": 61}, "pools.p.sticky": {"ttl": 99}, "pools.p.drain": 12})
    (balancer,) = cloud.elb.describe_load_balancers()["LoadBalancers"]
    assert (balancer["Type"], balancer["Scheme"], len(balancer["AvailabilityZones"])) == (
        "application",
        "internet-facing",
        2,
    )
    of_balancer = attributes(
        cloud.elb.describe_load_balancer_attributes(LoadBalancerArn=balancer["LoadBalancerArn"])["Attributes"]
    )
    assert of_balancer["idle_timeout.timeout_seconds"] == "61"
    (group,) = cloud.elb.describe_target_groups()["TargetGroups"]
    assert (group["Port"], group["Protocol"], group["TargetType"], group["HealthCheckPath"]) == (
        8000,
        "HTTP",
        "ip",
        "/health",
    )
    assert group["HealthCheckTimeoutSeconds"] == 4
    of_group = attributes(
        cloud.elb.describe_target_group_attributes(TargetGroupArn=group["TargetGroupArn"])["Attributes"]
    )
    assert of_group["stickiness.lb_cookie.duration_seconds"] == "99"
    assert of_group["deregistration_delay.timeout_seconds"] == "12"
    health = cloud.elb.describe_target_health(TargetGroupArn=group["TargetGroupArn"])["TargetHealthDescriptions"]
    assert {(each["Target"]["Id"], each["Target"]["Port"]) for each in health} == {
        ("10.0.0.1", 8000),
        ("10.0.0.2", 8000),
    }


def test_routes_read_back_in_their_order(cloud: Cloud):
    changes = routed(
        models={"path": "/v1/models", "priority": 300},
        api={"path": "/v1", "priority": 200, "pools": {"p": 9, "q": 1}},
        old={"host": "old.example.com", "priority": 400, "redirect": {"host": "new.example.com", "status": 301}},
        down={
            "headers": {"X-Test": "1"},
            "query": {"a": "b"},
            "priority": 100,
            "answer": {"status": 503, "body": "later"},
        },
    )
    applied(cloud, changes)
    found = rules(cloud)
    assert [rule["Priority"] for rule in found] == ["49601", "49701", "49801", "49901"]
    assert [rule["Actions"][0]["Type"] for rule in found] == ["redirect", "forward", "forward", "fixed-response"]
    weights = [group["Weight"] for group in found[2]["Actions"][0]["ForwardConfig"]["TargetGroups"]]
    assert weights == [9, 1]
    assert found[1]["Conditions"][0]["PathPatternConfig"]["Values"] == ["/v1/models", "/v1/models/*"]


def test_https_with_several_certificates_reads_back(cloud: Cloud):
    first, second = cloud.certificate("a.example.com"), cloud.certificate("b.example.com")
    tls = {"default": {"certificate": first}, "names": {"b": {"certificate": second}}}
    applied(cloud, {"listeners.l.protocol": "https", "listeners.l.tls": tls})
    (listener,) = cloud.elb.describe_listeners(LoadBalancerArn=cloud.made["load_balancer"]["arn"])["Listeners"]
    assert (listener["Protocol"], listener["SslPolicy"]) == ("HTTPS", "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09")
    found = cloud.elb.describe_listener_certificates(ListenerArn=listener["ListenerArn"])["Certificates"]
    assert {item["CertificateArn"] for item in found} == {first, second}


def test_a_fleet_reads_back_and_its_machines_are_in_the_group(cloud: Cloud):  # AW-6, AW-7, AW-8, AW-9, AW-13
    plan = planned({**FLEET, "pools.p.fleet": {**FLEET["pools.p.fleet"], "min": 2, "max": 5, "warm": 1}}, home(cloud))
    plan["template--p"].args["image_id"] = cloud.image
    cloud.apply(plan)
    (group,) = cloud.scaling.describe_auto_scaling_groups()["AutoScalingGroups"]
    assert (group["MinSize"], group["DesiredCapacity"], group["MaxSize"], group["HealthCheckType"]) == (2, 2, 5, "ELB")
    assert group["TargetGroupARNs"] == [cloud.made["p"]["arn"]]
    health = cloud.elb.describe_target_health(TargetGroupArn=cloud.made["p"]["arn"])["TargetHealthDescriptions"]
    assert {each["Target"]["Id"] for each in health} == {item["InstanceId"] for item in group["Instances"]}
    (version,) = cloud.ec2.describe_launch_template_versions(LaunchTemplateId=cloud.made["template--p"]["id"])[
        "LaunchTemplateVersions"
    ]
    data = version["LaunchTemplateData"]
    assert data["MetadataOptions"]["HttpTokens"] == "required"
    assert data["BlockDeviceMappings"][0]["Ebs"]["Encrypted"] is True
    (policy,) = cloud.scaling.describe_policies()["ScalingPolicies"]
    assert policy["TargetTrackingConfiguration"]["TargetValue"] == 4.0
    (hook,) = cloud.scaling.describe_lifecycle_hooks(AutoScalingGroupName=group["AutoScalingGroupName"])[
        "LifecycleHooks"
    ]
    assert (hook["LifecycleTransition"], hook["HeartbeatTimeout"]) == ("autoscaling:EC2_INSTANCE_TERMINATING", 300)


def test_a_mixed_fleet_reads_back(cloud: Cloud):
    plan = planned(
        {**FLEET, "pools.p.fleet": {**FLEET["pools.p.fleet"], "spot": 50, "fallbacks": ["t3.medium"]}}, home(cloud)
    )
    plan["template--p"].args["image_id"] = cloud.image
    cloud.apply(plan)
    (group,) = cloud.scaling.describe_auto_scaling_groups()["AutoScalingGroups"]
    policy = group["MixedInstancesPolicy"]
    assert policy["InstancesDistribution"]["OnDemandPercentageAboveBaseCapacity"] == 50
    assert [each["InstanceType"] for each in policy["LaunchTemplate"]["Overrides"]] == ["t3.small", "t3.medium"]


def test_a_network_balancer_with_static_addresses_reads_back(cloud: Cloud):  # CR-4
    applied(
        cloud,
        {"pools.p.algorithm": "source_hash", "pools.p.proxy_protocol": "v2"},
        home(cloud, nlb, static_addresses=True),
    )
    (balancer,) = cloud.elb.describe_load_balancers()["LoadBalancers"]
    assert balancer["Type"] == "network"
    assert len(cloud.ec2.describe_addresses()["Addresses"]) == 2
    (group,) = cloud.elb.describe_target_groups()["TargetGroups"]
    found = attributes(cloud.elb.describe_target_group_attributes(TargetGroupArn=group["TargetGroupArn"])["Attributes"])
    assert (found["stickiness.type"], found["stickiness.enabled"]) == ("source_ip", "true")
    assert (found["proxy_protocol_v2.enabled"], group["HealthCheckProtocol"]) == ("true", "TCP")


def test_the_firewall_opens_what_is_needed_and_nothing_more(cloud: Cloud):  # AW-15
    both = {**OTHER, "listeners.m": {"port": 90, "pool": "q", "allow": ["10.0.0.0/8"]}}
    applied(cloud, both)
    (group,) = cloud.ec2.describe_security_groups(GroupIds=[cloud.made["firewall--balancer"]["id"]])["SecurityGroups"]
    inward = {(each["FromPort"], spread["CidrIp"]) for each in group["IpPermissions"] for spread in each["IpRanges"]}
    outward = {
        (each["FromPort"], spread["CidrIp"]) for each in group["IpPermissionsEgress"] for spread in each["IpRanges"]
    }
    assert inward == {(80, "0.0.0.0/0"), (90, "10.0.0.0/8")}
    assert outward == {(8000, "10.0.0.1/32"), (8000, "10.0.0.2/32"), (9000, "10.0.1.1/32")}


def test_machines_of_a_fixed_fleet_serve_tcp(cloud: Cloud):
    plan = planned(FIXED_FLEET, home(cloud, nlb))
    plan["template--p"].args["image_id"] = cloud.image
    cloud.apply(plan)
    health = cloud.elb.describe_target_health(TargetGroupArn=cloud.made["p"]["arn"])["TargetHealthDescriptions"]
    assert len(health) == 3
