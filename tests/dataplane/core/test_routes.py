"""Which route takes a request: the most specific one that fits, whatever the order of the spec."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbkit.dataplane.core.routes import Routes
from lbkit.spec import Route

ROUTES: dict[str, dict[str, Any]] = {
    "all": {"path": "/"},
    "v1": {"path": "/v1"},
    "v1-models": {"path": "/v1/models"},
    "exact": {"exact": "/v1/models"},
    "posted": {"path": "/v1", "methods": ["POST", "PUT"]},
    "canary": {"path": "/v1", "headers": {"X-Canary": "yes"}},
    "asked": {"path": "/v1", "query": {"model": "a b"}},
    "host": {"host": "api.example.com"},
    "below": {"host": "*.example.com"},
    "host-v1": {"host": "api.example.com", "path": "/v1"},
}
CASES = [
    ("other.net", "/", "GET", {}, "all"),
    ("other.net", "/v1", "GET", {}, "v1"),
    ("other.net", "/v1/", "GET", {}, "v1"),
    ("other.net", "/v1?x=/v1/models", "GET", {}, "v1"),
    ("other.net", "/v1beta", "GET", {}, "all"),
    ("other.net", "/v1/models", "GET", {}, "exact"),
    ("other.net", "/v1/models?limit=1", "GET", {}, "exact"),
    ("other.net", "/v1/models/7", "GET", {}, "v1-models"),
    ("other.net", "/v1/chat", "POST", {}, "posted"),
    ("other.net", "/v1/chat", "GET", {"x-canary": "yes"}, "canary"),
    ("other.net", "/v1/chat", "GET", {"x-canary": "no"}, "v1"),
    ("other.net", "/v1/chat?x=1&model=a%20b", "GET", {}, "asked"),
    ("other.net", "/v1/chat?model=a+b&model=c", "GET", {}, "asked"),
    ("other.net", "/v1/chat?model=a%20bc", "GET", {}, "v1"),
    ("other.net", "/v1/chat?xmodel=a+b", "GET", {}, "v1"),
    ("api.example.com", "/", "GET", {}, "host"),
    ("API.Example.com:8080", "/x", "GET", {}, "host"),
    ("api.example.com", "/v1/models", "GET", {}, "host-v1"),
    ("web.example.com", "/v1/models", "GET", {}, "below"),
    ("a.b.example.com", "/", "GET", {}, "below"),
    ("example.com", "/", "GET", {}, "all"),
    ("[::1]:80", "/", "GET", {}, "all"),
    ("", "/", "GET", {}, "all"),
]


def found(
    routes: dict[str, dict[str, Any]], host: str, target: str, method: str, headers: dict[str, str]
) -> str | None:
    made = {name: Route.load({"pool": f"to-{name}", **route}) for name, route in routes.items()}
    values = {name.encode(): value.encode() for name, value in headers.items()}
    way = Routes(made).find(host.encode(), target.encode(), method.encode(), values.get)
    pool = way.pool() if way else None
    return pool.removeprefix("to-") if pool else None


@pytest.mark.parametrize(("host", "target", "method", "headers", "wanted"), CASES)
def test_the_most_specific_route_wins(host: str, target: str, method: str, headers: dict[str, str], wanted: str):
    assert found(ROUTES, host, target, method, headers) == wanted


@given(st.permutations(list(ROUTES)), st.sampled_from(CASES))
def test_the_order_of_the_spec_does_not_matter(order: list[str], case: Any):
    *request, wanted = case
    assert found({name: ROUTES[name] for name in order}, *request) == wanted


def test_priority_decides_among_equally_specific_routes_then_the_name():
    same: list[dict[str, Any]] = [
        {"path": "/a"},
        {"path": "/a"},
        {"path": "/a", "priority": 5},
        {"path": "/a", "priority": 9},
    ]
    for numbers in itertools.permutations(range(4)):
        routes = {f"r{n}": same[n] for n in numbers}
        assert found(routes, "h", "/a", "GET", {}) == "r3"
        del routes["r3"]
        assert found(routes, "h", "/a", "GET", {}) == "r2"
        del routes["r2"]
        assert found(routes, "h", "/a", "GET", {}) == "r0"


def test_nothing_fits():
    assert found({"v1": {"path": "/v1"}}, "h", "/v2", "GET", {}) is None


def test_a_server_name_is_looked_up_without_case():
    made = {"a": Route(host="a.example", pool="p"), "b": Route(host="*.b.example", pool="q")}
    routes = Routes(made)
    names = {
        name: way.pool() for name in ("A.example", "x.B.example", "b.example", "c") if (way := routes.by_name(name))
    }
    assert names == {"A.example": "p", "x.B.example": "q"}


def test_pools_of_a_route_get_their_shares_smoothly():
    routes = Routes({"r": Route.load({"path": "/", "pools": {"old": 3, "new": 1, "none": 0}})})
    picked = []
    for _ in range(8):
        way = routes.find(b"h", b"/x", b"GET", lambda name: None)
        assert way
        picked.append(way.pool())
    assert picked == ["old", "old", "new", "old"] * 2
