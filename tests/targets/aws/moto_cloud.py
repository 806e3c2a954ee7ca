"""A plan carried out against moto, a model of AWS's APIs: the same calls that the provider makes, one for each resource."""

from __future__ import annotations

import uuid
from typing import Any

import boto3  # type: ignore[import-untyped]

from lbkit.targets.aws.plan import Plan, Planned, Ref, Text

Args = dict[str, Any]
_ATTRIBUTES = {
    "lb.LoadBalancer": {
        "idle_timeout": "idle_timeout.timeout_seconds",
        "client_keep_alive": "client_keep_alive.seconds",
        "drop_invalid_header_fields": "routing.http.drop_invalid_header_fields.enabled",
        "enable_deletion_protection": "deletion_protection.enabled",
        "enable_cross_zone_load_balancing": "load_balancing.cross_zone.enabled",
        "enable_http2": "routing.http2.enabled",
    },
    "lb.TargetGroup": {
        "deregistration_delay": "deregistration_delay.timeout_seconds",
        "slow_start": "slow_start.duration_seconds",
        "load_balancing_algorithm_type": "load_balancing.algorithm.type",
        "connection_termination": "deregistration_delay.connection_termination.enabled",
        "preserve_client_ip": "preserve_client_ip.enabled",
        "proxy_protocol_v2": "proxy_protocol_v2.enabled",
    },
}


class Cloud:
    """One region with a VPC of two zones."""

    def __init__(self) -> None:
        self.ec2, self.elb = boto3.client("ec2"), boto3.client("elbv2")
        self.scaling, self.acm = boto3.client("autoscaling"), boto3.client("acm")
        self.vpc = self.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        self.subnets = [
            self.ec2.create_subnet(VpcId=self.vpc, CidrBlock=f"10.0.{at}.0/24", AvailabilityZone=f"eu-west-1{zone}")[
                "Subnet"
            ]["SubnetId"]
            for at, zone in enumerate("ab")
        ]
        self.image = self.ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
        self.made: dict[str, Args] = {}

    def certificate(self, name: str) -> str:
        return str(self.acm.request_certificate(DomainName=name)["CertificateArn"])

    def apply(self, plan: Plan) -> None:
        """Make everything, in the plan's own order."""
        for label, item in plan.items():
            maker = getattr(self, "_" + item.kind.rpartition(".")[2])
            args = {name: self._known(value) for name, value in item.args.items() if value is not None}
            self.made[label] = maker(args, item)

    def _known(self, value: Any) -> Any:
        if isinstance(value, Ref):
            return self.made[value.key][value.attribute]
        if isinstance(value, Text):
            return "".join(value.parts)
        if isinstance(value, dict):
            return {key: self._known(item) for key, item in value.items()}
        return [self._known(item) for item in value] if isinstance(value, list) else value

    def _SecurityGroup(self, args: Args, item: Planned) -> Args:
        made = self.ec2.create_security_group(GroupName=_name(), Description=args["description"], VpcId=args["vpc_id"])
        everywhere = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
        self.ec2.revoke_security_group_egress(
            GroupId=made["GroupId"], IpPermissions=[everywhere]
        )  # as the provider does
        return {"id": made["GroupId"]}

    def _SecurityGroupIngressRule(self, args: Args, item: Planned) -> Args:
        self.ec2.authorize_security_group_ingress(GroupId=args["security_group_id"], IpPermissions=[_permission(args)])
        return {}

    def _SecurityGroupEgressRule(self, args: Args, item: Planned) -> Args:
        self.ec2.authorize_security_group_egress(GroupId=args["security_group_id"], IpPermissions=[_permission(args)])
        return {}

    def _Eip(self, args: Args, item: Planned) -> Args:
        made = self.ec2.allocate_address(Domain=args["domain"])
        return {"id": made["AllocationId"], "public_ip": made["PublicIp"]}

    def _LoadBalancer(self, args: Args, item: Planned) -> Args:
        where = (
            {"Subnets": args["subnets"]}
            if "subnets" in args
            else {"SubnetMappings": [_pascal(m) for m in args["subnet_mappings"]]}
        )
        made = self.elb.create_load_balancer(
            Name=_name(), Type=args["load_balancer_type"], Scheme="internal" if args["internal"] else "internet-facing",
            IpAddressType=args["ip_address_type"], SecurityGroups=args["security_groups"], **where,
        )["LoadBalancers"][0]  # fmt: skip
        arn = made["LoadBalancerArn"]
        self.elb.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=_attributes(item.kind, args))
        return {"arn": arn, "arn_suffix": arn.partition("loadbalancer/")[2], "dns_name": made["DNSName"]}

    def _TargetGroup(self, args: Args, item: Planned) -> Args:
        check = args["health_check"]
        wanted = {
            "HealthCheckEnabled": check["enabled"], "HealthCheckProtocol": check["protocol"], "HealthCheckPort": check["port"],
            "HealthCheckIntervalSeconds": check["interval"], "HealthCheckTimeoutSeconds": check["timeout"],
            "HealthyThresholdCount": check["healthy_threshold"], "UnhealthyThresholdCount": check["unhealthy_threshold"],
        }  # fmt: skip
        if "path" in check:
            wanted |= {"HealthCheckPath": check["path"], "Matcher": {"HttpCode": check["matcher"]}}
        if "protocol_version" in args:
            wanted["ProtocolVersion"] = args["protocol_version"]
        made = self.elb.create_target_group(
            Name=_name(),
            Port=args["port"],
            Protocol=args["protocol"],
            TargetType=args["target_type"],
            VpcId=args["vpc_id"],
            **wanted,
        )["TargetGroups"][0]
        arn, sticky = made["TargetGroupArn"], args["stickiness"]
        attributes = _attributes(item.kind, args)
        attributes += [
            {"Key": "stickiness.type", "Value": sticky["type"]},
            {"Key": "stickiness.enabled", "Value": _word(sticky["enabled"])},
        ]
        if "cookie_duration" in sticky:
            attributes.append({"Key": "stickiness.lb_cookie.duration_seconds", "Value": str(sticky["cookie_duration"])})
        self.elb.modify_target_group_attributes(TargetGroupArn=arn, Attributes=attributes)
        return {"arn": arn, "arn_suffix": arn.rpartition(":")[2]}

    def _TargetGroupAttachment(self, args: Args, item: Planned) -> Args:
        self.elb.register_targets(
            TargetGroupArn=args["target_group_arn"], Targets=[{"Id": args["target_id"], "Port": args["port"]}]
        )
        return {}

    def _Listener(self, args: Args, item: Planned) -> Args:
        secure = {}
        if "certificate_arn" in args:
            secure = {"Certificates": [{"CertificateArn": args["certificate_arn"]}], "SslPolicy": args["ssl_policy"]}
        made = self.elb.create_listener(
            LoadBalancerArn=args["load_balancer_arn"], Port=args["port"], Protocol=args["protocol"],
            DefaultActions=[_action(action) for action in args["default_actions"]], **secure,
        )  # fmt: skip
        return {"arn": made["Listeners"][0]["ListenerArn"]}

    def _ListenerCertificate(self, args: Args, item: Planned) -> Args:
        self.elb.add_listener_certificates(
            ListenerArn=args["listener_arn"], Certificates=[{"CertificateArn": args["certificate_arn"]}]
        )
        return {}

    def _ListenerRule(self, args: Args, item: Planned) -> Args:
        conditions = [_condition(block) for block in args["conditions"]]
        actions = [_action(action) for action in args["actions"]]
        self.elb.create_rule(
            ListenerArn=args["listener_arn"], Priority=args["priority"], Conditions=conditions, Actions=actions
        )
        return {}

    def _LaunchTemplate(self, args: Args, item: Planned) -> Args:
        data = {
            key: value
            for key, value in args.items()
            if key not in ("vpc_security_group_ids", "update_default_version", "tags")
        }
        wanted = _pascal(data)
        if "vpc_security_group_ids" in args:
            wanted["SecurityGroupIds"] = args["vpc_security_group_ids"]
        for device in wanted["BlockDeviceMappings"]:
            device["Ebs"] |= {key: device["Ebs"][key] == "true" for key in ("Encrypted", "DeleteOnTermination")}
        wanted.pop("TagSpecifications", None)
        made = self.ec2.create_launch_template(LaunchTemplateName=_name(), LaunchTemplateData=wanted)["LaunchTemplate"]
        return {"id": made["LaunchTemplateId"], "latest_version": str(made["LatestVersionNumber"])}

    def _Group(self, args: Args, item: Planned) -> Args:
        name = _name()
        if "launch_template" in args:
            template = {
                "LaunchTemplateId": args["launch_template"]["id"],
                "Version": args["launch_template"]["version"],
            }
            wanted: Args = {"LaunchTemplate": template}
        else:
            wanted = {"MixedInstancesPolicy": _pascal(args["mixed_instances_policy"])}
        self.scaling.create_auto_scaling_group(
            AutoScalingGroupName=name, MinSize=args["min_size"], MaxSize=args["max_size"], DesiredCapacity=args["desired_capacity"],
            VPCZoneIdentifier=",".join(args["vpc_zone_identifiers"]), HealthCheckType=args["health_check_type"],
            HealthCheckGracePeriod=args["health_check_grace_period"], CapacityRebalance=args["capacity_rebalance"],
            Tags=[{"Key": tag["key"], "Value": tag["value"], "PropagateAtLaunch": True} for tag in args["tags"]], **wanted,
        )  # fmt: skip
        if "warm_pool" in args:
            warm = args["warm_pool"]
            self.scaling.put_warm_pool(
                AutoScalingGroupName=name, PoolState=warm["pool_state"], MinSize=warm["min_size"]
            )
        return {"name": name}

    def _Attachment(self, args: Args, item: Planned) -> Args:
        group, arn = args["autoscaling_group_name"], args["lb_target_group_arn"]
        self.scaling.attach_load_balancer_target_groups(AutoScalingGroupName=group, TargetGroupARNs=[arn])
        return {}

    def _LifecycleHook(self, args: Args, item: Planned) -> Args:
        rest = {key: value for key, value in args.items() if key != "autoscaling_group_name"}
        self.scaling.put_lifecycle_hook(
            LifecycleHookName=_name(), AutoScalingGroupName=args["autoscaling_group_name"], **_pascal(rest)
        )
        return {}

    def _Policy(self, args: Args, item: Planned) -> Args:
        self.scaling.put_scaling_policy(
            PolicyName=_name(), AutoScalingGroupName=args["autoscaling_group_name"], PolicyType=args["policy_type"],
            TargetTrackingConfiguration=_pascal(args["target_tracking_configuration"]),
        )  # fmt: skip
        return {}


def _name() -> str:
    return f"t-{uuid.uuid4().hex[:12]}"


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _attributes(kind: str, args: Args) -> list[dict[str, str]]:
    return [{"Key": key, "Value": _word(args[name])} for name, key in _ATTRIBUTES[kind].items() if name in args]


def _pascal(value: Any) -> Any:
    if isinstance(value, dict):
        return {"".join(part.capitalize() for part in key.split("_")): _pascal(item) for key, item in value.items()}
    return [_pascal(item) for item in value] if isinstance(value, list) else value


def _permission(args: Args) -> Args:
    ports = {"FromPort": args["from_port"], "ToPort": args["to_port"]} if "from_port" in args else {}
    peers = {
        "cidr_ipv4": lambda peer: {"IpRanges": [{"CidrIp": peer}]},
        "cidr_ipv6": lambda peer: {"Ipv6Ranges": [{"CidrIpv6": peer}]},
        "referenced_security_group_id": lambda peer: {"UserIdGroupPairs": [{"GroupId": peer}]},
    }
    (found,) = [make(args[name]) for name, make in peers.items() if name in args]
    return {"IpProtocol": args["ip_protocol"], **ports, **found}


def _action(action: Args) -> Args:
    if "forward" in action:
        groups = [
            {"TargetGroupArn": each["arn"], "Weight": each["weight"]} for each in action["forward"]["target_groups"]
        ]
        sticky = action["forward"]["stickiness"]
        together = {"Enabled": sticky["enabled"], "DurationSeconds": sticky["duration"]}
        return {"Type": "forward", "ForwardConfig": {"TargetGroups": groups, "TargetGroupStickinessConfig": together}}
    names = {"redirect": "RedirectConfig", "fixed_response": "FixedResponseConfig"}
    rest = {names.get(key, "TargetGroupArn"): _pascal(value) for key, value in action.items() if key != "type"}
    return {"Type": action["type"], **rest}


def _condition(block: Args) -> Args:
    ((kind, body),) = block.items()
    if kind == "query_strings":
        return {"Field": "query-string", "QueryStringConfig": {"Values": [_pascal(each) for each in body]}}
    field, config = {
        "host_header": ("host-header", "HostHeaderConfig"),
        "path_pattern": ("path-pattern", "PathPatternConfig"),
        "http_request_method": ("http-request-method", "HttpRequestMethodConfig"),
        "http_header": ("http-header", "HttpHeaderConfig"),
    }[kind]
    return {"Field": field, config: _pascal(body)}
