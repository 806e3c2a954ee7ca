"""How long lbkit itself takes to check and plan a spec of 100 pools with 1,000 nodes, on top of what Pulumi takes."""

from __future__ import annotations

import time
from collections.abc import Callable

from lbkit.dataplane.config import BootConfig
from lbkit.spec import Spec
from lbkit.targets.aws import Alb
from lbkit.targets.aws.translate import plan as aws_plan
from lbkit.targets.base import Target, problems
from lbkit.targets.bigip import Ltm
from lbkit.targets.bigip.translate import plan as bigip_plan
from lbkit.targets.native import Native

POOLS, NODES = 100, 10


def large() -> Spec:
    pools = {
        f"p{i}": {"port": 8000, "nodes": {f"n{j}": {"address": f"10.9.{i}.{j + 1}"} for j in range(NODES)}}
        for i in range(POOLS)
    }
    checked = {name: {**pool, "health_check": {"path": "/h", "interval": 6}} for name, pool in pools.items()}
    routes = {f"r{i}": {"path": f"/p{i}", "pool": f"p{i}", "priority": i} for i in range(1, POOLS)}
    return Spec.load({"pools": checked, "listeners": {"http": {"port": 80, "pool": "p0", "routes": routes}}})


LTM = Ltm(address="192.0.2.80")
ALB = Alb(vpc_id="vpc-0a1b2c3d4e5f60718", subnet_ids=["subnet-0a1b2c3d4e5f60718", "subnet-0f1e2d3c4b5a69788"])
HOMES: list[tuple[Target, Callable[[Spec], object]]] = [
    (ALB, lambda spec: aws_plan(spec, ALB)),
    (LTM, lambda spec: bigip_plan("lb", spec, LTM)),
    (Native(), lambda spec: BootConfig(name="lb", spec=spec).model_dump_json()),
]


def main() -> None:
    began = time.process_time()
    spec = large()
    print(f"{POOLS} pools, {POOLS * NODES} nodes: the spec is read in {time.process_time() - began:.2f} s")
    for home, plan in HOMES:
        began = time.process_time()
        assert not problems(spec, home)
        plan(spec)
        print(f"  {home.title}: checked and planned in {time.process_time() - began:.2f} s")


if __name__ == "__main__":
    main()
