"""What a Network Load Balancer refuses, or would mean otherwise, for reasons that lie in several fields."""

from __future__ import annotations

from collections.abc import Iterator

from lbkit.errors import Problem
from lbkit.spec import Pool, Spec
from lbkit.spec.base import shown
from lbkit.targets.aws import rules

ALGORITHM = "NLB spreads connections by a hash of addresses and ports; it knows no such algorithm."


def problems(spec: Spec) -> Iterator[Problem]:
    """Everything that fails at AWS, or would mean something else there."""
    for name, pool in spec.pools.items():
        at = f"pools.{name}"
        yield from rules.health(at, pool)
        yield from rules.codes(at, pool, 200, 599)
        yield from rules.nodes(at, pool)
        yield from rules.machines(at, pool)
        yield from _pool(at, pool)


def _pool(at: str, pool: Pool) -> Iterator[Problem]:
    if "algorithm" in pool.model_fields_set and pool.algorithm == "round_robin":
        remedy = "Leave it out, or use source_hash."
        yield Problem(f"{at}.algorithm", ALGORITHM, remedy, shown(pool.algorithm))
    if pool.fleet and pool.fleet.min != pool.fleet.max:
        yield Problem(f"{at}.fleet", "NLB counts no connections per pool, so nothing could scale this fleet.",
                      "Make `min` and `max` equal, or use Alb.", f"{pool.fleet.min} to {pool.fleet.max}")  # fmt: skip


def notes(spec: Spec) -> Iterator[str]:
    """What differs from defaults that nobody set."""
    for name, pool in spec.pools.items():
        if pool.algorithm == "round_robin":
            yield f"pools.{name}.algorithm: NLB spreads connections by a hash of addresses and ports, not in turn."
        if pool.algorithm == "source_hash":
            yield f"pools.{name}.algorithm: NLB keeps a table of clients; a node that leaves moves only its own."
        yield f"pools.{name}: NLB decides by itself how long it waits for a node and what it tries again."


def warnings(spec: Spec) -> Iterator[str]:
    """Legal but dangerous choices."""
    yield from rules.warnings(spec)
