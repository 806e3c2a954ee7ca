"""Every argument of every plan is a word of the provider's: its SDK lets a misspelled one inside a dict pass."""

from __future__ import annotations

import importlib
import inspect
import re
from typing import Any

import pulumi_aws as aws
import pytest

from tests.targets.aws.house import planned
from tests.targets.aws.test_features import FEATURES


def unknown(kind: str, args: dict[str, Any]) -> list[str]:
    """Paths of arguments that the SDK has no name for."""
    module, _, cls = kind.partition(".")
    found = inspect.signature(getattr(getattr(aws, module), cls)._internal_init).parameters
    inputs = importlib.import_module(f"pulumi_aws.{module}._inputs")
    return [
        path
        for name, value in args.items()
        for path in _below(name, value, {k: p.annotation for k, p in found.items()}, inputs)
    ]


def _below(name: str, value: Any, known: dict[str, Any], inputs: Any) -> list[str]:
    if name not in known:
        return [name]
    named = re.search(r"(\w+ArgsDict)", str(known[name]))
    items = value if isinstance(value, list) else [value]
    if not named or not all(isinstance(item, dict) for item in items):
        return []
    fields = getattr(inputs, named[1]).__annotations__
    return [
        f"{name}.{path}" for item in items for key, inner in item.items() for path in _below(key, inner, fields, inputs)
    ]


@pytest.mark.parametrize("feature", FEATURES)
def test_every_argument_is_known_to_the_provider(feature: str):
    changes, home = FEATURES[feature]
    plan = planned(changes, home.model_copy(update={"tags": {"team": "ml"}}))
    for label, item in plan.items():
        assert unknown(item.kind, item.args) == [], label
    assert [label for label, item in plan.items() if "tags" in item.args]


def test_a_misspelled_argument_is_seen():
    assert unknown("lb.TargetGroup", {"health_check": {"healthy_treshold": 3}}) == ["health_check.healthy_treshold"]
    assert unknown("autoscaling.Policy", {"target_tracking_configuration": {
        "customized_metric_specification": {"metrics": [{"metric_stat": {"metric": {"nam": 1}}}]}}})  # fmt: skip
