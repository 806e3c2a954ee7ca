"""The component under mocks: what it registers, what it refuses, what comes out."""

from __future__ import annotations

from typing import Any

import pulumi
import pytest

from lbkit import LoadBalancer, Node, Spec
from lbkit.errors import SpecError, Unsupported
from lbkit.targets.aws import Alb, Nlb
from lbkit.targets.base import Target
from lbkit.targets.bigip import Ltm
from lbkit.targets.native import Native
from tests.laws.leaves import BASE
from tests.mocks import Registered, registered

SPEC = Spec.load(BASE)
ALB = Alb(vpc_id="vpc-0a1b2c3d4e5f60718", subnet_ids=["subnet-0a1b2c3d4e5f60718", "subnet-0f1e2d3c4b5a69788"])
TARGETS: list[Target] = [ALB, Ltm(address="10.1.0.10"), Native()]


def made(spec: Any, target: Target, preview: bool = False, name: str = "lb") -> Registered:
    def program() -> None:
        LoadBalancer(name, spec, target)

    return registered(program, preview=preview)


@pytest.mark.parametrize("preview", [True, False], ids=["preview", "up"])
@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.title)
def test_one_spec_has_three_homes(target: Target, preview: bool):  # LB-2
    found = made(SPEC, target, preview)
    children = [key.partition("::")[2] for key in found.order if not key.startswith(("pulumi:pulumi", "lbkit:"))]
    assert children
    assert all(name == "lb" or name.startswith("lb--") for name in children)
    assert set(found.outputs["lb"]) == {"endpoint", "url", "urls", "pools"}


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.title)
def test_reordering_keys_changes_nothing(target: Target):
    turned = {
        "listeners": BASE["listeners"],
        "pools": {"p": {**BASE["pools"]["p"], "nodes": dict(reversed(BASE["pools"]["p"]["nodes"].items()))}},
    }
    assert made(SPEC, target).resources.keys() == made(turned, target).resources.keys()
    if not isinstance(target, Native):
        first, second = made(SPEC, target).resources, made(turned, target).resources
        assert {k: v for k, v in first.items() if k[:5] != "lbkit"} == {
            k: v for k, v in second.items() if k[:5] != "lbkit"
        }


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.title)
def test_a_late_address_is_accepted_at_preview_and_up(target: Target):  # LB-4
    for preview in (True, False):

        def program() -> None:
            late = Node(address=pulumi.Output.from_input("10.0.0.7"))
            nodes = {**SPEC.pools["p"].nodes, "late": late}
            pools = {"p": SPEC.pools["p"].model_copy(update={"nodes": nodes})}
            LoadBalancer("lb", Spec(pools=pools, listeners=dict(SPEC.listeners)), target)

        assert registered(program, preview=preview).order


def test_plain_data_is_a_spec_too():
    assert made(BASE, Native()).resources.keys() == made(SPEC, Native()).resources.keys()


@pytest.mark.parametrize(
    ("name", "spec", "target", "kind"),
    [
        ("a--b", SPEC, Native(), SpecError),
        ("", SPEC, Native(), SpecError),
        ("lb", {"pools": {}}, Native(), SpecError),
        ("lb", SPEC, Ltm, SpecError),
        ("lb", SPEC, None, SpecError),
        ("lb", SPEC, {"address": "10.1.0.10"}, SpecError),
        ("lb", {**BASE, "pools": {"p": {**BASE["pools"]["p"], "firewall": True}}}, Native(), Unsupported),
    ],
)
def test_a_mistake_registers_nothing_and_is_printed_without_a_stack(
    name: str, spec: Any, target: Any, kind: type
):  # LB-2
    with pytest.raises(kind) as caught:
        made(spec, target, name=name)
    assert isinstance(caught.value, pulumi.RunError)


WEB = {"web": {"port": 80, "pool": "p"}, "alt": {"port": 8080, "pool": "p"}}
RAW = {"raw": {"port": 443, "pool": "r", "protocol": "tls"}, "db": {"port": 5432, "pool": "r", "protocol": "tcp"}}
NLB = Nlb(**ALB.model_dump(include={"vpc_id", "subnet_ids"}))


@pytest.mark.parametrize(
    ("target", "listeners", "host"),
    [
        (ALB, WEB, "lb.example.com"),
        (NLB, RAW, "lb.example.com"),
        (Native(), WEB | RAW, "127.0.0.1"),
        (Ltm(address="10.1.0.10"), WEB | RAW, "10.1.0.10"),
        (Ltm(address="2001:db8::9"), WEB | RAW, "[2001:db8::9]"),
    ],
)
def test_a_listener_has_the_same_url_in_every_home(target: Target, listeners: dict[str, Any], host: str):  # LB-2
    pools = {"p": BASE["pools"]["p"], "r": {"port": 9000, "protocol": "tcp", "nodes": {"a": {"address": "10.0.1.1"}}}}
    used = {item["pool"] for item in listeners.values()}
    outputs = made({"pools": {key: pools[key] for key in used}, "listeners": listeners}, target).outputs["lb"]
    every = {
        "web": f"http://{host}",
        "alt": f"http://{host}:8080",
        "raw": f"tls://{host}:443",
        "db": f"tcp://{host}:5432",
    }
    assert outputs["urls"] == {key: every[key] for key in listeners}
    assert outputs["url"] == every[min(listeners)]


REFUSED: list[tuple[Target, dict[str, Any], set[str]]] = [
    (ALB, {"retries": 3, "limits": {"hard": 4, "queue": {}}}, {"retries", "limits.hard", "limits.queue"}),
    (
        Ltm(address="10.1.0.10"),
        {"limits": {"hard": 4, "queue": {}}, "drain": 30},
        {"limits.hard", "limits.queue", "drain"},
    ),
    (Native(), {"firewall": True}, {"firewall"}),
]


@pytest.mark.parametrize("preview", [True, False], ids=["preview", "up"])
@pytest.mark.parametrize(("target", "asked", "paths"), REFUSED, ids=lambda item: getattr(item, "title", ""))
def test_what_a_home_cannot_do_is_refused_before_any_resource_and_all_at_once(
    target: Target, asked: dict[str, Any], paths: set[str], preview: bool
):  # LB-2
    def program() -> None:
        with pytest.raises(Unsupported) as caught:
            LoadBalancer("lb", {**BASE, "pools": {"p": {**BASE["pools"]["p"], **asked}}}, target)
        assert {problem.path for problem in caught.value.problems} == {f"pools.p.{path}" for path in paths}
        assert all(problem.reason and problem.remedy for problem in caught.value.problems)

    found = registered(program, preview=preview)
    assert [key for key in found.order if not key.startswith("pulumi:pulumi:Stack")] == []


@pytest.mark.parametrize(
    ("given", "named", "problems"),
    [
        (("lb", SPEC, ALB), {"foo": 1}, [("LoadBalancer.foo", "There is no such argument.", "name, spec, target and opts")]),
        (("lb", SPEC, ALB), {"option": 1}, [("LoadBalancer.option", "There is no such argument.", "mean `opts`?")]),
        (("lb", SPEC), {"targets": ALB}, [
            ("LoadBalancer.targets", "There is no such argument.", "mean `target`?"),
            ("LoadBalancer.target", "It is missing.", "Native()"),
        ]),
        (("lb", SPEC, ALB), {"spec": SPEC}, [("LoadBalancer.spec", "It is given twice, by place and by name.", "Keep one")]),
        (("lb", SPEC, ALB, None, 5), {}, [("LoadBalancer", "There are 5 arguments without a name.", "in this order")]),
        (("lb", SPEC, ALB, {"protect": True}), {}, [("opts", "It is a dict.", "pulumi.ResourceOptions(...)")]),
        ((), {}, [(f"LoadBalancer.{name}", "It is missing.", "Give ") for name in ("name", "spec", "target")]),
    ],
)  # fmt: skip
def test_a_wrong_call_is_answered_in_words(given: Any, named: Any, problems: list[tuple[str, str, str]]):
    with pytest.raises(SpecError) as caught:
        LoadBalancer(*given, **named)
    found = caught.value.problems
    assert [(problem.path, problem.reason) for problem in found] == [(path, reason) for path, reason, _ in problems]
    assert all(remedy in problem.remedy for problem, (_, _, remedy) in zip(found, problems, strict=True))
