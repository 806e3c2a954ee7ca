"""How long lbkit itself takes to check and plan a spec of 100 pools with 1,000 nodes, on top of what Pulumi takes."""

from __future__ import annotations

import time

from lbkit.spec import Spec
from lbkit.targets.base import problems
from lbkit.targets.bigip import Ltm
from lbkit.targets.bigip.translate import plan

POOLS, NODES = 100, 10


def large() -> Spec:
    pools = {
        f"p{i}": {"port": 8000, "nodes": {f"n{j}": {"address": f"10.9.{i}.{j + 1}"} for j in range(NODES)}}
        for i in range(POOLS)
    }
    checked = {name: {**pool, "health_check": {"path": "/h", "interval": 6}} for name, pool in pools.items()}
    routes = {f"r{i}": {"path": f"/p{i}", "pool": f"p{i}"} for i in range(1, POOLS)}
    return Spec.load({"pools": checked, "listeners": {"http": {"port": 80, "pool": "p0", "routes": routes}}})


def main() -> None:
    spec, home = large(), Ltm(address="192.0.2.80")
    began = time.process_time()
    assert not problems(spec, home)
    made = plan("lb", spec, home)
    spent = time.process_time() - began
    objects = sum(map(len, made.values()))
    print(f"{home.title}: {POOLS} pools, {POOLS * NODES} nodes: {objects} objects planned in {spent:.2f} s")


if __name__ == "__main__":
    main()
