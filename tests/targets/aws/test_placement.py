"""AWS is asked where the subnets lie, before anything is made; and late values are taken everywhere."""

from __future__ import annotations

import base64
import copy
from collections.abc import Callable
from typing import Any

import pulumi
import pulumi_aws as aws
import pytest

from lbkit import LoadBalancer
from lbkit.errors import Belated, OperationError, SpecError, Unsupported
from lbkit.spec import Spec
from lbkit.targets.aws import Machines
from tests.laws.leaves import BASE, FLEET, TCP, put
from tests.mocks import registered
from tests.targets.aws.house import CERTIFICATE, GROUP, IDS, TLS, TRUST, alb, changed, nlb

FIRST, SECOND = IDS["subnet_ids"]


def subnet(zone: str, vpc: str = IDS["vpc_id"]) -> dict[str, str]:
    return {"vpcId": vpc, "availabilityZone": zone}


@pytest.mark.parametrize("preview", [True, False], ids=["preview", "up"])
@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ({FIRST: subnet("eu-west-1a"), SECOND: subnet("eu-west-1a")}, "Alb.subnet_ids.*another zone"),  # AW-2
        ({FIRST: subnet("eu-west-1a"), SECOND: subnet("eu-west-1b", "vpc-0f1e2d3c")}, "one VPC"),  # CR-3
    ],
    ids=["one zone", "two networks"],
)
def test_a_placement_that_aws_would_refuse_makes_nothing(preview: bool, answers: dict[str, Any], reason: str):
    def program() -> None:
        with pytest.raises(SpecError, match="(?s)" + reason) as caught:
            LoadBalancer("lb", changed({}), alb())
        assert isinstance(caught.value, pulumi.RunError)

    order = registered(program, preview=preview, answers=answers).order
    assert [key for key in order if not key.startswith("pulumi:pulumi:Stack")] == [], "not even the component"


OWN = {
    "provider": lambda eu: pulumi.ResourceOptions(provider=eu),
    "providers": lambda eu: pulumi.ResourceOptions(providers=[eu]),
    "mapping": lambda eu: pulumi.ResourceOptions(providers={"aws": eu}),
    "parent": lambda eu: pulumi.ResourceOptions(
        parent=pulumi.ComponentResource("a:b:C", "above", None, pulumi.ResourceOptions(providers=[eu]))
    ),
}


@pytest.mark.parametrize("given", OWN.values(), ids=OWN)
def test_the_provider_that_makes_the_balancer_is_asked(given: Callable[[aws.Provider], pulumi.ResourceOptions]):
    def program() -> None:
        LoadBalancer("lb", changed({}), alb(), given(aws.Provider("eu", region="eu-west-1")))

    asked = registered(program, preview=False).asked
    assert len(asked) == 2
    assert all("::eu::" in provider for provider in asked)


ELSEWHERE = "subnet-0aa0bb1cc2dd3ee4f"


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("node_subnet_ids", {"node_subnet_ids": [ELSEWHERE]}),
        ("machines.p.subnet_ids", {"machines": {"p": {"subnet_ids": [ELSEWHERE]}}}),
    ],
)
def test_a_fleet_in_another_network_is_refused(path: str, place: dict[str, Any]):  # CR-3
    answers = {FIRST: subnet("a"), SECOND: subnet("b"), ELSEWHERE: subnet("a", "vpc-0f1e2d3c")}

    def program() -> None:
        LoadBalancer("lb", changed(FLEET), alb(**place))

    with pytest.raises(SpecError, match=rf"(?s)Alb\.{path}.*one VPC"):
        registered(program, preview=True, answers=answers)


def test_an_aws_that_does_not_answer_is_named_with_the_way_out():
    def program() -> None:
        LoadBalancer("lb", changed({}), alb())

    with pytest.raises(OperationError, match=r"(?s)did not say.*no credentials.*check_placement=False"):
        registered(program, preview=True, answers={FIRST: {"error": "no credentials"}})


@pytest.mark.parametrize("answers", [{}, {FIRST: subnet("a"), SECOND: subnet("b")}], ids=["no answer", "two zones"])
def test_a_good_placement_passes(answers: dict[str, Any]):
    assert registered(lambda: LoadBalancer("lb", changed({}), alb()), preview=False, answers=answers).order  # type: ignore[arg-type]


def test_nobody_is_asked_where_that_is_not_wanted():
    answers = {FIRST: subnet("a"), SECOND: subnet("a")}

    def program() -> None:
        LoadBalancer("lb", changed({}), alb(check_placement=False))

    assert registered(program, preview=True, answers=answers).order


def late(value: Any) -> Any:
    return pulumi.Output.from_input(value)


@pytest.mark.parametrize("preview", [True, False], ids=["preview", "up"])
def test_late_ids_image_and_user_data_are_accepted(preview: bool):  # LB-4
    def program() -> None:
        data = copy.deepcopy(BASE)
        for path, value in FLEET.items():
            put(data, path, copy.deepcopy(value))
        data["pools"]["p"]["fleet"] |= {"image": late("ami-0a1b2c3d"), "user_data": late("#!/bin/sh")}
        data["listeners"]["s"] = {
            "port": 443, "protocol": "https", "pool": "p",
            "tls": {"default": {"certificate": late(CERTIFICATE.format("a"))}, "client_ca": late(TRUST)},
        }  # fmt: skip
        home = alb(
            vpc_id=late(IDS["vpc_id"]), subnet_ids=[late(item) for item in IDS["subnet_ids"]],
            access_logs={"bucket": late("ours")},
            machines={"p": {"capacity_reservation": late("cr-0a1b2c3d"), "instance_profile": late("gpu"),
                            "security_group_ids": [late(GROUP)], "placement_group": late("close")}},
        )  # fmt: skip
        LoadBalancer("lb", Spec.load(data), home)

    (template,) = registered(program, preview=preview).of("aws:ec2/launchTemplate:LaunchTemplate").values()
    assert template["inputs"]["imageId"] == "ami-0a1b2c3d"
    assert base64.b64decode(template["inputs"]["userData"]).decode() == "#!/bin/sh"


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("pools.p.nodes.a.address", "fd00::1", "IPv4"),
        ("pools.p.nodes.a.address", "169.254.169.254", "one machine"),
        ("pools.p.nodes.a", {"instance": "i-1234567890abcdef0"}, "placeholder"),
        ("pools.p.fleet.image", "ami-1234567890abcdef0", "placeholder"),
        ("pools.p.fleet.user_data", "AKIA" + "A" * 16, "credential"),
        ("listeners.l.tls.default.certificate", "/etc/site.pem", "ARN"),
        ("listeners.l.tls.names", {"x": {"certificate": "/etc/site.pem"}}, "ARN"),
        ("listeners.l.tls.client_ca", "s3://ours/ca.pem", "aws.lb.TrustStore"),
    ],
)
def test_a_late_value_is_judged_when_it_arrives(path: str, value: Any, reason: str):  # LB-4, AW-14
    def program() -> None:
        data = copy.deepcopy(BASE)
        for at, item in {**(FLEET if "fleet" in path else {}), **(TLS if "tls" in path else {})}.items():
            put(data, at, copy.deepcopy(item))
        if path == "pools.p.nodes.a":
            del data["pools"]["p"]["nodes"]["b"]
        put(data, path, lately(value))
        LoadBalancer("lb", Spec.load(data), alb(node_security_group_ids=[GROUP], check_placement=False))

    with pytest.raises(Belated, match=rf"(?s){path}.*{reason}") as caught:
        registered(program, preview=False)
    assert isinstance(caught.value, pulumi.RunError)
    assert "AKIA" not in str(caught.value)


def test_all_subnets_may_come_in_one_output():  # LB-4
    def program() -> None:
        home = alb(subnet_ids=late(IDS["subnet_ids"]), machines={"p": Machines(subnet_ids=late([FIRST]))})
        LoadBalancer("lb", changed(FLEET), home)

    found = registered(program, preview=False)
    (balancer,) = found.of("aws:lb/loadBalancer:LoadBalancer").values()
    (group,) = found.of("aws:autoscaling/group:Group").values()
    assert balancer["inputs"]["subnets"] == IDS["subnet_ids"]
    assert group["inputs"]["vpcZoneIdentifiers"] == [FIRST]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ([FIRST], r"Alb\.subnet_ids\n +At least 2 must be given, and there is one\."),
        ([FIRST, "subnet-12345678"], r"Alb\.subnet_ids\.1\n +This is a placeholder"),
    ],
)
def test_a_wrong_late_list_of_subnets_is_named(given: list[str], problem: str):  # AW-2, AW-14, LB-4
    def program() -> None:
        LoadBalancer("lb", changed({}), alb(subnet_ids=late(given)))

    with pytest.raises(Belated, match=problem):
        registered(program, preview=False)


@pytest.mark.parametrize(
    ("home", "path"),
    [
        (lambda ids: nlb(subnet_ids=ids, static_addresses=True), "Nlb.subnet_ids"),
        (lambda ids: nlb(subnet_ids=ids, allocation_ids=["eipalloc-0a1b2c3d"]), "Nlb.subnet_ids"),
        (lambda ids: alb(machines={"p": Machines(subnet_ids=ids, efa=1)}), "Alb.machines.p.subnet_ids"),
    ],
)
def test_where_each_subnet_counts_the_list_is_plain(home: Any, path: str):  # LB-4
    def program() -> None:
        LoadBalancer("lb", changed(FLEET), home(late(IDS["subnet_ids"])))

    with pytest.raises((SpecError, Unsupported), match=path):
        registered(program, preview=True)


def test_a_node_outside_the_vpc_may_be_known_late_by_address_and_range():  # LB-4
    def program() -> None:
        data = copy.deepcopy(BASE)
        data["pools"]["p"]["nodes"] = {"a": {"address": late("192.168.0.7")}, "b": {"address": "10.0.0.7"}}
        LoadBalancer("lb", data, alb(outside_vpc=["172.16.0.0/12", late("192.168.0.0/16")], check_placement=False))

    nodes = registered(program, preview=False).of("aws:lb/targetGroupAttachment:TargetGroupAttachment")
    assert {name: item["inputs"].get("availabilityZone") for name, item in nodes.items()} == {
        "lb--node--p--a": "all",
        "lb--node--p--10-0-0-7-8000": None,
    }


def lately(value: Any) -> Any:
    return {key: lately(item) for key, item in value.items()} if isinstance(value, dict) else late(value)


@pytest.mark.parametrize("preview", [True, False], ids=["preview", "up"])
def test_late_nodes_and_addresses_of_an_nlb_are_accepted(preview: bool):  # LB-4
    def program() -> None:
        data = copy.deepcopy(TCP)
        data["pools"]["p"]["nodes"] = {"a": {"address": late("10.0.0.1")}, "b": {"address": late("10.0.0.2")}}
        given = nlb(subnet_ids=[late(FIRST)], allocation_ids=[late("eipalloc-0a1b2c3d")], outside_vpc=["10.0.0.2/32"])
        LoadBalancer("lb", Spec.load(data), given)
        by_id = {"pools": {"p": {**TCP["pools"]["p"], "nodes": {"a": {"instance": late("i-0a1b2c3d")}}}}}
        home = nlb(node_security_group_ids=[late(GROUP)])
        LoadBalancer("other", Spec.load({**TCP, **by_id}), home)

    found = registered(program, preview=preview)
    nodes = found.of("aws:lb/targetGroupAttachment:TargetGroupAttachment")
    assert nodes["lb--node--p--b"]["inputs"]["availabilityZone"] == "all"
    assert "availabilityZone" not in nodes["lb--node--p--a"]["inputs"]
    out = found.of("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule")
    assert out["lb--out--p--a--8000"]["inputs"]["cidrIpv4"] == "10.0.0.1/32"
    assert out["other--reach--0--8000"]["inputs"]["referencedSecurityGroupId"] == GROUP


def shared_by_two(address: Any, *, port: int = 8000, name: str = "z") -> Spec:
    """A spec in which two pools have the node of this address."""
    return Spec.load(
        {
            "pools": {
                "q": {"port": 8000, "health_check": {"path": "/"}, "nodes": {name: {"address": address}}},
                "p": {"port": port, "health_check": {"path": "/"}, "nodes": {"a": {"address": address}}},
            },
            "listeners": {"l": {"port": 80, "pool": "p"}, "m": {"port": 90, "pool": "q"}},
        }
    )


@pytest.mark.parametrize(("port", "rules"), [(8000, {8000}), (8001, {8000, 8001})])
def test_an_output_that_is_a_node_of_two_pools_has_one_rule_for_each_port(port: int, rules: set[int]):  # LB-4
    def program() -> None:
        address = late("10.0.0.1")
        LoadBalancer("lb", shared_by_two(address, port=port), alb())
        LoadBalancer("apart", shared_by_two("10.0.0.1", port=port), alb())

    found = registered(program, preview=False)
    out = found.of("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule")
    assert {name for name in out if name.startswith("lb--")} == {f"lb--out--p--a--{each}" for each in rules}
    nodes = found.of("aws:lb/targetGroupAttachment:TargetGroupAttachment")
    assert f"lb--out--p--a--{port}" in nodes["lb--node--p--a"]["depends_on"]
    assert "lb--out--p--a--8000" in nodes["lb--node--q--z"]["depends_on"]


def test_a_single_static_address_is_the_endpoint():  # CR-4
    def program() -> None:
        balancer = LoadBalancer("lb", changed({}, TCP), nlb(subnet_ids=[FIRST], static_addresses=True))
        assert set(balancer.resources) >= {
            "load_balancer",
            "p",
            "listener--l",
            f"address--{FIRST}",
            "node--p--10-0-0-1-8000",
        }

    outputs = registered(program, preview=False).outputs["lb"]
    assert outputs["endpoint"] == "198.51.100.7"
    assert outputs["url"] == "tcp://198.51.100.7:80"


def test_every_child_can_be_reached_by_its_name():
    """What belongs to a listener is reached by the listener's name, and named by its port."""
    names: dict[str, pulumi.Resource] = {}

    def program() -> None:
        names.update(LoadBalancer("lb", changed({**FLEET, **TLS}), alb()).resources)

    found = registered(program, preview=False)
    children = {key.partition("::")[2] for key in found.order if key.startswith("aws:")}
    assert {"listener--l", "in--l--0-0-0-0-0"} <= set(names)
    assert {"lb--listener--80", "lb--in--80--0-0-0-0-0"} <= children
    by_name = {"lb" if name == "load_balancer" else f"lb--{name}" for name in names if "--l" not in name}
    assert by_name < children
    assert len(children) == len(names)
    assert len(children) == len([key for key in found.order if key.startswith("aws:")]), "one name, one child"
