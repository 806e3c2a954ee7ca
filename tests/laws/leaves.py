"""Every leaf of the spec's schema, with a change of it: what else must be there, and another valid value.

A new field fails the laws until it stands here, and then until every target renders or refuses it.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from lbkit.spec import Spec
from lbkit.spec.base import join, model_in

NODES = "pools.p.nodes"
FLEET: dict[str, Any] = {
    "pools.p.nodes": {},
    "pools.p.fleet": {"image": "ami-0a1b2c3d4e5f60718", "size": "t3.small", "max": 3},
    "pools.p.limits": {"soft": 4},
}
HTTPS = {"pools.p.protocol": "https"}
QUEUE = {"pools.p.limits": {"hard": 4, "queue": {}}}
STANDBY = {f"{NODES}.b.standby": True, "pools.p.limits": {"soft": 4}}
TLS = {"listeners.l.protocol": "https", "listeners.l.tls": {"default": {"certificate": "/a.pem"}}}
NAMED = {**TLS, "listeners.l.tls": {"default": {"certificate": "/a.pem"}, "names": {"x": {"certificate": "/b.pem"}}}}
ROUTE = {"listeners.l.routes": {"r": {"host": "a.example", "pool": "p"}}}
ROUTES = {"listeners.l.routes": {"q": {"host": "b.example", "pool": "p"}, "r": {"host": "a.example", "pool": "p"}}}
REDIRECT = {"listeners.l.pool": None, "listeners.l.redirect": {"scheme": "https", "status": 301}}
OTHER = {"pools.q": {"port": 9000, "health_check": {"path": "/up"}, "nodes": {"z": {"address": "10.0.1.1"}}}}
ROUTED_AWAY = {"listeners.l.routes": {"r": {"host": "a.example", "redirect": {"scheme": "https", "status": 301}}}}
ANSWERED = {"listeners.l.routes": {"r": {"host": "a.example", "answer": {"status": 200}}}}

CHANGES: dict[str, tuple[dict[str, Any], Any]] = {
    "pools.*.port": ({}, 8001),
    "pools.*.protocol": ({}, "https"),
    "pools.*.algorithm": ({}, "least_connections"),
    "pools.*.nodes.*.address": ({}, "10.0.0.77"),
    "pools.*.nodes.*.instance": (
        {f"{NODES}.a": {"instance": "i-0a1b2c3d4e5f60718"}, f"{NODES}.b": {"instance": "i-0f1e2d3c4b5a69788"}},
        "i-0b1c2d3e4f5a69788",
    ),
    "pools.*.nodes.*.port": ({}, 8005),
    "pools.*.nodes.*.weight": ({}, 3),
    "pools.*.nodes.*.standby": ({"pools.p.limits": {"soft": 4}}, True),
    "pools.*.nodes.*.backup": ({}, True),
    "pools.*.nodes.*.admin_state": ({}, "drain"),
    "pools.*.nodes.*.public": ({}, True),
    "pools.*.fleet.image": (FLEET, "ami-0f0e0d0c0b0a09080"),
    "pools.*.fleet.size": (FLEET, "g5.xlarge"),
    "pools.*.fleet.fallbacks": (FLEET, ["t3.medium"]),
    "pools.*.fleet.spot": (FLEET, 50),
    "pools.*.fleet.on_demand": ({**FLEET, "pools.p.fleet": {**FLEET["pools.p.fleet"], "spot": 50}}, 1),
    "pools.*.fleet.warm": (FLEET, 1),
    "pools.*.fleet.rollout": (FLEET, 90),
    "pools.*.fleet.min": (FLEET, 2),
    "pools.*.fleet.max": (FLEET, 5),
    "pools.*.fleet.desired": (FLEET, 2),
    "pools.*.fleet.grace": (FLEET, 60),
    "pools.*.fleet.disk": (FLEET, 100),
    "pools.*.fleet.user_data": (FLEET, "#!/bin/sh"),
    "pools.*.limits.soft": ({}, 4),
    "pools.*.limits.hard": ({}, 4),
    "pools.*.limits.queue.size": (QUEUE, 7),
    "pools.*.limits.queue.timeout": (QUEUE, 7),
    "pools.*.health_check.path": ({}, "/other"),
    "pools.*.health_check.protocol": ({}, "https"),
    "pools.*.health_check.port": ({}, 9001),
    "pools.*.health_check.interval": ({}, 10),
    "pools.*.health_check.timeout": ({}, 2),
    "pools.*.health_check.rise": ({}, 4),
    "pools.*.health_check.fall": ({}, 4),
    "pools.*.health_check.codes": ({}, "200"),
    "pools.*.health_check.method": ({}, "HEAD"),
    "pools.*.health_check.host": ({}, "a.example"),
    "pools.*.health_check.headers": ({}, {"X-A": "b"}),
    "pools.*.health_check.body": ({}, "ok"),
    "pools.*.passive_check.errors": ({"pools.p.passive_check": {}}, 9),
    "pools.*.passive_check.codes": ({"pools.p.passive_check": {}}, "500"),
    "pools.*.passive_check.eject": ({"pools.p.passive_check": {}}, 9),
    "pools.*.timeouts.connect": ({}, 2),
    "pools.*.timeouts.first_byte": ({}, 2),
    "pools.*.timeouts.idle": ({}, 20),
    "pools.*.timeouts.total": ({}, 20),
    "pools.*.timeouts.keep_alive": ({}, 2),
    "pools.*.codes.overflow": ({}, 429),
    "pools.*.codes.queue": ({}, 503),
    "pools.*.codes.refused": ({}, 503),
    "pools.*.codes.connect": ({}, 503),
    "pools.*.codes.first_byte": ({}, 524),
    "pools.*.codes.died": ({}, 500),
    "pools.*.retries": ({}, 3),
    "pools.*.sticky.cookie": ({"pools.p.sticky": {}}, "c"),
    "pools.*.sticky.ttl": ({"pools.p.sticky": {}}, 60),
    "pools.*.standby.wake.command": ({**STANDBY, "pools.p.standby.wake": {"command": ["a"]}}, ["b"]),
    "pools.*.standby.wake.post": ({**STANDBY, "pools.p.standby.wake": {"post": "http://a/"}}, "http://b/"),
    "pools.*.standby.rest.command": ({**STANDBY, "pools.p.standby.rest": {"command": ["a"]}}, ["b"]),
    "pools.*.standby.rest.post": ({**STANDBY, "pools.p.standby.rest": {"post": "http://a/"}}, "http://b/"),
    "pools.*.standby.min_awake": (STANDBY, 9),
    "pools.*.slow_start": ({}, 30),
    "pools.*.drain": ({}, 30),
    "pools.*.tls.verify": ({**HTTPS, "pools.p.tls": {}}, False),
    "pools.*.tls.ca": ({**HTTPS, "pools.p.tls": {}}, "/ca.pem"),
    "pools.*.tls.server_name": ({**HTTPS, "pools.p.tls": {"ca": "/ca.pem"}}, "n.example"),
    "pools.*.proxy_protocol": ({}, "v1"),
    "pools.*.firewall": ({}, True),
    "pools.*.preset": ({"pools.p.health_check": {"path": "/up"}}, "salad"),
    "listeners.*.port": ({}, 81),
    "listeners.*.protocol": ({}, "https"),
    "listeners.*.pool": (
        {**OTHER, "listeners.m": {"port": 90, "pool": "q"}, "listeners.n": {"port": 91, "pool": "p"}},
        "q",
    ),
    "listeners.*.routes.*.host": (ROUTE, "b.example"),
    "listeners.*.routes.*.path": (ROUTE, "/v1"),
    "listeners.*.routes.*.exact": (ROUTE, "/v1"),
    "listeners.*.routes.*.methods": (ROUTE, ["GET"]),
    "listeners.*.routes.*.headers": (ROUTE, {"X-A": "b"}),
    "listeners.*.routes.*.query": (ROUTE, {"a": "b"}),
    "listeners.*.routes.*.pools": (
        {**OTHER, "listeners.l.routes": {"r": {"host": "a.example", "pools": {"p": 1, "q": 1}}}},
        {"p": 9, "q": 1},
    ),
    "listeners.*.routes.*.priority": (ROUTES, 9),
    "listeners.*.routes.*.pool": ({**OTHER, **ROUTE, "listeners.m": {"port": 90, "pool": "q"}}, "q"),
    "listeners.*.routes.*.redirect.scheme": ({**ROUTED_AWAY}, "http"),
    "listeners.*.routes.*.redirect.host": ({**ROUTED_AWAY}, "b.example"),
    "listeners.*.routes.*.redirect.port": ({**ROUTED_AWAY}, 444),
    "listeners.*.routes.*.redirect.path": ({**ROUTED_AWAY}, "/x"),
    "listeners.*.routes.*.redirect.status": ({**ROUTED_AWAY}, 302),
    "listeners.*.routes.*.answer.status": (ANSWERED, 404),
    "listeners.*.routes.*.answer.body": (ANSWERED, "x"),
    "listeners.*.routes.*.answer.content_type": (ANSWERED, "text/html"),
    "listeners.*.redirect.scheme": ({**REDIRECT, "listeners.m": {"port": 90, "pool": "p"}}, "http"),
    "listeners.*.redirect.host": ({**REDIRECT, "listeners.m": {"port": 90, "pool": "p"}}, "b.example"),
    "listeners.*.redirect.port": ({**REDIRECT, "listeners.m": {"port": 90, "pool": "p"}}, 444),
    "listeners.*.redirect.path": ({**REDIRECT, "listeners.m": {"port": 90, "pool": "p"}}, "/x"),
    "listeners.*.redirect.status": ({**REDIRECT, "listeners.m": {"port": 90, "pool": "p"}}, 302),
    "listeners.*.tls.default.certificate": (TLS, "/c.pem"),
    "listeners.*.tls.default.key": (TLS, "/k.pem"),
    "listeners.*.tls.names.*.certificate": (NAMED, "/c.pem"),
    "listeners.*.tls.names.*.key": (NAMED, "/k.pem"),
    "listeners.*.tls.min_version": (TLS, "1.3"),
    "listeners.*.tls.client_ca": (TLS, "/ca.pem"),
    "listeners.*.address": ({}, "127.0.0.1"),
    "listeners.*.allow": ({}, ["10.0.0.0/8"]),
    "listeners.*.timeouts.header": ({}, 3),
    "listeners.*.timeouts.body": ({}, 3),
    "listeners.*.timeouts.keep_alive": ({}, 80),
    "listeners.*.limits.target": ({}, 9000),
    "listeners.*.limits.headers": ({}, 9000),
    "listeners.*.limits.fields": ({}, 9),
    "listeners.*.limits.body": ({}, 9),
    "listeners.*.limits.connections": ({}, 9),
    "listeners.*.proxy_protocol": ({}, ["10.0.0.0/8"]),
    "listeners.*.trust_forwarded": ({}, ["10.0.0.0/8"]),
}
"""By pattern: what the spec must hold beside, and the other value of the leaf."""

ALSO: dict[str, dict[str, Any]] = {
    "listeners.*.protocol": {"listeners.l.tls": {"default": {"certificate": "/a.pem"}}},
    "pools.*.protocol": {"pools.p.tls": {"verify": False}},
    "pools.*.nodes.*.public": {f"{NODES}.a.address": "8.8.8.8"},
}
"""What must change with the leaf, for the spec to stay right."""

SHOWS_AT = {"pools.*.preset": "pools.p"}
"""Leaves that a target answers for at another path."""

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
TCP: dict[str, Any] = {
    "pools": {"p": {**BASE["pools"]["p"], "protocol": "tcp", "health_check": {}}},
    "listeners": {"l": {"port": 80, "protocol": "tcp", "pool": "p"}},
}
TCP_FLEET = {"pools.p.limits": None, "pools.p.fleet.min": 3, "pools.p.fleet.max": 3}
"""What a fleet is like where nothing scales it."""
_NAMES = {"pools": "p", "nodes": "a", "listeners": "l", "routes": "r", "names": "x"}


def leaves(model: type[BaseModel] = Spec, at: str = "") -> Iterator[str]:
    """The patterns of all leaves of the schema."""
    for name, field in model.model_fields.items():
        path, inner = join(at, name), model_in(field.annotation)
        if inner is None:
            yield path
        else:
            yield from leaves(inner, f"{path}.*" if _is_dict(field.annotation) else path)


def pair(pattern: str, base: dict[str, Any] = BASE, words: Mapping[str, str] | None = None) -> tuple[Spec, Spec, str]:
    """Two specs that differ in this leaf only, and the leaf's path. `words`: a home's own for certificates and the like."""
    beside, value = CHANGES[pattern]
    path = path_of(pattern)
    before = copy.deepcopy(base)
    if base is TCP and "pools.p.fleet" in beside:
        beside = {**beside, **TCP_FLEET}
    for at, item in beside.items():
        put(before, at, copy.deepcopy(item))
    after = copy.deepcopy(before)
    for at, item in ALSO.get(pattern, {}).items():
        put(after, at, item)
    put(after, path, value)
    before, after = worded(before, words or {}), worded(after, words or {})
    return Spec.load(before), Spec.load(after), SHOWS_AT.get(pattern, path)


def worded(data: Any, words: Mapping[str, str]) -> Any:
    """The data with a home's own words in place of some texts."""
    if isinstance(data, dict):
        return {key: worded(item, words) for key, item in data.items()}
    return words.get(data, data) if isinstance(data, str) else data


def put(data: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for part in parents:
        data = data.setdefault(part, {})
    if value is None:
        data.pop(last, None)
    else:
        data[last] = value


def path_of(pattern: str) -> str:
    parts = pattern.split(".")
    return ".".join(_NAMES[parts[i - 1]] if part == "*" else part for i, part in enumerate(parts))


def _is_dict(annotation: Any) -> bool:
    return get_origin(annotation) is dict or any(_is_dict(arg) for arg in get_args(annotation))
