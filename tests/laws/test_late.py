"""LB-4: every leaf that another resource may have takes a Pulumi Output, at preview too, keeps its checks, and names its
place when it is wrong. `late.py` says which, and why the others do not."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pulumi
import pytest
from pulumi.output import Unknown

from lbkit import LoadBalancer, Spec
from lbkit.errors import Belated, SpecError
from lbkit.package import types
from lbkit.package.spelling import every_model, homes
from lbkit.spec.inputs import may_be_late
from lbkit.targets.aws import Alb, Logs, Machines, Nlb
from lbkit.targets.base import Target, problems
from lbkit.targets.bigip import Device, Ltm
from lbkit.targets.native import Native
from tests.laws.late import LATE, LATE_PLACED, PLAIN, PLAIN_PLACED, WHOLE_LISTS
from tests.laws.leaves import ALSO, BASE, CHANGES, FLEET, TCP, leaves, path_of, put
from tests.laws.test_nothing_ignored import PLACE, WORDS
from tests.mocks import registered
from tests.targets.aws.house import FIXED_FLEET

HINTS = {f"{model.__name__}.{name}": hint for model in every_model() for name, _, hint in types.fields(model)}
SPEC_CLASSES = {model.__name__ for model in every_model() if model.__module__.startswith("lbkit.spec")}
PLACED = {at for at, hint in HINTS.items() if at.partition(".")[0] not in SPEC_CLASSES and not list(types.models(hint))}
ON_DEVICE = {f"/{name}.pem": f"device:/Common/{name}.crt" for name in ("a", "b", "c", "ca")} | {
    "/k.pem": "device:/Common/k.key"
}
SPEC_HOMES: list[tuple[Target, dict[str, Any], dict[str, str]]] = [
    (Alb(**PLACE, check_placement=False), BASE, WORDS),
    (Nlb(**PLACE, check_placement=False), TCP, WORDS),
    (Ltm(address="10.1.0.10", tmms=4), BASE, ON_DEVICE),
    (Native(), BASE, {}),
]


def late(hint: Any) -> bool:
    """Itself, or its entries."""
    entries = [types.item_of(item, kind) for item in types.alternatives(hint) for kind in (list, dict)]
    return types.late(hint) or any(item is not None and types.late(item) for item in entries)


def listed(table: dict[str, set[str]], known: set[str]) -> Iterator[str]:
    for patterns in table.values():
        for pattern in patterns:
            head = pattern.removesuffix("*")
            yield from (at for at in known if at == pattern or (head != pattern and at.startswith(head)))


def hint_at(pattern: str) -> Any:
    model: Any = Spec
    for part in (part for part in pattern.split(".") if part != "*"):
        hint = {name: hint for name, _, hint in types.fields(model)}[part]
        model = next(types.models(hint), None)
    return hint


def test_each_leaf_of_the_spec_is_late_or_plain_with_a_reason():
    known = set(leaves())
    plain = list(listed(PLAIN, known))
    assert len(plain) == len(set(plain))
    assert set(plain) | LATE == known
    assert not set(plain) & LATE
    assert {pattern for pattern in known if late(hint_at(pattern))} == LATE


def test_each_leaf_of_the_placements_is_late_or_plain_with_a_reason():
    plain = [at for patterns in PLAIN_PLACED.values() for at in patterns]
    assert len(plain) == len(set(plain))
    assert set(plain) | LATE_PLACED == PLACED
    assert not set(plain) & LATE_PLACED
    assert {at for at in PLACED if late(HINTS[at])} == LATE_PLACED
    assert {at for at in PLACED if may_be_late(HINTS[at]) and types.item_of(HINTS[at], list)} == WHOLE_LISTS


def lately(value: Any, unknown: bool = False) -> Any:
    if isinstance(value, list):
        return [lately(item, unknown) for item in value]
    if isinstance(value, dict):
        return {key: lately(item, unknown) for key, item in value.items()}
    return pulumi.Output.from_input(Unknown() if unknown else value)


def data_of(pattern: str, base: dict[str, Any], words: dict[str, str]) -> tuple[dict[str, Any], Any]:
    """A spec as data, without the leaf, and the leaf's value."""
    beside, other = CHANGES[pattern]
    if base is TCP and "pools.p.fleet" in beside:
        beside = {**beside, **FIXED_FLEET, "pools.p.limits": None}
    data = copy.deepcopy(base)
    for at, item in {**beside, **ALSO.get(pattern, {})}.items():
        put(data, at, copy.deepcopy(item))
    text = json.dumps([data, other])
    for word, own in words.items():
        text = text.replace(json.dumps(word), json.dumps(own))
    data, other = json.loads(text)
    return data, other


def doing(pattern: str) -> Iterator[tuple[Target, dict[str, Any], Any]]:
    """The homes that can do it, with data and value."""
    for target, base, words in SPEC_HOMES:
        data, value = data_of(pattern, base, words)
        if pattern.startswith("listeners.*.tls.") and isinstance(target, Ltm):
            put(data, "listeners.l.tls.default.key", "device:/Common/a.key")
        try:
            possible = not problems(Spec.load(holding(data, pattern, value)), target)
        except SpecError:  # said of HTTP only, and this home carries none
            possible = False
        if possible:
            yield target, data, value


def holding(data: dict[str, Any], pattern: str, value: Any) -> dict[str, Any]:
    whole = copy.deepcopy(data)
    put(whole, path_of(pattern), value)
    return whole


@pytest.mark.parametrize("pattern", sorted(LATE))
def test_a_late_leaf_shows_in_the_plan_of_every_home_that_does_it(pattern: str):
    homes_ = list(doing(pattern))
    assert homes_
    for target, data, value in homes_:
        for preview in (True, False):

            def program(target: Any = target, data: Any = data, value: Any = value, preview: bool = preview) -> None:
                LoadBalancer("lb", Spec.load(holding(data, pattern, lately(value, unknown=preview))), target)

            found = registered(program, preview=preview)
            assert found.order
            plan = json.dumps(
                {key: item["inputs"] for key, item in found.resources.items() if "lbkit:index" not in key}
            )
            if not preview and not pattern.endswith("user_data"):
                text = str(value[0] if isinstance(value, list) else value).removeprefix("device:")
                assert text in plan, f"{target.title}: {text} is nowhere in {plan}"


@pytest.mark.parametrize("pattern", sorted(LATE))
def test_a_wrong_late_leaf_is_named_where_it_stands(pattern: str):
    for target, data, value in doing(pattern):
        wrong = [5] if isinstance(value, list) else 5
        path = path_of(pattern) + (".0" if isinstance(value, list) else "")

        def program(target: Any = target, data: Any = data, wrong: Any = wrong) -> None:
            LoadBalancer("lb", Spec.load(holding(data, pattern, lately(wrong))), target)

        with pytest.raises(Belated) as caught:
            registered(program, preview=False)
        assert isinstance(caught.value, pulumi.RunError)
        assert [(problem.path, problem.reason, problem.value) for problem in caught.value.problems] == [
            (path, "A text is wanted here.", "")
        ]


ACCOUNT: dict[str, Any] = {"address": "192.0.2.10", "user": "admin", "password": "hunter2-secret"}
VALUES: dict[str, Any] = {
    "vpc_id": "vpc-0f1e2d3c", "subnet_ids": ["subnet-0a1b2c3d", "subnet-0f1e2d3c"],
    "node_subnet_ids": ["subnet-0a1b2c3d"], "node_security_group_ids": ["sg-0a1b2c3d"], "outside_vpc": ["10.0.0.0/24"],
    "root_device": "/dev/sda1", "tags": {"team": "inference"}, "allocation_ids": ["eipalloc-0a1b2c3d", "eipalloc-0f1e2d3c"],
    "instance_profile": "gpu", "security_group_ids": ["sg-0f1e2d3c"], "egress": ["10.99.0.0/16"],
    "capacity_reservation": "cr-0a1b2c3d", "placement_group": "close", "bucket": "ours", "address": "192.0.2.99",
    "snat": ["10.9.0.1"], "user": "operator", "password": "hunter3-secret", "token": "hunter4-secret",
}  # fmt: skip


def placed(at: str, value: Any) -> Target:
    """The smallest placement that holds the leaf."""
    owner, field = at.split(".")
    if owner in ("Alb", "Nlb"):
        return homes()["aws" if owner == "Alb" else "awsNlb"](**{**PLACE, "check_placement": False, field: value})
    if owner == "Machines":
        return Alb(**PLACE, check_placement=False, machines={"p": Machines(**{field: value})})
    if owner == "Logs":
        return Alb(**PLACE, check_placement=False, access_logs=Logs(**{field: value}))
    if owner == "Ltm":
        return Ltm(**{"address": "10.1.0.10", field: value})
    account = {"address": "192.0.2.10"} if field == "token" else ACCOUNT
    return Ltm(address="10.1.0.10", device=Device(**{**account, field: value}))


def spec_for(at: str) -> Spec:
    """With machines, but for what concerns listed nodes."""
    owner, field = at.split(".")
    data = copy.deepcopy(TCP if owner == "Nlb" else BASE)
    fleet = FIXED_FLEET if owner == "Nlb" else FLEET
    if owner in ("Alb", "Nlb", "Machines") and field not in ("node_security_group_ids", "outside_vpc"):
        for path, item in fleet.items():
            put(data, path, copy.deepcopy(item))
    return Spec.load(data)


EACH_PLACED = [(at, False) for at in sorted(LATE_PLACED)] + [(at, True) for at in sorted(WHOLE_LISTS)]


def arriving(at: str, whole: bool, value: Any, preview: bool = False) -> str:
    """The plan of a program in which the leaf comes late."""

    def program() -> None:
        given = pulumi.Output.from_input(Unknown() if preview else value) if whole else lately(value, preview)
        LoadBalancer("lb", spec_for(at), placed(at, given))

    found = registered(program, preview=preview)
    assert found.order
    return json.dumps({key: item["inputs"] for key, item in found.resources.items()})


@pytest.mark.parametrize(("at", "whole"), EACH_PLACED)
def test_a_late_leaf_of_a_placement_shows_in_the_plan(at: str, whole: bool):
    value = VALUES[at.rpartition(".")[2]]
    arriving(at, whole, value, preview=True)
    plan = arriving(at, whole, value)
    if at.endswith((".password", ".token")):
        assert "hunter" not in plan
    elif at.endswith(".outside_vpc"):
        assert '"availabilityZone": "all"' in plan
    else:
        for text in value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]:
            assert text in plan


@pytest.mark.parametrize(("at", "whole"), EACH_PLACED)
def test_a_wrong_late_leaf_of_a_placement_is_named_where_it_stands(at: str, whole: bool):
    value = VALUES[at.rpartition(".")[2]]
    wrong = dict.fromkeys(value, 5) if isinstance(value, dict) else [5, *value[1:]] if isinstance(value, list) else 5
    with pytest.raises(Belated) as caught:
        arriving(at, whole, wrong)
    step = f".{next(iter(value))}" if isinstance(value, dict) else ".0" if isinstance(value, list) else ""
    owner, _, field = at.partition(".")
    place = {"Machines": "Alb.machines.p", "Logs": "Alb.access_logs", "Device": "Ltm.device"}.get(owner, owner)
    assert [(problem.path, problem.reason) for problem in caught.value.problems] == [
        (f"{place}.{field}{step}", "A text is wanted here.")
    ]
