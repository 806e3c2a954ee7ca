"""How long lbkit itself takes for a spec of 100 pools with 1,000 nodes, on top of what Pulumi takes.

Each home's whole component runs under Pulumi's mocks: check, plan, every resource. Then the same resources are registered
again without lbkit: the same calls of the SDK, one after the other. The difference is ours.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from operator import attrgetter
from typing import Any
from unittest.mock import patch

import pulumi
import pulumi_aws as aws
import yaml
from pulumi.runtime import mocks

from lbkit import LoadBalancer
from lbkit.load import LOADER
from lbkit.spec import Spec
from lbkit.targets.aws import Alb
from lbkit.targets.aws.translate import plan as aws_plan
from lbkit.targets.base import Target
from lbkit.targets.bigip import Ltm, ltm
from lbkit.targets.native import Native, local

POOLS, NODES = 100, 10
MOST = 2.0
"""Seconds that may be ours."""
PLACE: dict[str, Any] = {
    "vpc_id": "vpc-0a1b2c3d4e5f60718",
    "subnet_ids": ["subnet-0a1b2c3d4e5f60718", "subnet-0f1e2d3c4b5a69788"],
    "check_placement": False,
}
HOMES: list[Target] = [Alb(**PLACE), Ltm(address="192.0.2.80"), Native()]
_QUIET = logging.Logger("bench")
_QUIET.addHandler(logging.NullHandler())


def data(pools: int) -> dict[str, Any]:
    members = {
        f"p{i}": {
            "port": 8000,
            "health_check": {"path": "/h", "interval": 6},
            "nodes": {f"n{j}": {"address": f"10.9.{i}.{j + 1}"} for j in range(NODES)},
        }
        for i in range(pools)
    }
    routes = {f"r{i}": {"path": f"/p{i}", "pool": f"p{i}", "priority": i} for i in range(1, pools)}
    return {"pools": members, "listeners": {"http": {"port": 80, "pool": "p0", "routes": routes}}}


class Cloud(mocks.Mocks):
    """Every resource is what it was asked to be."""

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[Any, Any], None]:
        return {}, None

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[Any, Any]]:
        known = {"arn": f"arn:{args.name}", "dnsName": args.name, "state": "/run/x", "name": args.name}
        return f"{args.name}-id", {**known, "arnSuffix": args.name, "latestVersion": 1, **args.inputs}


Call = Callable[[], Any]


def noting(calls: list[Call]) -> ExitStack:
    """Every resource that a home makes is noted, while this is open."""
    stack = ExitStack()
    kinds = {item.kind for item in aws_plan(Spec.load(data(2)), HOMES[0], "lb").values()}  # type: ignore[arg-type]
    classes = {attrgetter(kind)(aws) for kind in kinds} | {*ltm._CLASSES.values(), local.Process}
    for cls in classes:
        stack.enter_context(patch.object(cls, "__init__", _noted(cls, calls)))
    return stack


def _noted(cls: type, calls: list[Call]) -> Callable[..., None]:
    before: Any = cls.__init__  # type: ignore[misc]

    def init(made: Any, *arguments: Any, **named: Any) -> None:
        calls.append(partial(cls, *arguments, **named))
        before(made, *arguments, **named)

    return init


def run(program: Call) -> float:
    """Seconds of this process."""
    mocks.set_mocks(Cloud(), preview=False, logger=_QUIET)
    gc.collect()
    gc.disable()  # else each run pays for what those before it left
    began = time.process_time()
    pulumi.runtime.test(program)()  # type: ignore[no-untyped-call]
    spent = time.process_time() - began
    gc.enable()
    return spent


def measured(home: Target, spec: dict[str, Any]) -> tuple[float, float, int]:
    """Seconds with lbkit and without, and how many resources there are."""
    calls: list[Call] = []
    with noting(calls):
        ours = run(lambda: LoadBalancer("lb", Spec.load(spec), home))
    component: Call = partial(pulumi.ComponentResource, "lbkit:index:LoadBalancer", "lb", {"spec": spec})
    theirs = run(lambda: [call() for call in [component, *calls]])
    return ours, theirs, len(calls)


def reading() -> None:
    """YAML into a spec, as `lbkit check` does."""
    text = yaml.safe_dump(data(POOLS))
    began = time.process_time()
    Spec.load(yaml.load(text, LOADER))
    print(f"  read from {len(text) / 1e6:.2f} MB of YAML in {time.process_time() - began:.2f} s ({LOADER.__name__})")


def main() -> int:
    asyncio.set_event_loop(asyncio.new_event_loop())
    large, worst = data(POOLS), 0.0
    print(f"{POOLS} pools, {POOLS * NODES} nodes:")
    reading()
    for home in HOMES:
        measured(home, data(2))  # the SDKs are imported here
        ours, theirs, count = measured(home, json.loads(json.dumps(large)))
        worst = max(worst, ours - theirs)
        print(
            f"  {home.title}: {count} resources in {ours:.2f} s, without lbkit in {theirs:.2f} s: {ours - theirs:.2f} s are ours"
        )
    print(f"  at most {MOST:g} s may be: {'ok' if worst <= MOST else 'too slow'}")
    return int(worst > MOST)


if __name__ == "__main__":
    raise SystemExit(main())
