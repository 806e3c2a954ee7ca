"""Security groups: clients to the listeners' ports, the balancer to traffic and health ports, and nothing more."""

from __future__ import annotations

import copy
from typing import Any

import pulumi
import pytest

from lbkit import LoadBalancer
from lbkit.errors import Belated
from lbkit.targets.aws import Machines
from lbkit.targets.aws.plan import Plan, Ref
from tests.laws.leaves import BASE, FLEET
from tests.mocks import registered
from tests.targets.aws.house import GROUP, OTHER, alb, changed, planned, refusals

OTHER_FLEET = {
    "port": 8000,
    "health_check": {"path": "/up"},
    "fleet": FLEET["pools.p.fleet"],
    "limits": {"soft": 4},
}
FLEETS = {**FLEET, "pools.q": OTHER_FLEET, "listeners.m": {"port": 90, "pool": "q"}}
BALANCER = Ref("firewall--balancer", "id")


def rules(plan: Plan, way: str) -> list[dict[str, Any]]:
    return [item.args for item in plan.values() if item.kind == f"vpc.SecurityGroup{way}Rule"]


def reached(plan: Plan) -> set[Any]:
    """(port, whom) of the balancer's ways out."""
    return {
        (rule["from_port"], rule.get("cidr_ipv4") or rule.get("referenced_security_group_id"))
        for rule in rules(plan, "Egress")
        if rule["security_group_id"] == BALANCER
    }


@pytest.mark.parametrize("port", [8000, 9000], ids=["one port", "two ports"])
def test_two_fleets_have_rules_of_their_own_and_none_twice(port: int):  # AW-15, CR-17
    plan = planned({**FLEETS, "pools.q.port": port})
    both = [*rules(plan, "Ingress"), *rules(plan, "Egress")]
    assert len({str(sorted(rule.items(), key=str)) for rule in both}) == len(both), "AWS refuses two equal rules"
    admitted = {
        (rule["security_group_id"].key, rule["from_port"])
        for rule in rules(plan, "Ingress")
        if rule.get("referenced_security_group_id") == BALANCER
    }
    assert admitted == {("firewall--nodes--p", 8000), ("firewall--nodes--q", port)}
    assert reached(plan) == {(8000, Ref("firewall--nodes--p", "id")), (port, Ref("firewall--nodes--q", "id"))}


def test_clients_reach_the_listeners_ports_from_the_allowed_ranges_only():  # AW-15
    plan = planned({"listeners.l.allow": ["10.0.0.0/8", "fd00::/8"]}, alb(ip="dualstack"))
    inward = [(r["from_port"], r["to_port"], r.get("cidr_ipv4"), r.get("cidr_ipv6")) for r in rules(plan, "Ingress")]
    assert inward == [(80, 80, "10.0.0.0/8", None), (80, 80, None, "fd00::/8")]


@pytest.mark.parametrize(("ip", "ranges"), [("ipv4", ["0.0.0.0/0"]), ("dualstack", ["0.0.0.0/0", "::/0"])])
def test_without_a_range_clients_come_from_everywhere(ip: str, ranges: list[str]):
    found = rules(planned({}, alb(ip=ip)), "Ingress")
    assert [rule.get("cidr_ipv4") or rule.get("cidr_ipv6") for rule in found] == ranges


def test_a_range_that_has_no_way_to_the_balancer_is_refused():
    assert "dualstack" in refusals({"listeners.l.allow": ["fd00::/8"]})["listeners.l.allow"]


def test_nodes_by_address_are_reached_on_their_ports_only():  # AW-15
    plan = planned({"pools.p.nodes.b.port": 9000, "pools.p.health_check.port": 8100})
    assert reached(plan) == {(8000, "10.0.0.1/32"), (8100, "10.0.0.1/32"), (9000, "10.0.0.2/32"), (8100, "10.0.0.2/32")}


def test_nodes_whose_groups_are_named_are_reached_by_those():
    plan = planned({}, alb(node_security_group_ids=[GROUP]))
    assert reached(plan) == {(8000, GROUP)}
    assert not [r for r in rules(plan, "Ingress") if r["security_group_id"] == GROUP], "not without `firewall`"  # CR-16


def test_a_firewall_admits_the_balancer_to_the_nodes_groups():  # CR-16, CR-17
    both = {**OTHER, "pools.q.port": 8000, "listeners.m": {"port": 90, "pool": "q"}}
    plan = planned({**both, "pools.p.firewall": True, "pools.q.firewall": True}, alb(node_security_group_ids=[GROUP]))
    admitted = [
        (r["from_port"], r["referenced_security_group_id"])
        for r in rules(plan, "Ingress")
        if r["security_group_id"] == GROUP
    ]
    assert admitted == [(8000, BALANCER)], "once, though two pools ask for it"


@pytest.mark.parametrize(("changes", "reason"), [({}, "node_security_group_ids"), (FLEET, "always get their rules")])
def test_a_firewall_that_has_no_place_or_no_effect_is_refused(changes: dict[str, Any], reason: str):
    assert reason in refusals({**changes, "pools.p.firewall": True})["pools.p.firewall"]


def test_nodes_by_address_get_no_rules_on_their_own_side():  # CR-16
    plan = planned({})
    assert {str(rule["security_group_id"]) for way in ("Ingress", "Egress") for rule in rules(plan, way)} == {
        str(BALANCER)
    }


def test_machines_reach_what_they_may():
    plan = planned(FLEET, alb(machines={"p": {"egress": ["10.0.0.0/8"]}}))
    out = [r for r in rules(plan, "Egress") if r["security_group_id"] == Ref("firewall--nodes--p", "id")]
    assert [(r["ip_protocol"], r["cidr_ipv4"]) for r in out] == [("-1", "10.0.0.0/8")]


def test_each_fleets_machines_carry_their_own_group():  # AW-15
    plan = planned(FLEETS)
    for pool in ("p", "q"):
        assert plan[f"template--{pool}"].args["vpc_security_group_ids"] == [Ref(f"firewall--nodes--{pool}", "id")]


def inputs(
    home: Any, allow: list[Any], kind: str = "SecurityGroupIngressRule", preview: bool = False
) -> dict[str, Any]:
    """The inputs of the rules of a program whose listener has these ranges; Outputs where they are late."""

    def program() -> None:
        data = copy.deepcopy(BASE)
        data["listeners"]["l"]["allow"] = [item() if callable(item) else item for item in allow]
        LoadBalancer("lb", data, home())

    found = registered(program, preview=preview)
    return {name: item["inputs"] for name, item in found.of(f"aws:vpc/{kind[0].lower()}{kind[1:]}:{kind}").items()}


def late(cidr: str) -> Any:
    return lambda: pulumi.Output.from_input(cidr)


def closed(**placement: Any) -> Any:
    return lambda: alb(check_placement=False, **placement)


def test_a_late_range_is_a_rule_of_its_own_beside_the_plain_ones():  # LB-4, AW-15
    found = inputs(closed(), [late("172.16.0.0/12"), "10.0.0.0/8", late("192.168.0.0/16")])
    assert {name: rule["cidrIpv4"] for name, rule in found.items()} == {
        "lb--in--80--late-0": "172.16.0.0/12",
        "lb--in--80--10-0-0-0-8": "10.0.0.0/8",
        "lb--in--80--late-1": "192.168.0.0/16",
    }


@pytest.mark.parametrize(("cidr", "said"), [("172.16.0.0/12", "cidrIpv4"), ("fd00::/8", "cidrIpv6")])
def test_a_late_range_is_of_either_kind_where_the_balancer_is(cidr: str, said: str):  # LB-4
    (rule,) = inputs(closed(ip="dualstack"), [late(cidr)]).values()
    assert {key: value for key, value in rule.items() if key.startswith("cidr")} == {said: cidr}


@pytest.mark.parametrize(
    ("allow", "reason"),
    [
        ([late("fd00::/8")], r"listeners\.l\.allow\n +This balancer has no IPv6 address"),
        ([late("10.0.0.1/8")], r"listeners\.l\.allow\.0\n +A range is wanted"),
        (["10.0.0.0/8", late("10.0.0.0/8")], r"listeners\.l\.allow\.1\n +This range stands here as text as well"),
    ],
)
def test_a_wrong_late_range_is_named(allow: list[Any], reason: str):  # LB-4
    with pytest.raises(Belated, match=reason) as caught:
        inputs(closed(), allow)
    assert "10.0.0" not in str(caught.value).replace("such as 10.0.0.0/8", ""), "it may be secret"


def test_machines_may_reach_a_late_range_and_wait_for_its_rule():  # LB-4
    def program() -> None:
        standing = Machines(egress=[pulumi.Output.from_input("fd00::/8"), "10.0.0.0/8"])
        LoadBalancer("lb", changed(FLEET), alb(check_placement=False, machines={"p": standing}))

    found = registered(program, preview=False)
    out = found.of("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule")
    assert out["lb--leave--p--late-0"]["inputs"]["cidrIpv6"] == "fd00::/8"
    (group,) = found.of("aws:autoscaling/group:Group").values()
    assert {"lb--leave--p--late-0", "lb--leave--p--10-0-0-0-8"} <= set(group["depends_on"])
