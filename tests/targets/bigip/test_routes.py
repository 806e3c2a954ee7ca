"""Routes: the rule is run by a real Tcl interpreter and the policy by its conditions, beside the dataplane's own routing."""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbkit.dataplane.core.routes import Routes
from lbkit.dataplane.wire.answer import redirected
from lbkit.spec import Listener
from lbkit.targets.base import problems
from lbkit.targets.bigip.parts import Ref
from lbkit.targets.bigip.routes import by_policy, policy, rule
from lbkit.targets.bigip.translate import plan
from tests.targets.bigip.house import LTM, Q, spec

tkinter = pytest.importorskip("tkinter", reason="this Python comes without Tcl, which runs the rules here")
_HEADERS = ("X-A", "X-B", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host")


def text_of(listener: Listener) -> str:
    return "".join(
        part if isinstance(part, str) else part.key for part in rule(listener, lambda key: Ref("pools", key)).parts
    )


class Appliance:
    """As much of an appliance's Tcl as a rule uses."""

    def __init__(self, text: str) -> None:
        self.tcl = tkinter.Tcl()
        self.headers: dict[str, str] = {}
        self.asked: dict[str, str] = {}
        self.did: list[tuple[str, ...]] = []
        self.client = "192.0.2.1"
        for name in ("HTTP::header", "HTTP::host", "HTTP::path", "HTTP::uri", "HTTP::method", "HTTP::respond", "pool",
                     "IP::client_addr", "IP::addr", "URI::query", "starts_with", "ends_with"):  # fmt: skip
            self.tcl.createcommand(name, getattr(self, "_" + name.replace("::", "_").lower()))
        self.tcl.eval("proc when {event body} { set ::body $body }")
        # The appliance's Tcl has these as operators of expressions.
        self.tcl.eval(re.sub(r"(\$\w+) (starts_with|ends_with) (\"(?:[^\"\\]|\\.)*\")", r"[\2 \1 \3]", text))

    def ask(self, host: str, uri: str, method: str = "GET", headers: dict[str, str] | None = None) -> tuple[str, ...]:
        """The last of what the rule decided for a request."""
        self.did.clear()
        self.headers = dict(headers or {})
        self.asked = {"host": host, "uri": uri, "method": method}
        self.tcl.eval("apply [list {} $::body]")
        return self.did[-1] if self.did else ()

    def _http_header(self, word: str, *rest: str) -> Any:
        if word == "remove":
            return self.headers.pop(rest[0], "")
        if word == "exists":
            return int(rest[0] in self.headers)
        if word == "insert":
            self.headers[rest[0]] = rest[1]
            return ""
        return self.headers.get(word, "")

    def _http_host(self) -> str:
        return self.asked["host"]

    def _http_uri(self) -> str:
        return self.asked["uri"]

    def _http_path(self) -> str:
        return self.asked["uri"].partition("?")[0]

    def _http_method(self) -> str:
        return self.asked["method"]

    def _http_respond(self, *words: str) -> None:
        self.did.append(("respond", *words))

    def _pool(self, name: str) -> None:
        self.did.append(("pool", name))

    def _ip_client_addr(self) -> str:
        return self.client

    def _ip_addr(self, address: str, word: str, other: str) -> int:
        assert word == "equals"
        return int(ipaddress.ip_address(address) in ipaddress.ip_network(other))

    def _uri_query(self, uri: str, name: str) -> str:
        return dict(parse_qsl(uri.partition("?")[2])).get(name, "")

    def _starts_with(self, text: str, start: str) -> int:
        return int(text.startswith(start))

    def _ends_with(self, text: str, end: str) -> int:
        return int(text.endswith(end))


def by_conditions(made: dict[str, Any], host: str, uri: str, method: str, headers: dict[str, str]) -> str:
    """The pool that a policy chooses."""
    seen = {"http_host": host.partition(":")[0], "http_uri": uri.partition("?")[0], "http_method": method}

    def holds(condition: dict[str, Any]) -> bool:
        kind = next(key for key in ("http_host", "http_uri", "http_method", "http_header") if key in condition)
        value = headers.get(condition["tm_name"]) if kind == "http_header" else seen[kind]
        fold = str.lower if "case_insensitive" in condition else str
        how = next(key for key in ("equals", "starts_with", "ends_with") if key in condition)
        tests = {"equals": str.__eq__, "starts_with": str.startswith, "ends_with": str.endswith}
        test: Any = tests[how]
        return value is not None and any(test(fold(value), fold(item)) for item in condition["values"])

    found = next(r for r in made["rules"] if all(holds(c) for c in r["conditions"]))
    return str(found["actions"][0]["pool"].key)


hosts = st.sampled_from([None, "a.example", "*.a.example", "*.example", "b.example"])
paths = st.sampled_from([None, "/", "/v1", "/v1/", "/v1/models", "/V1"])
routes = st.fixed_dictionaries(
    {
        "host": hosts,
        "where": st.tuples(st.sampled_from(["path", "exact"]), paths),
        "methods": st.lists(st.sampled_from(["GET", "POST", "get"]), max_size=2, unique=True),
        "headers": st.dictionaries(
            st.sampled_from(["X-A", "X-B"]), st.sampled_from(["1", "a b", '$[x]"{']), max_size=2
        ),
        "priority": st.one_of(st.none(), st.integers(1, 9)),
    }
)
requests = st.tuples(
    st.sampled_from(["a.example", "A.Example:8080", "x.a.example", "b.example:80", "c.test"]),
    st.sampled_from(["/", "/v1", "/v1?x=/v1/", "/v1/models", "/v1beta", "/V1", "/v1/"]),
    st.sampled_from(["GET", "POST", "get"]),
    st.dictionaries(st.sampled_from(["X-A", "X-B"]), st.sampled_from(["1", "a b", '$[x]"{']), max_size=2),
)


def listener_of(found: list[dict[str, Any]], default: bool) -> Listener | None:
    made: dict[str, Any] = {}
    for index, item in enumerate(found):
        kind, path = item.pop("where")
        route = {key: value for key, value in item.items() if value} | ({kind: path} if path else {})
        if set(route) & {"host", "path", "exact", "methods", "headers"}:
            made[f"r{index}"] = {**route, "pool": f"q{index}"}
    return Listener.load({"port": 80, "routes": made, **({"pool": "p"} if default else {})}) if made else None


@given(st.lists(routes, min_size=1, max_size=6), requests, st.booleans())
def test_a_request_takes_the_route_that_the_dataplane_would_take(found: Any, request: Any, default: bool):  # LB-2
    listener = listener_of(found, default)
    if listener is None:
        return
    host, uri, method, headers = request
    encoded = {name.lower().encode(): value.encode() for name, value in headers.items()}
    way = Routes(listener.routes).find(host.encode(), uri.encode(), method.encode(), encoded.get)
    wanted = way.route.pool if way else listener.pool
    if by_policy(listener):
        assert by_conditions(policy(listener, lambda key: Ref("pools", key)), *request) == wanted
        return
    did = Appliance(text_of(listener)).ask(*request)
    assert did == ("pool", wanted) if wanted else did[:2] == ("respond", "404")


REDIRECTS: list[dict[str, Any]] = [
    {"scheme": "https"}, {"scheme": "https", "port": 8443}, {"host": "b.example"}, {"port": 81}, {"port": 80},
    {"path": "/x"}, {"scheme": "https", "host": "b.example", "path": "/x?y=$z", "status": 301}, {"scheme": "http", "path": "/y"},
]  # fmt: skip


@pytest.mark.parametrize("redirect", REDIRECTS, ids=str)
@pytest.mark.parametrize("port", [80, 8080])
@pytest.mark.parametrize("asked", ["a.example", "a.example:80", "a.example:8080", "[::1]:8080"])
def test_a_redirect_leads_where_the_dataplane_would_lead(redirect: dict[str, Any], port: int, asked: str):
    listener = Listener.load({"port": port, "redirect": redirect})
    assert listener.redirect
    wanted = redirected(listener.redirect, b"/a?b=c", asked.encode(), b"http", port).decode()
    did = Appliance(text_of(listener)).ask(asked, "/a?b=c")
    assert did == ("respond", str(redirect.get("status", 308)), "noserver", "Location", wanted)


def test_a_fixed_answer_says_exactly_what_was_written():
    body = 'a "quoted" $word [command] {brace\\ ;\n\tend'
    answer = {"status": 429, "body": body, "content_type": 'text/x; a="b"'}
    listener = Listener.load({"port": 80, "pool": "p", "routes": {"r": {"exact": "/a", "answer": answer}}})
    appliance = Appliance(text_of(listener))
    assert appliance.ask("h", "/a") == ("respond", "429", "content", body, "noserver", "Content-Type", 'text/x; a="b"')
    assert appliance.ask("h", "/b") == ("pool", "p"), "a connection keeps the pool of its request before"


@pytest.mark.parametrize(("client", "kept"), [("10.1.2.3", True), ("192.0.2.1", False)])
def test_headers_of_peers_that_are_not_trusted_go(client: str, kept: bool):
    appliance = Appliance(text_of(Listener.load({"port": 80, "pool": "p", "trust_forwarded": ["10.0.0.0/8"]})))
    appliance.client = client
    appliance.ask("a.example:81", "/", headers={"X-Forwarded-For": "1.2.3.4", "X-Forwarded-Proto": "https"})
    assert appliance.headers.get("X-Forwarded-For") == ("1.2.3.4" if kept else None), (
        "the profile adds the client's behind"
    )
    assert appliance.headers["X-Forwarded-Proto"] == ("https" if kept else "http")
    assert appliance.headers["X-Forwarded-Host"] == "a.example:81"


def test_nobody_is_trusted_unless_said():
    appliance = Appliance(text_of(Listener.load({"port": 80, "pool": "p"})))
    appliance.ask("a", "/", headers=dict.fromkeys(_HEADERS, "forged"))
    assert appliance.headers == {"X-A": "forged", "X-B": "forged", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "a"}


def test_every_action_of_a_policy_leaves_connection_alone():  # F5-8
    found = spec({"pools.q": Q, "listeners.l.routes": {"r": {"path": "/v1", "pool": "q"}}})
    assert not problems(found, LTM)
    made = policy(found.listeners["l"], lambda key: Ref("pools", key))
    assert [r["name"] for r in made["rules"]] == ["r", "r--below", "all--others"]
    assert all(action["connection"] is False for r in made["rules"] for action in r["actions"])


BEATS: list[tuple[dict[str, Any], dict[str, Any], tuple[str, str, str, dict[str, str]]]] = [
    ({"host": "x.a.example"}, {"host": "*.a.example", "exact": "/v1"}, ("x.a.example", "/v1", "GET", {})),
    ({"host": "*.a.example"}, {"host": "*.example"}, ("x.a.example", "/", "GET", {})),
    ({"host": "*.example"}, {"exact": "/v1"}, ("x.example", "/v1", "GET", {})),
    ({"exact": "/v1/models"}, {"path": "/v1/models"}, ("h", "/v1/models", "GET", {})),
    ({"path": "/v1/models"}, {"path": "/v1"}, ("h", "/v1/models/x", "GET", {})),
    ({"methods": ["GET"]}, {"headers": {"X-A": "1"}}, ("h", "/", "GET", {"X-A": "1"})),
    ({"headers": {"X-A": "1", "X-B": "1"}}, {"headers": {"X-A": "1"}, "priority": 9}, ("h", "/", "GET", {"X-A": "1", "X-B": "1"})),
    ({"path": "/v1", "priority": 2}, {"path": "/v1", "priority": 1}, ("h", "/v1", "GET", {})),
    ({"path": "/v1", "priority": 1}, {"path": "/v1"}, ("h", "/v1", "GET", {})),
    ({"host": "h"}, {"path": "/v1"}, ("H", "/v1", "GET", {})),
    ({"path": "/V1", "priority": 1}, {"path": "/v1", "priority": 9}, ("h", "/V1", "GET", {})),
    ({"methods": ["get"], "priority": 1}, {"methods": ["GET"], "priority": 9}, ("h", "/", "get", {})),
    ({"headers": {"X-A": "b"}, "priority": 1}, {"headers": {"X-A": "B"}, "priority": 9}, ("h", "/", "GET", {"X-A": "b"})),
]  # fmt: skip


@pytest.mark.parametrize(("winner", "loser", "request_"), BEATS, ids=lambda value: str(value)[:50])
@pytest.mark.parametrize("default", [True, False], ids=["policy", "rule"])
@pytest.mark.parametrize("names", [("a", "z"), ("z", "a")], ids="".join)
def test_of_two_routes_the_more_specific_one_wins(winner: Any, loser: Any, request_: Any, default: bool, names: Any):
    both = {names[0]: {**winner, "pool": "w"}, names[1]: {**loser, "pool": "l"}}
    listener = Listener.load({"port": 80, "routes": both, **({"pool": "p"} if default else {})})
    if default:
        assert by_conditions(policy(listener, lambda key: Ref("pools", key)), *request_) == "w"
    else:
        assert Appliance(text_of(listener)).ask(*request_) == ("pool", "w")


@pytest.mark.parametrize("pool", ["p", None], ids=["policy", "rule"])
def test_what_sends_clients_to_a_pool_waits_for_its_members(pool: str | None):
    found = spec({"pools.q": Q, "listeners.l.pool": pool, "listeners.l.routes": {"r": {"path": "/v1", "pool": "q"}},
                  "listeners.m": {"port": 81, "pool": "p"}})  # fmt: skip
    made = plan("lb", found, LTM)
    for kind in ("rules", "virtual_servers", *(["policies"] if pool else [])):
        waits = {ref.key for ref in made[kind]["80"]["after"] if ref.kind == "members"}
        assert {"q--10-0-1-1-9000", *(("p--10-0-0-1-8000", "p--10-0-0-2-8000") if pool else ())} == waits


def test_a_query_is_compared_and_no_policy_is_made_of_it():
    route = {"path": "/v1", "query": {"model": "small", "beta": "1"}, "pool": "q"}
    listener = Listener.load({"port": 80, "pool": "p", "routes": {"r": route}})
    assert not by_policy(listener)
    appliance = Appliance(text_of(listener))
    assert appliance.ask("h", "/v1?beta=1&model=small") == ("pool", "q")
    assert appliance.ask("h", "/v1?model=small") == ("pool", "p")
    assert appliance.ask("h", "/v1?model=smaller&beta=1") == ("pool", "p")


def test_shares_of_pools_are_kept():
    listener = Listener.load(
        {"port": 80, "pool": "p", "routes": {"r": {"path": "/v1", "pools": {"a": 3, "b": 1, "c": 0}}}}
    )
    appliance = Appliance(text_of(listener))
    appliance.tcl.eval("expr {srand(7)}")
    found = Counter(appliance.ask("h", "/v1")[1] for _ in range(2000))
    assert set(found) == {"a", "b"}
    assert 0.7 < found["a"] / 2000 < 0.8
