"""A spec for the tests of this room, a placement, and a device to put it on."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pulumi

from lbkit import LoadBalancer, Spec
from lbkit.targets.bigip import Ltm
from tests.laws.leaves import put
from tests.mocks import Registered, registered
from tests.targets.bigip.double.device import Device
from tests.targets.bigip.double.engine import Engine
from tests.targets.bigip.double.provider import Provider
from tests.targets.bigip.double.server import serving

LTM = Ltm(address="10.1.0.10", tmms=4)
Q = {"port": 9000, "health_check": {"path": "/up"}, "nodes": {"z": {"address": "10.0.1.1"}}}
BASE: dict[str, Any] = {
    "pools": {
        "p": {
            "port": 8000,
            "health_check": {"path": "/health"},
            "nodes": {"a": {"address": "10.0.0.1"}, "b": {"address": "10.0.0.2"}},
        }
    },
    "listeners": {"l": {"port": 80, "pool": "p"}},
}


def data(changes: dict[str, Any] | None = None) -> dict[str, Any]:
    """The base with changes by path; None takes an entry away, or stands in a field."""
    found = copy.deepcopy(BASE)
    for path, value in (changes or {}).items():
        *parents, last = path.split(".")
        put(found, path, copy.deepcopy(value))
        if value is None and parents[-1] not in ("pools", "nodes", "listeners", "routes"):
            put(found, ".".join(parents), {**_at(found, parents), last: None})
    return found


def _at(found: Any, parents: list[str]) -> Any:
    for part in parents:
        found = found[part]
    return found


def spec(changes: dict[str, Any] | None = None) -> Spec:
    return Spec.load(data(changes))


def program(
    changes: dict[str, Any] | None = None, ltm: Ltm = LTM, name: str = "lb", preview: bool = False, **late: Any
) -> Registered:
    """What a program with this balancer registers."""

    def run() -> None:
        wanted = data(changes)
        for path, value in late.items():
            put(wanted, path.replace("__", "."), pulumi.Output.from_input(value))
        LoadBalancer(name, Spec.load(wanted), ltm)

    return registered(run, preview=preview)


@contextmanager
def device(folder: Path, **known: Any) -> Iterator[tuple[Device, Engine]]:
    """A device over HTTPS, and an engine with nothing on it yet."""
    made = Device(**known)
    with serving(made, folder) as (address, certificate):
        yield made, Engine(Provider(address, *made.account, certificate))
