"""AWS's own rules over a plan: what the Elastic Load Balancing, EC2 and Auto Scaling APIs answer with an error, or what the
provider passes on unseen. Ranges and words are those of the APIs' references; nothing here is shared with the code under test.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from lbkit.targets.aws.plan import Plan, Planned
from tests.targets.aws.api_whole import least, shared, unmade

Found = Iterator[str]
POLICY = re.compile(r"ELBSecurityPolicy-TLS13-1-[23](-Res)?-PQ-2025-09")
PAIRS = {"HTTP": {"HTTP", "HTTPS"}, "HTTPS": {"HTTP", "HTTPS"}, "TCP": {"TCP"}}
"""Protocols of target groups by the listener's."""
TYPES = {"text/plain", "text/css", "text/html", "application/javascript", "application/json"}


def violations(plan: Plan) -> list[str]:
    """All that AWS would refuse."""
    found = [f"{label}: {text}" for label, item in plan.items() for text in _of(item, plan)]
    return [*found, *unmade(plan), *shared(plan), *least(plan)]


def _of(item: Planned, plan: Plan) -> Found:
    checks = {
        "lb.LoadBalancer": _balancer, "lb.TargetGroup": _group, "lb.Listener": _listener, "lb.ListenerRule": _rule,
        "autoscaling.Group": _machines, "ec2.LaunchTemplate": _template, "autoscaling.LifecycleHook": _hook,
    }  # fmt: skip
    check = checks.get(item.kind)
    if check:
        yield from check(item.args, plan)
    if item.kind.startswith("vpc.SecurityGroup"):
        yield from _security_rule(item.args)


def _within(name: str, value: Any, low: float, high: float) -> Found:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        yield f"{name} = {value!r} is not a whole number from {low} to {high}"


def _balancer(args: dict[str, Any], plan: Plan) -> Found:
    network = args["load_balancer_type"] == "network"
    if network:
        if not args["subnet_mappings"] or "subnets" in args:
            yield "an NLB has mappings"
        if args["internal"] and any("allocation_id" in each for each in args["subnet_mappings"]):
            yield "an internal balancer has no Elastic IP"
        yield from (f"{name} is not for an NLB" for name in ("idle_timeout", "client_keep_alive") if name in args)
    else:
        if len(args["subnets"]) < 2:
            yield "an ALB has two subnets"
        yield from _within("idle_timeout", args["idle_timeout"], 1, 4000)
        yield from _within("client_keep_alive", args["client_keep_alive"], 60, 604_800)
    if args["internal"] and args["ip_address_type"] != "ipv4":
        yield "an internal balancer is ipv4"
    if not args["security_groups"]:
        yield "without a group it has the VPC's default one"


def _group(args: dict[str, Any], plan: Plan) -> Found:
    tcp = args["protocol"] == "TCP"
    yield from _within("port", args["port"], 1, 65_535)
    yield from _within("deregistration_delay", args["deregistration_delay"], 0, 3600)
    yield from _health(args["health_check"], tcp, args.get("protocol_version") == "GRPC")
    sticky = args["stickiness"]
    if (sticky["type"] == "source_ip") != tcp:
        yield f"stickiness {sticky['type']} on {args['protocol']}"
    if not tcp:
        yield from _within("cookie_duration", sticky["cookie_duration"], 1, 604_800)
        if args["slow_start"]:
            yield from _within("slow_start", args["slow_start"], 30, 900)
        if args["slow_start"] and args["load_balancing_algorithm_type"] != "round_robin":
            yield "slow start is for round_robin"
        if args["load_balancing_algorithm_type"] not in ("round_robin", "least_outstanding_requests"):
            yield "unknown algorithm"
    for name in (
        ("slow_start", "protocol_version", "load_balancing_algorithm_type")
        if tcp
        else ("proxy_protocol_v2", "preserve_client_ip")
    ):
        if name in args:
            yield f"{name} is not for {args['protocol']}"
    if "name" in args:
        yield "a fixed name is deleted before it is replaced"


def _health(check: dict[str, Any], tcp: bool, grpc: bool) -> Found:
    yield from _within("interval", check["interval"], 5, 300)
    yield from _within("timeout", check["timeout"], 2, 120)
    for name in ("healthy_threshold", "unhealthy_threshold"):
        yield from _within(name, check[name], 2, 10)
    if check["timeout"] > check["interval"] or (not tcp and check["timeout"] == check["interval"]):
        yield "the timeout is not below the interval"
    if check["protocol"] == "TCP":
        if not tcp:
            yield "a TCP check on an HTTP group"
        if "path" in check or "matcher" in check:
            yield "a TCP check has a path"
    else:
        if not re.fullmatch(r"/.{0,1023}", check["path"]):
            yield "path"
        codes = [int(code) for code in re.split("[-,]", check["matcher"])]
        if grpc:
            codes = [200 if 0 <= code <= 99 else 0 for code in codes]
        if not all(200 <= code <= (599 if tcp else 499) for code in codes):
            yield f"matcher {check['matcher']}"
    if check["port"] != "traffic-port" and not 1 <= int(check["port"]) <= 65_535:
        yield "health port"


def _listener(args: dict[str, Any], plan: Plan) -> Found:
    yield from _within("port", args["port"], 1, 65_535)
    secure = args["protocol"] == "HTTPS"
    if ("certificate_arn" in args) != secure or ("ssl_policy" in args) != secure:
        yield "certificate and policy are for HTTPS, and needed there"
        return
    if secure and not POLICY.fullmatch(args["ssl_policy"]):
        yield "an outdated policy"
    if secure and not str(args["certificate_arn"]).startswith("arn:aws:"):
        yield "a certificate is an ARN"
    if "tcp_idle_timeout_seconds" in args:
        yield from _within("tcp_idle_timeout_seconds", args["tcp_idle_timeout_seconds"], 60, 6000)
        if args["protocol"] != "TCP":
            yield "a TCP idle timeout on another protocol"
    network = plan["load_balancer"].args["load_balancer_type"] == "network"
    for group, _ in _groups(args["default_actions"][0]):
        if plan[group].args.get("protocol_version", "HTTP1") != "HTTP1" and not secure:
            yield "HTTP/2 to nodes needs HTTPS"
    if network != (args["protocol"] == "TCP"):
        yield f"{args['protocol']} on this kind of balancer"
    yield from _actions(args["default_actions"], args["protocol"], plan)
    if network and args["default_actions"][0]["type"] != "forward":
        yield "an NLB only forwards"


def _actions(actions: list[dict[str, Any]], protocol: str, plan: Plan) -> Found:
    if len(actions) != 1:
        yield "exactly one action"
    (action,) = actions
    kind = action["type"]
    if len(action) != 2:
        yield f"an action is its type and one destination: {sorted(action)}"
    for group, weight in _groups(action):
        yield from _within("weight", weight, 0, 999)
        if group not in plan or plan[group].args["protocol"] not in PAIRS[protocol]:
            yield f"{protocol} does not lead to {group}"
    if "forward" in action:
        weights = [weight for _, weight in _groups(action)]
        if not 1 <= len(weights) <= 5 or not any(weights):
            yield "1 to 5 groups, one of them with a weight"
        yield from _within("duration", action["forward"]["stickiness"]["duration"], 1, 604_800)
    if kind == "redirect":
        yield from _redirect(action["redirect"], protocol)
    if kind == "fixed-response":
        answer = action["fixed_response"]
        if not re.fullmatch(r"[245]\d\d", answer["status_code"]) or answer["content_type"] not in TYPES:
            yield f"a fixed answer {answer}"
        if len(answer.get("message_body", "")) > 1024:
            yield "a long body"


def _redirect(to: dict[str, Any], protocol: str) -> Found:
    if to["status_code"] not in ("HTTP_301", "HTTP_302"):
        yield to["status_code"]
    if protocol == "HTTPS" and to["protocol"] == "HTTP":
        yield "https to http"
    if to["protocol"] not in ("HTTP", "HTTPS", "#{protocol}"):
        yield to["protocol"]
    unset = {"protocol": "#{protocol}", "host": "#{host}", "port": "#{port}", "path": "/#{path}"}
    if all(to[name] == word for name, word in unset.items()):
        yield "a loop"
    if len(to["path"]) > 128 or len(to["query"]) > 128 or not to["path"].startswith("/"):
        yield "path"


def _groups(action: dict[str, Any]) -> list[tuple[str, int]]:
    if "target_group_arn" in action:
        return [(action["target_group_arn"].key, 1)]
    return [(each["arn"].key, each["weight"]) for each in action.get("forward", {}).get("target_groups", [])]


def _rule(args: dict[str, Any], plan: Plan) -> Found:
    yield from _within("priority", args["priority"], 1, 50_000)
    values = wildcards = 0
    kinds = Counter(kind for block in args["conditions"] for kind in block)
    if any(len(block) != 1 for block in args["conditions"]) or not args["conditions"]:
        yield "one kind in a block"
    yield from (
        f"two blocks of {kind}" for kind in ("host_header", "path_pattern", "http_request_method") if kinds[kind] > 1
    )
    for block in args["conditions"]:
        ((kind, body),) = block.items()
        found = [each["value"] for each in body] if kind == "query_strings" else body["values"]
        values += len(found)
        wildcards += sum(len(re.findall(r"(?<!\\)[*?]", text)) for text in found)
        yield from _condition(kind, body, found)
    if values > 5 or wildcards > 5:
        yield f"{values} values and {wildcards} wildcards"
    listener = plan[args["listener_arn"].key].args
    yield from _actions(args["actions"], listener["protocol"], plan)


def _condition(kind: str, body: Any, values: list[str]) -> Found:
    pattern = {
        "host_header": r"[A-Za-z0-9.*?-]*\.[A-Za-z]+",
        "path_pattern": r"/[A-Za-z0-9_.$/~\"'@:+&*?-]*",
        "http_request_method": r"[A-Z_-]{1,40}",
        "http_header": r"[^*?\\]+",
        "query_strings": r".+",
    }[kind]
    yield from (f"{kind} {text!r}" for text in values if len(text) > 128 or not re.fullmatch(pattern, text))
    if kind == "http_header" and (len(body["http_header_name"]) > 40 or body["http_header_name"].lower() == "host"):
        yield "header name"


def _machines(args: dict[str, Any], plan: Plan) -> Found:
    if not 0 <= args["min_size"] <= args["desired_capacity"] <= args["max_size"]:
        yield "sizes"
    if ("launch_template" in args) == ("mixed_instances_policy" in args):
        yield "a template or a mixed policy"
    if args["health_check_type"] != "ELB" or args["health_check_grace_period"] < 0 or not args["vpc_zone_identifiers"]:
        yield "health type, grace, subnets"
    if "warm_pool" in args and "mixed_instances_policy" in args:
        yield "a warm pool of mixed machines"
    preferences = args.get("instance_refresh", {}).get("preferences")
    if preferences:
        low, high = preferences["min_healthy_percentage"], preferences["max_healthy_percentage"]
        yield from _within("min_healthy_percentage", low, 0, 100)
        yield from _within("max_healthy_percentage", high, 100, 200)
        if high - low > 100:
            yield "more than 100 between"
    overrides = args.get("mixed_instances_policy", {}).get("launch_template", {}).get("overrides", [])
    if len(overrides) > 40 or any(count > 1 for count in Counter(each["instance_type"] for each in overrides).values()):
        yield "overrides"
    if any(tag["key"].startswith("aws:") for tag in args["tags"]):
        yield "a reserved tag"


def _template(args: dict[str, Any], plan: Plan) -> Found:
    if args["metadata_options"]["http_tokens"] != "required":
        yield "IMDSv1"
    if any(each["ebs"]["encrypted"] != "true" for each in args["block_device_mappings"]):
        yield "a disk in clear"
    if ("network_interfaces" in args) == ("vpc_security_group_ids" in args):
        yield "groups stand in one place"
    if args["user_data"] is not None and len(base64.b64decode(args["user_data"], validate=True)) > 16_384:
        yield "user data"
    cards = [each["network_card_index"] for each in args.get("network_interfaces", [])]
    if cards != list(range(len(cards))):
        yield "network cards"
    if "instance_market_options" in args and "capacity_reservation_specification" not in args:
        yield "a block without its reservation"


def _hook(args: dict[str, Any], plan: Plan) -> Found:
    yield from _within("heartbeat_timeout", args["heartbeat_timeout"], 30, 7200)
    if args["default_result"] not in ("CONTINUE", "ABANDON"):
        yield "result"


def _security_rule(args: dict[str, Any]) -> Found:
    peers = [
        name for name in ("cidr_ipv4", "cidr_ipv6", "referenced_security_group_id", "prefix_list_id") if name in args
    ]
    if len(peers) != 1:
        yield f"one peer: {peers}"
    for name in ("cidr_ipv4", "cidr_ipv6"):
        if isinstance(args.get(name), str):
            ipaddress.ip_network(args[name])  # raises on host bits
    if args["ip_protocol"] == "-1" and "from_port" in args:
        yield "all protocols have no ports"
    if args["ip_protocol"] == "tcp" and not 1 <= args["from_port"] <= args["to_port"] <= 65_535:
        yield "ports"
