"""What a BIG-IP refuses for reasons that lie in several fields of the spec."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from lbkit.errors import Problem
from lbkit.spec import Listener, Pool, Spec
from lbkit.spec.balancer import uses
from lbkit.spec.base import shown
from lbkit.targets.bigip.certificates import misnamed
from lbkit.targets.bigip.gaps import DAY
from lbkit.targets.bigip.health import down_after, up_after

_SHARED: dict[str, Callable[[Pool], Any]] = {
    "protocol": lambda pool: pool.protocol,
    "tls": lambda pool: pool.tls,
    "timeouts.idle": lambda pool: pool.timeouts.idle,
    "timeouts.keep_alive": lambda pool: pool.timeouts.keep_alive,
}
"""What stands on the virtual server: all pools behind it have the same."""


def problems(spec: Spec) -> Iterator[Problem]:
    for name, pool in spec.pools.items():
        at = f"pools.{name}"
        yield from _health(at, pool)
        yield from _hashed(at, pool)
        yield from _connects(at, pool)
        yield from _verified(at, pool)
    for name, listener in spec.listeners.items():
        yield from _passed_on(f"listeners.{name}", listener)
        yield from _answers(f"listeners.{name}", listener)
        yield from _asked(f"listeners.{name}", listener)
        yield from _agree(f"listeners.{name}", listener, spec)
    yield from misnamed(spec)


def _health(at: str, pool: Pool) -> Iterator[Problem]:
    check = pool.health_check
    if check is None:
        return
    if "timeout" in check.model_fields_set and check.timeout < check.interval:
        yield Problem(f"{at}.health_check.timeout", "A BIG-IP has no time limit for one probe, only the time until a node is down.",
                      "Leave it out, or make it equal to `interval`; `fall` misses take a node out.", shown(check.timeout))  # fmt: skip
    for field, seconds in (("fall", down_after(check)), ("rise", up_after(check))):
        if seconds > DAY:
            yield Problem(f"{at}.health_check.{field}", f"Counts are times on a BIG-IP, and this one would be {seconds} s.",
                          "At most a day: lower it, or `interval`.", shown(getattr(check, field)))  # fmt: skip
    for name, value in check.headers.items():
        if value.startswith("file:/"):
            yield Problem(
                f"{at}.health_check.headers.{name}",
                "A BIG-IP's probe reads no file.",
                "Let the path answer without it.",
            )
    if check.body and not _plain(check.body):
        yield Problem(
            f"{at}.health_check.body",
            "A BIG-IP looks for printable ASCII only.",
            "Choose a part that is.",
            shown(check.body),
        )


def _hashed(at: str, pool: Pool) -> Iterator[Problem]:
    if pool.algorithm != "source_hash":
        return
    if pool.sticky:
        yield Problem(
            f"{at}.sticky", "A BIG-IP hashes by a persistence profile, and cookies are another one.", "Leave one out."
        )
    for name, node in pool.nodes.items():
        if node.weight != next(iter(pool.nodes.values())).weight:
            yield Problem(f"{at}.nodes.{name}.weight", "A BIG-IP's hash does not see weights.",
                          "Give all nodes the same, or use another algorithm.", shown(node.weight))  # fmt: skip
        if node.backup:
            yield Problem(f"{at}.nodes.{name}.backup", "A BIG-IP's hash does not keep backup nodes apart.",
                          "Use another algorithm, or leave it out.", "true")  # fmt: skip


def _connects(at: str, pool: Pool) -> Iterator[Problem]:
    connect = pool.timeouts.connect
    if pool.protocol != "tcp":
        if "connect" in pool.timeouts.model_fields_set:
            yield Problem(f"{at}.timeouts.connect", "The provider does not expose how often a full proxy tries to connect.",
                          "Leave it out; a TCP pool has it.", shown(connect))  # fmt: skip
    elif not (connect >= 1 and float(connect).is_integer()):
        yield Problem(
            f"{at}.timeouts.connect",
            "A BIG-IP counts whole seconds.",
            "A whole number from 1 to 86400.",
            shown(connect),
        )


def _verified(at: str, pool: Pool) -> Iterator[Problem]:
    if pool.protocol == "https" and not (pool.tls and (pool.tls.ca or not pool.tls.verify)):
        yield Problem(f"{at}.tls.ca", "The provider can't make a BIG-IP check the name in a node's certificate, so with public "
                      "authorities any certificate at all would do.",
                      "Name an authority of your own for the nodes, or say tls=NodeTls(verify=False).")  # fmt: skip


def _passed_on(at: str, listener: Listener) -> Iterator[Problem]:
    if listener.protocol == "tls" and listener.routes:
        yield Problem(f"{at}.routes", "A fast L4 virtual server does not look into TLS.",
                      "Use an address for each name, or protocol https.", shown(listener.routes))  # fmt: skip


def _answers(at: str, listener: Listener) -> Iterator[Problem]:
    for name, route in listener.routes.items():
        if route.answer and not _plain(route.answer.body.replace("\n", "").replace("\r", "").replace("\t", "")):
            yield Problem(f"{at}.routes.{name}.answer.body", "A rule of a BIG-IP holds ASCII text only.",
                          "Write it without other characters.", shown(route.answer.body))  # fmt: skip


def _asked(at: str, listener: Listener) -> Iterator[Problem]:
    """A rule compares a query as it was sent, so only what is never encoded compares well."""
    for name, route in listener.routes.items():
        for field, value in route.query.items():
            if not re.fullmatch(r"[A-Za-z0-9._~-]+", field + value):
                yield Problem(f"{at}.routes.{name}.query", "A BIG-IP compares a query as it was sent, encoded in one way or another.",
                              "Use letters, digits and . _ ~ - only.", shown(f"{field}={value}"))  # fmt: skip


def _agree(at: str, listener: Listener, spec: Spec) -> Iterator[Problem]:
    found = list(dict.fromkeys(key for _, key in uses(listener)))
    if len(found) < 2:
        return
    first, *others = ((key, spec.pools[key]) for key in found)
    for key, pool in others:
        for field, value in _SHARED.items():
            if value(pool) != value(first[1]):
                yield Problem(f"pools.{key}.{field}",
                              f"Pool '{first[0]}' is behind the same listener ({at}) and differs; a virtual server has this once.",
                              "Make them equal, or use two listeners.", shown(value(pool)))  # fmt: skip
    for key, pool in (first, *others):
        if pool.sticky or pool.algorithm == "source_hash":
            yield Problem(f"pools.{key}.{'sticky' if pool.sticky else 'algorithm'}",
                          f"Persistence belongs to the virtual server, and {at} has several pools.",
                          "Use a listener for this pool alone.")  # fmt: skip


def _plain(text: str) -> bool:
    return text.isascii() and text.isprintable()
