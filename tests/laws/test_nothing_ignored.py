"""LB-3: change any field of the spec, and the plan changes or the target refuses."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

import lbkit.dataplane
from lbkit.dataplane.gaps import GAPS
from lbkit.errors import SpecError
from lbkit.spec import Spec
from lbkit.spec.said import matches
from lbkit.targets.aws import Alb, Nlb
from lbkit.targets.aws.translate import plan as aws_plan
from lbkit.targets.base import Target, problems
from lbkit.targets.bigip import Ltm, certificates
from lbkit.targets.bigip.translate import plan as bigip_plan
from lbkit.targets.table import HOMES, gaps_of
from tests.laws.leaves import BASE, CHANGES, TCP, leaves, pair
from tests.targets.bigip.files import file_of

PLACE: dict[str, Any] = {
    "vpc_id": "vpc-0a1b2c3d4e5f60718",
    "subnet_ids": ["subnet-0a1b2c3d4e5f60718", "subnet-0f1e2d3c4b5a69788"],
    "node_security_group_ids": ["sg-0a1b2c3d4e5f60718"],
}
ALB, NLB = Alb(**PLACE), Nlb(**PLACE)
LTM = Ltm(address="10.1.0.10", tmms=4)
PLANS: list[tuple[Target, Any]] = [
    (ALB, lambda spec: aws_plan(spec, ALB)),
    (NLB, lambda spec: aws_plan(spec, NLB)),
    (LTM, lambda spec: bigip_plan("lb", spec, LTM, file_of)),
]


def test_every_leaf_of_the_schema_is_under_the_law():
    assert set(leaves()) == set(CHANGES)


@pytest.mark.parametrize("pattern", sorted(CHANGES))
def test_a_dump_with_its_defaults_loads_as_the_same_spec(pattern: str):
    for spec in pair(pattern)[:2]:
        assert Spec.load(json.loads(spec.model_dump_json())) == spec


ARN = "arn:aws:acm:eu-west-1:210987650123:certificate/{}"
WORDS = {f"/{letter}.pem": ARN.format(letter) for letter in "abck"}
WORDS["/ca.pem"] = "arn:aws:elasticloadbalancing:eu-west-1:210987650123:truststore/clients/0a1b2c3d4e5f6071"


def for_home(pattern: str, target: Target) -> tuple[Spec, Spec, str]:
    """The pair in a form that the home could do, apart from the leaf."""
    words = WORDS if target in (ALB, NLB) else {}
    if target is NLB:
        try:
            return pair(pattern, TCP, words)
        except SpecError:  # said of HTTP only, and this home carries none
            before, after, _ = pair(pattern, BASE, words)
            return before, after, "listeners.l.protocol"
    return pair(pattern, BASE, words)


def refused_for(path: str, spec: Spec, target: Target) -> bool:
    return any(
        path == p.path or path.startswith(f"{p.path}.") or p.path.startswith(f"{path}.") for p in problems(spec, target)
    )


@pytest.mark.parametrize("pattern", sorted(CHANGES))
@pytest.mark.parametrize(("target", "plan"), PLANS, ids=lambda value: getattr(value, "title", ""))
def test_a_change_shows_in_the_plan_or_is_refused(
    pattern: str, target: Target, plan: Any, monkeypatch: pytest.MonkeyPatch
):  # LB-3
    monkeypatch.setattr(certificates, "read", file_of)
    before, after, path = for_home(pattern, target)
    assert before != after
    if refused_for(path, after, target) or refused_for(path, before, target):
        return
    found = problems(after, target)
    assert not found, f"refused, but not for {path}: {found}"
    assert plan(before) != plan(after), f"{target.title} ignores {path}"


OBEYED_BY_THE_SPEC = {"pools.*.nodes.*.public", "pools.*.preset", "listeners.*.routes.*.priority"}
"""Leaves that only say what else may be said, or in which order the spec puts the others."""


def attributes_read() -> set[str]:
    """Every attribute name that the dataplane's code reads."""
    root = Path(lbkit.dataplane.__file__).parent
    trees = [ast.parse(path.read_text()) for path in root.rglob("*.py") if path.name != "gaps.py"]
    return {node.attr for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


@pytest.mark.parametrize("pattern", sorted(set(CHANGES) - OBEYED_BY_THE_SPEC))
def test_the_dataplane_reads_every_field_that_it_does_not_refuse(pattern: str):  # LB-3
    parts = pattern.split(".")
    refused = any(matches(gap, ".".join(parts[: gap.count(".") + 1])) for gap in GAPS)
    assert refused or parts[-1] in attributes_read(), f"the dataplane ignores {pattern}"


@pytest.mark.parametrize("home", HOMES)
def test_every_gap_names_a_field_that_exists(home: str):
    known = {".".join(leaf.split(".")[:end]) for leaf in leaves() for end in range(1, leaf.count(".") + 2)}
    assert set(gaps_of(home)[1]) <= known
