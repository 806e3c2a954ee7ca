"""Routes as an ALB's rules: their conditions, and numbers that stay put.

An ALB tries its rules by number alone; a spec's most specific route wins. So a route without a `priority` gets a number
from its own words: the range says how specific it is, and its name a place inside. No other route moves it. Where two
numbers are equal, or two routes that overlap would be tried in the wrong order, the user is asked for priorities.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import combinations, pairwise
from typing import Any

from lbkit.errors import Problem
from lbkit.spec import Listener, Route
from lbkit.spec.listener import precedence

LAST = 50_000
"""AWS's highest number."""
_COMMON, _RARE = 1300, 70
"""Numbers for each combination of host and path: without further conditions, and for each kind of those."""
_EXTRAS = 6


def numbers(listener: Listener) -> dict[str, int]:
    """By route: the rule's number, the first one tried first."""
    return {name: LAST + 1 - route.priority if route.priority else _own(name, route)
            for name, route in listener.routes.items()}  # fmt: skip


def _own(name: str, route: Route) -> int:
    place = _host_class(route) * 6 + _path_class(route)
    conditions = min(2, len(route.headers) + len(route.query))
    extra = (0 if route.methods else 3) + 2 - conditions
    whole = _COMMON + _RARE * (_EXTRAS - 1)
    width = _COMMON if extra == _EXTRAS - 1 else _RARE
    digest = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])
    return 1 + place * whole + extra * _RARE + digest % width


def _host_class(route: Route) -> int:
    if route.host is None:
        return 4
    return min(3, max(1, 6 - len(route.host.split(".")))) if route.host.startswith("*.") else 0


def _path_class(route: Route) -> int:
    return 0 if route.exact else 5 - min(4, len([part for part in (route.path or "").split("/") if part]))


def conditions(route: Route) -> list[dict[str, Any]]:
    """One block for each condition; all must hold."""
    found: list[dict[str, Any]] = []
    if route.host:
        found.append({"host_header": {"values": [route.host]}})
    if route.exact or route.path:
        found.append({"path_pattern": {"values": path_values(route)}})
    if route.methods:
        found.append({"http_request_method": {"values": list(route.methods)}})
    for name, value in route.headers.items():
        found.append({"http_header": {"http_header_name": name, "values": [value]}})
    for name, value in route.query.items():
        found.append({"query_strings": [{"key": _literal(name), "value": _literal(value)}]})
    return found


def path_values(route: Route) -> list[str]:
    """Whole path segments are two patterns: the prefix itself, and all below it."""
    if route.exact:
        return [route.exact]
    prefix = (route.path or "").rstrip("/")
    return [prefix, f"{prefix}/*"] if prefix else ["/*"]


def _literal(text: str) -> str:
    return "".join(f"\\{mark}" if mark in "*?\\" else mark for mark in text)


def evaluations(route: Route) -> int:
    """Values that AWS counts in one rule; it takes five."""
    paths = len(path_values(route)) if route.exact or route.path else 0
    return bool(route.host) + paths + len(route.methods) + len(route.headers) + len(route.query)


def misnumbered(at: str, listener: Listener) -> Iterator[Problem]:
    """Routes that would share a number, or be tried in another order than the spec's."""
    found = numbers(listener)
    ordered = sorted(listener.routes, key=lambda name: precedence(name, listener.routes[name]))
    for first, second in pairwise(sorted(ordered, key=found.__getitem__)):
        if found[first] == found[second]:
            yield Problem(f"{at}.{second}.priority", f"AWS numbers rules, and '{first}' would have the number {found[first]} too.",
                          "Give one of them a priority of its own.")  # fmt: skip
    for first, second in combinations(ordered, 2):
        a, b = listener.routes[first], listener.routes[second]
        if found[first] > found[second] and overlap(a, b):
            yield Problem(f"{at}.{first}.priority", f"AWS tries rules by number alone, and '{second}' would be tried before this one.",
                          "Give both a priority; the higher to this one.")  # fmt: skip


def repeating(at: str, listener: Listener) -> Iterator[str]:
    """The first two routes that only a request with a header or query key twice fits, where AWS's order is not the spec's."""
    found = numbers(listener)
    some = [name for name, route in listener.routes.items() if route.headers or route.query]
    ordered = sorted(some, key=lambda name: precedence(name, listener.routes[name]))
    for first, second in combinations(ordered, 2):
        a, b = listener.routes[first], listener.routes[second]
        if found[first] > found[second] and _meet(a, b) and not overlap(a, b):
            yield (f"{at}.{first}: a request that repeats a header or query key can fit '{second}' too, and AWS tries that one "
                   "first. Where this matters, give both a priority, the higher to this one.")  # fmt: skip
            return


def overlap(a: Route, b: Route) -> bool:
    """Whether one request can fit both that has each header and query key once."""
    return _meet(a, b) and _agree(a.headers, b.headers) and _agree(a.query, b.query)


def _meet(a: Route, b: Route) -> bool:
    """Whether host, path and method can be the same."""
    return _hosts(a.host, b.host) and _paths(a, b) and not (a.methods and b.methods and not {*a.methods} & {*b.methods})


def _hosts(a: str | None, b: str | None) -> bool:
    if a is None or b is None or a == b:
        return True
    below = [host[1:] for host in (a, b) if host.startswith("*.")]
    return any(other.removeprefix("*").endswith(end) for end in below for other in (a, b) if other != f"*{end}")


def _paths(a: Route, b: Route) -> bool:
    if a.exact and b.exact:
        return a.exact == b.exact
    first, second = (item.exact or (item.path or "").rstrip("/") for item in (a, b))
    if a.exact or b.exact:
        prefix, whole = (second, first) if a.exact else (first, second)
        return f"{whole}/".startswith(f"{prefix}/")
    return f"{first}/".startswith(f"{second}/") or f"{second}/".startswith(f"{first}/")


def _agree(a: dict[str, str], b: dict[str, str]) -> bool:
    """As AWS compares headers and queries: without regard to case."""
    first, second = ({name.lower(): value.lower() for name, value in item.items()} for item in (a, b))
    return all(second.get(name, value) == value for name, value in first.items())
