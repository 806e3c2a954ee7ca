"""LB-3 for the placement: change any of its fields, and the plan changes or the target answers otherwise."""

from __future__ import annotations

from typing import Any

import pytest

from lbkit.targets.base import problems
from lbkit.targets.bigip import Device, Ltm, Pair
from tests.targets.bigip.house import program, spec
from tests.targets.bigip.test_plans import DEVICES

ADDRESS = "10.1.0.10"
ACCOUNT: dict[str, Any] = {"address": "192.0.2.10", "user": "admin", "password": "hunter2-secret"}
PAIR: dict[str, Any] = {"devices": DEVICES, "talk_to": "a", "group": "both"}
OF_LTM: dict[str, Any] = {
    "address": "10.1.0.11",
    "device": Device(**ACCOUNT),
    "partition": "Team",
    "snat": "none",
    "traffic_group": None,
    "websocket": True,
    "save": False,
}
JUDGES_ONLY = {"tmms"}
"""What no object holds; its test is below."""
OF_DEVICE: dict[str, Any] = {
    "address": "192.0.2.11",
    "user": "operator",
    "login": "radius",
    "ca": "/etc/ca.pem",
}
SECRET = {"password", "token"}
"""What a plan must not show; their tests are those of the secrets."""
OF_PAIR: dict[str, Any] = {
    "devices": {**DEVICES, "a": Device(**{**ACCOUNT, "address": "192.0.2.99"})},
    "talk_to": "b",
    "group": "others",
}


def plan(**placement: Any) -> dict[str, Any]:
    return program(ltm=Ltm(**{"address": ADDRESS, **placement})).resources


def test_every_field_is_under_the_law():
    assert set(Ltm.model_fields) == set(OF_LTM) | JUDGES_ONLY
    assert set(Device.model_fields) == set(OF_DEVICE) | SECRET
    assert set(Pair.model_fields) == set(OF_PAIR)


@pytest.mark.parametrize("field", OF_LTM)
def test_a_field_of_the_placement_changes_the_plan(field: str):  # LB-3
    assert plan() != plan(**{field: OF_LTM[field]})


def test_the_number_of_processes_decides_which_limits_can_be():  # LB-3
    wanted = spec({"pools.p.limits": {"hard": 6}})
    assert [bool(problems(wanted, Ltm(address=ADDRESS, tmms=number))) for number in (2, 4)] == [False, True]


@pytest.mark.parametrize("field", OF_DEVICE)
def test_a_field_of_the_device_changes_its_provider(field: str, monkeypatch: pytest.MonkeyPatch):  # LB-3
    monkeypatch.setattr("lbkit.targets.bigip.placement.read", lambda path: None)
    assert plan(device=Device(**ACCOUNT)) != plan(device=Device(**{**ACCOUNT, field: OF_DEVICE[field]}))


@pytest.mark.parametrize("field", OF_PAIR)
def test_a_field_of_the_pair_changes_the_plan(field: str):  # LB-3
    assert plan(device=Pair(**PAIR)) != plan(device=Pair(**{**PAIR, field: OF_PAIR[field]}))
