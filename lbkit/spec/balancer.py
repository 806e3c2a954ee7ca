"""The whole spec: pools and listeners, and that they fit together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

from pydantic import Field, model_validator

from lbkit.errors import Problem
from lbkit.spec.base import Model, wrong
from lbkit.spec.listener import Listener
from lbkit.spec.pool import Pool
from lbkit.spec.values import Name


class Spec(Model):
    """What a load balancer is, wherever it runs."""

    pools: dict[Name, Pool] = Field(min_length=1)
    """Groups of nodes, keyed by the names you choose."""
    listeners: dict[Name, Listener] = Field(min_length=1)
    """Ports of the balancer, keyed by the names you choose."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        problems = [*_ports(self), *_references(self), *_unused(self)]
        if problems:
            raise wrong(*problems)
        return self


def uses(listener: Listener) -> Iterator[tuple[str, str]]:
    """(path inside the listener, pool name) of every pool a listener leads to."""
    if listener.pool:
        yield "pool", listener.pool
    for name, route in listener.routes.items():
        if route.pool:
            yield f"routes.{name}.pool", route.pool
        for pool in route.pools:
            yield f"routes.{name}.pools.{pool}", pool


def _ports(spec: Spec) -> Iterator[Problem]:
    before: list[tuple[str, Listener]] = []
    for name, listener in spec.listeners.items():
        other = next((known for known, item in before if _collide(item, listener)), None)
        before.append((name, listener))
        if other is not None:
            yield Problem(
                f"listeners.{name}.port",
                f"Listener '{other}' has this port already.",
                "Choose another.",
                str(listener.port),
            )


def _collide(one: Listener, other: Listener) -> bool:
    if one.port != other.port:
        return False
    here, there = one.address, other.address
    if here is None or there is None or here == there:
        return True
    return (":" in here) == (":" in there) and any(item in ("0.0.0.0", "::") for item in (here, there))


def _references(spec: Spec) -> Iterator[Problem]:
    for name, listener in spec.listeners.items():
        for path, pool in uses(listener):
            at = f"listeners.{name}.{path}"
            if pool not in spec.pools:
                yield Problem(at, "There is no such pool.", f"Pools are: {', '.join(spec.pools)}.", repr(pool))
            elif (listener.protocol in ("http", "https")) != (spec.pools[pool].protocol != "tcp"):
                yield Problem(
                    at, f"A listener with protocol {listener.protocol} can't lead to a pool that speaks {spec.pools[pool].protocol}.",
                    "HTTP listeners lead to http and https pools, tcp and tls listeners to tcp pools.", repr(pool),
                )  # fmt: skip


def _unused(spec: Spec) -> Iterator[Problem]:
    used = {pool for listener in spec.listeners.values() for _, pool in uses(listener)}
    for name in spec.pools:
        if name not in used:
            yield Problem(
                f"pools.{name}", "No listener uses this pool.", f"Name it in a listener (pool='{name}'), or remove it."
            )
