"""LB-5: the same resources, names and state as from Python, and errors in the caller's own words."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pulumi
import pytest
from pulumi.output import Unknown
from pulumi.runtime.sync_await import _sync_await

from lbkit import LoadBalancer, Spec
from lbkit.errors import LbkitError
from lbkit.package.arguments import arguments
from lbkit.package.provider import OUTPUTS, Package
from lbkit.package.schema import TOKEN
from lbkit.targets.aws import Alb, Nlb
from lbkit.targets.base import Target, problems
from lbkit.targets.bigip import Device, Ltm, Pair
from lbkit.targets.native import Native
from tests.laws.leaves import BASE, CHANGES, TCP, pair
from tests.mocks import ROOT, Registered, registered
from tests.package.spelled import spelled

PLACE: Any = {
    "vpc_id": "vpc-0a1b2c3d4e5f60718",
    "subnet_ids": ["subnet-0a1b2c3d4e5f60718", "subnet-0f1e2d3c4b5a69788"],
    "check_placement": False,
}
DEVICE = Device(address="192.0.2.10", user="admin", password="hunter2-secret")
PAIR = Pair(devices={"a": DEVICE, "b": DEVICE.model_copy(update={"address": "192.0.2.11"})}, talk_to="a", group="both")
TARGETS: dict[str, list[Target]] = {
    "aws": [Alb(**PLACE)],
    "awsNlb": [Nlb(**PLACE, static_addresses=True)],
    "bigip": [Ltm(address="10.1.0.10"), Ltm(address="10.1.0.10", device=DEVICE), Ltm(address="10.1.0.10", device=PAIR),
              Ltm(address="10.1.0.10", snat=["10.1.0.11"], traffic_group=None, tmms=4)],
    "native": [Native()],
}  # fmt: skip
EACH = [(home, target) for home, targets in TARGETS.items() for target in targets]
SPEC: dict[str, Any] = spelled(Spec.load(BASE))


def constructed(given: dict[str, Any], preview: bool = False, opts: pulumi.ResourceOptions | None = None) -> Registered:
    return registered(lambda: package(given, opts), preview=preview)


def package(given: dict[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
    Package().construct("lb", TOKEN, given, opts)


def refused(given: dict[str, Any]) -> str:
    with pytest.raises(pulumi.InputPropertiesError) as caught:
        constructed(given)
    return str(caught.value.message)


@pytest.mark.parametrize("preview", [True, False], ids=["preview", "up"])
@pytest.mark.parametrize(("home", "target"), EACH, ids=lambda item: getattr(item, "title", item))
def test_the_plan_is_that_of_a_python_program(home: str, target: Target, preview: bool):  # LB-5
    spec = next(s for s in (Spec.load(BASE), pair("pools.*.port", TCP)[0]) if not problems(s, target))

    def program() -> None:
        LoadBalancer("lb", spec, target)

    python = registered(program, preview=preview)
    other = constructed({"spec": spelled(spec), home: spelled(target)}, preview)
    assert _children(python) == _children(other)
    assert python.outputs["lb"] == other.outputs["lb"]
    assert set(other.outputs["lb"]) == set(OUTPUTS)


@pytest.mark.parametrize("pattern", sorted(CHANGES))
def test_every_leaf_arrives(pattern: str):  # LB-5
    for spec in pair(pattern)[:2]:
        found, target, home = arguments({"spec": spelled(spec), "native": {}})
        assert found == spec
        assert found.model_dump(exclude_unset=True) == _without_nulls(spec)
        assert (home, target) == ("native", Native())


@pytest.mark.parametrize(("home", "target"), EACH, ids=lambda item: getattr(item, "title", item))
def test_every_target_arrives(home: str, target: Target):
    assert arguments({"spec": SPEC, home: spelled(target)})[1] == target


def test_null_has_a_word():
    pools = {"p": {**SPEC["pools"]["p"], "noHealthCheck": True}}
    del pools["p"]["healthCheck"]
    assert arguments({"spec": {**SPEC, "pools": pools}, "native": {}})[0].pools["p"].health_check is None
    pools["p"]["noHealthCheck"] = False
    assert arguments({"spec": {**SPEC, "pools": pools}, "native": {}})[0].pools["p"].health_check is not None


def with_pool(**fields: Any) -> dict[str, Any]:
    return {"spec": {**SPEC, "pools": {"p": {**SPEC["pools"]["p"], **fields}}}, "native": {}}


@pytest.mark.parametrize(
    ("given", "texts"),
    [
        ({"spec": SPEC}, ["aws", "Nothing says where", "exactly one of `aws`, `awsNlb`, `bigip`, `native`"]),
        ({"spec": SPEC, "native": {}, "bigip": {"address": "10.0.0.1"}}, ["bigip and native", "one home"]),
        ({"native": {}}, ["spec.pools", "spec.listeners", "This field is required."]),
        ({"spec": SPEC, "nativ": {}}, ["nativ\n", "Did you mean `native`?"]),
        (with_pool(health_check={}), ["spec.pools.p.health_check\n", "Did you mean `healthCheck`?"]),
        (with_pool(noHealthCheck=True, healthCheck={}), ["spec.pools.p.noHealthCheck", "`healthCheck` is given as well"]),
        (with_pool(noHealthCheck="yes"), ["spec.pools.p.noHealthCheck = 'yes'"]),
        (with_pool(healthCheck={"interval": "5s"}), ["spec.pools.p.healthCheck.interval = '5s'", "Write 5."]),
        (with_pool(timeouts={"firstByte": -1.0}), ["spec.pools.p.timeouts.firstByte = -1"]),
        (with_pool(port=80.5), ["spec.pools.p.port = 80.5"]),
        (with_pool(limits={"queue": {}}), ["spec.pools.p.limits.queue", "Add limits.hard"]),
        (with_pool(adminState="drain", slowStart=-1.0), ["spec.pools.p.adminState", "spec.pools.p.slowStart = -1"]),
        (with_pool(firewall=True), ["the native dataplane can't do", "spec.pools.p.firewall = true"]),
        ({"spec": SPEC, "aws": {"vpcId": "vpc-1", "subnetIds": ["x", "y"]}}, ["aws.vpcId", "aws.subnetIds.0 = 'x'"]),
        ({"spec": SPEC, "bigip": {"address": "10.0.0.1", "device": {"address": "192.0.2.1", "usr": "a"}}},
         ["bigip.device.usr\n", "Did you mean `user`?"]),
        ({"spec": SPEC, "bigip": {"address": "10.0.0.1", "device": {"address": "192.0.2.1", "user": "a"}}},
         ["bigip.device.password", "`user` and `password`, or `token` alone"]),
        ({"spec": SPEC, "aws": {**spelled(TARGETS["aws"][0]), "machines": {"no-such-pool": {}}}},
         ["aws.machines.no-such-pool"]),
    ],
)  # fmt: skip
def test_an_error_names_the_path_as_the_caller_wrote_it(given: dict[str, Any], texts: list[str]):
    found = refused(given)
    for text in texts:
        assert text in found, found
    assert "Traceback" not in found


def test_all_problems_come_at_once_and_each_once():
    given = with_pool(halthCheck={}, drain="long", port=pulumi.Output.from_input(80))
    given["bigip"] = {"adress": "10.0.0.1"}
    del given["native"]
    found = refused(given)
    for path in ("spec.pools.p.halthCheck", "spec.pools.p.drain", "spec.pools.p.port", "bigip.adress", "bigip.address"):
        assert found.count(f"  {path}") == 1, found


def test_a_mistake_registers_nothing():
    with pytest.raises(pulumi.InputPropertiesError):
        constructed({"spec": SPEC})


@pytest.mark.parametrize("preview", [True, False], ids=["preview", "up"])
@pytest.mark.parametrize(
    ("home", "target"), EACH[:1] + EACH[2:3] + EACH[-1:], ids=lambda item: getattr(item, "title", item)
)
def test_late_leaves_may_be_outputs(home: str, target: Target, preview: bool):  # LB-4
    def program() -> None:
        pools = {"p": {**SPEC["pools"]["p"], "nodes": {"late": {"address": pulumi.Output.from_input("10.0.0.7")}}}}
        package({"spec": {**SPEC, "pools": pools}, home: spelled(target)})

    assert "10.0.0.7" in str(registered(program, preview=preview).resources)


def test_what_is_unknown_at_preview_is_late_as_well():  # LB-4
    def program() -> None:
        package(with_pool(nodes={"late": {"address": Unknown()}}))

    found = registered(program, preview=True)
    (balancer,) = found.of("lbkit:index:LoadBalancer").values()
    assert "<unknown>" in str(balancer["inputs"])


@pytest.mark.parametrize(
    ("fields", "home", "path"),
    [
        ({"trustForwarded": ["10.0.0.0/33"]}, {"native": {}}, "spec.listeners.l.trustForwarded.0"),
        ({"allow": ["10.0.0.0/33"]}, {"aws": spelled(TARGETS["aws"][0])}, "spec.listeners.l.allow.0"),
        ({}, {"aws": {**spelled(TARGETS["aws"][0]), "outsideVpc": ["10.0.0.0/33"]}}, "aws.outsideVpc.0"),
        ({}, {"aws": {**spelled(TARGETS["aws"][0]), "accessLogs": {"bucket": "s3://ours"}}}, "aws.accessLogs.bucket"),
    ],
)
def test_a_wrong_late_value_is_named_as_the_caller_wrote_it(fields: Any, home: Any, path: str):  # LB-4
    def program() -> None:
        listener = {**SPEC["listeners"]["l"], **lately(fields)}
        given = {"spec": {**SPEC, "listeners": {"l": listener}}, **{name: lately(item) for name, item in home.items()}}
        with pytest.raises(pulumi.InputPropertiesError) as caught:
            _sync_await(pulumi.Output.from_input(Package().construct("lb", TOKEN, given).urn).future())
        said.append(str(caught.value.message))

    said: list[str] = []
    with pytest.raises(LbkitError):  # the same, which the mocks find in their own books
        registered(program, preview=False)
    assert said[0].startswith(f"A value that came late is not right\n  {path}\n"), said


def lately(value: Any) -> Any:
    """Outputs of the texts that are wrong here."""
    if isinstance(value, dict):
        return {key: lately(item) for key, item in value.items()}
    if isinstance(value, list):
        return [lately(item) for item in value]
    wrong = isinstance(value, str) and value in ("10.0.0.0/33", "s3://ours")
    return pulumi.Output.from_input(value) if wrong else value


def test_structure_may_not():
    def program() -> None:
        package(with_pool(nodes=pulumi.Output.from_input({"a": {"address": "10.0.0.7"}})))

    with pytest.raises(pulumi.InputPropertiesError, match="decides which resources exist") as caught:
        registered(program, preview=False)
    assert "spec.pools.p.nodes" in str(caught.value)
    assert "Give a plain value here" in str(caught.value)

    ranges = {**SPEC["listeners"]["l"], "allow": pulumi.Output.from_input(["10.0.0.0/8"])}
    with pytest.raises(pulumi.InputPropertiesError, match="its entries may be late"):
        registered(lambda: package({"spec": {**SPEC, "listeners": {"l": ranges}}, "native": {}}), preview=True)


def test_a_secret_stays_one():  # F5-1
    found = constructed({"spec": SPEC, "bigip": spelled(Ltm(address="10.1.0.10", device=DEVICE))})
    assert "hunter2" not in str(found.resources)
    text = refused({"spec": SPEC, "bigip": {"address": "10.1.0.10", "device": {"address": "/", "token": "hunter2"}}})
    assert "hunter2" not in text


def test_another_type_is_refused():
    with pytest.raises(pulumi.InputPropertiesError, match="lbkit has no resource lbkit:index:Other"):
        Package().construct("lb", "lbkit:index:Other", {})


@pytest.mark.parametrize(
    ("home", "module", "extra"), [("aws", "pulumi_aws", "aws"), ("bigip", "pulumi_f5bigip", "bigip")]
)
def test_a_missing_sdk_is_named_with_its_extra(home: str, module: str, extra: str):
    code = f"import sys; sys.modules[{module!r}] = None\nfrom tests.package.test_construct import *\n"
    code += f"print(refused({{'spec': SPEC, {home!r}: spelled(TARGETS[{home!r}][0])}}))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT).stdout
    assert f"\n  {home}\n" in found
    assert f"{module} is not installed" in found
    assert f"lbkit[{extra}]" in found


def _children(found: Registered) -> dict[str, Any]:
    return {key: value for key, value in found.resources.items() if not key.startswith("pulumi:pulumi:Stack")}


def _without_nulls(spec: Spec) -> Any:
    found = Spec.load(_cleared(spec.model_dump(exclude_unset=True)))
    return found.model_dump(exclude_unset=True)


def _cleared(value: Any) -> Any:
    """Null is the same as left out, but for the health check."""
    if not isinstance(value, dict):
        return value
    return {key: _cleared(inner) for key, inner in value.items() if inner is not None or key == "health_check"}
