"""Routes as rules: their conditions, actions, and numbers that stay put and keep the spec's order."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lbkit.spec import Listener, Route
from lbkit.spec.listener import precedence
from lbkit.targets.aws.plan import Plan, Ref
from lbkit.targets.aws.routes import misnumbered, numbers, overlap, repeating
from tests.targets.aws.house import CERTIFICATE, TLS, planned, refusals, routed


def rule(plan: Plan) -> dict[str, Any]:
    (found,) = [item.args for item in plan.values() if item.kind == "lb.ListenerRule"]
    return found


@pytest.mark.parametrize(
    ("route", "conditions"),
    [
        ({"host": "*.example.com"}, [{"host_header": {"values": ["*.example.com"]}}]),
        ({"path": "/v1"}, [{"path_pattern": {"values": ["/v1", "/v1/*"]}}]),
        ({"path": "/v1/"}, [{"path_pattern": {"values": ["/v1", "/v1/*"]}}]),
        ({"path": "/"}, [{"path_pattern": {"values": ["/*"]}}]),
        ({"exact": "/v1"}, [{"path_pattern": {"values": ["/v1"]}}]),
        ({"methods": ["GET", "PUT"]}, [{"http_request_method": {"values": ["GET", "PUT"]}}]),
        ({"headers": {"X-A": "b"}}, [{"http_header": {"http_header_name": "X-A", "values": ["b"]}}]),
        ({"query": {"a*": "b?"}}, [{"query_strings": [{"key": "a\\*", "value": "b\\?"}]}]),
        ({"host": "a.example", "exact": "/x", "query": {"a": "b", "c": "d"}}, [
            {"host_header": {"values": ["a.example"]}}, {"path_pattern": {"values": ["/x"]}},
            {"query_strings": [{"key": "a", "value": "b"}]}, {"query_strings": [{"key": "c", "value": "d"}]},
        ]),
    ],
)  # fmt: skip
def test_a_condition_becomes_a_block(route: dict[str, Any], conditions: list[Any]):
    assert rule(planned(routed(r=route)))["conditions"] == conditions


REDIRECT = {"protocol": "#{protocol}", "host": "#{host}", "port": "#{port}", "path": "/#{path}", "query": "#{query}"}


@pytest.mark.parametrize(
    ("leads", "action"),
    [
        ({"pool": "q"}, {"type": "forward", "target_group_arn": Ref("q", "arn")}),
        ({"pools": {"p": 0, "q": 256}}, {"type": "forward", "forward": {
            "target_groups": [{"arn": Ref("p", "arn"), "weight": 0}, {"arn": Ref("q", "arn"), "weight": 256}],
            "stickiness": {"enabled": False, "duration": 1}}}),
        ({"redirect": {"scheme": "https", "status": 301}}, {"type": "redirect", "redirect": {
            **REDIRECT, "protocol": "HTTPS", "port": "443", "status_code": "HTTP_301"}}),
        ({"redirect": {"path": "/new?a=b", "status": 302}}, {"type": "redirect", "redirect": {
            **REDIRECT, "path": "/new", "query": "a=b", "status_code": "HTTP_302"}}),
        ({"redirect": {"host": "b.example", "port": 81, "status": 302}}, {"type": "redirect", "redirect": {
            **REDIRECT, "host": "b.example", "port": "81", "status_code": "HTTP_302"}}),
        ({"answer": {"status": 503, "body": "later"}}, {"type": "fixed-response", "fixed_response": {
            "status_code": "503", "content_type": "text/plain", "message_body": "later"}}),
    ],
)  # fmt: skip
def test_a_destination_becomes_an_action(leads: dict[str, Any], action: dict[str, Any]):
    assert rule(planned(routed(r={"path": "/v1", **leads})))["actions"] == [action]


def test_shared_pools_keep_a_sticky_client_together():
    changes = {**routed(r={"path": "/v1", "pools": {"p": 1, "q": 1}}), "pools.p.sticky": {"ttl": 60}}
    assert rule(planned(changes))["actions"][0]["forward"]["stickiness"] == {"enabled": True, "duration": 60}


def test_a_certificate_that_changes_its_name_stays():
    def named(*names: str) -> set[str]:
        further = {name: {"certificate": CERTIFICATE.format(f"{at}0-1f")} for at, name in enumerate(names)}
        return set(planned({**TLS, "listeners.l.tls.names": further}))

    assert named("a", "b") == named("b", "a") == named("x", "y")
    assert {"certificate--l--00-1f", "certificate--l--10-1f"} <= named("a", "b")


def test_certificates_whose_names_differ_in_a_sign_are_two():
    """IAM's names hold signs that a key can't."""
    at = "arn:aws:iam::210987650123:server-certificate/site{}com"
    further = {name: {"certificate": at.format(sign)} for name, sign in {"a": ".", "b": "-", "c": "_"}.items()}
    found = planned({**TLS, "listeners.l.tls.names": further})
    assert len([label for label in found if label.startswith("certificate--l--")]) == 3


def test_a_redirect_waits_for_the_listener_that_it_leads_to():
    secure = {
        "port": 443,
        "protocol": "https",
        "pool": "p",
        "tls": {"default": {"certificate": CERTIFICATE.format("a")}},
    }
    to: dict[str, Any] = {"scheme": "https", "status": 301}
    routes = routed(r={"path": "/v1", "redirect": to}, far={"path": "/v2", "redirect": {**to, "host": "b.example"}})
    plan = planned({**routes, "listeners.m": {"port": 90, "redirect": to}, "listeners.s": {**secure, "pool": "q"}})
    assert list(plan).index("listener--s") < list(plan).index("listener--m")
    assert plan["listener--m"].after == ["listener--s"]
    waits = [item.after for label, item in plan.items() if label.startswith("route--l--")]
    assert sorted(waits) == [[], ["listener--s"]], "not for a listener of another host"


def test_a_scheme_that_stays_keeps_the_port():
    """As on the other homes: only a new scheme brings its own."""
    to = {"scheme": "http", "host": "b.example", "status": 301}
    found = planned({"listeners.l.port": 8080, **routed(r={"path": "/v1", "redirect": to})})
    (rule,) = [item for label, item in found.items() if label.startswith("route--l--")]
    assert rule.args["actions"][0]["redirect"]["port"] == "#{port}"


def test_a_listener_that_redirects_has_no_pool():
    changes = {"listeners.l.pool": None, "listeners.l.redirect": {"scheme": "https", "status": 301},
               "listeners.m": {"port": 90, "pool": "p"}}  # fmt: skip
    action = planned(changes)["listener--l"].args["default_actions"][0]
    assert action["redirect"]["protocol"] == "HTTPS"


@pytest.mark.parametrize(
    ("route", "path", "reason"),
    [
        ({"host": "localhost"}, "host", "a dot"),
        ({"host": "10.0.0.1"}, "host", "letters only"),
        ({"path": "/a*"}, "path", "pattern"),
        ({"path": "/a%20b"}, "path", "pattern"),
        ({"exact": "/" + "a" * 128}, "exact", "128"),
        ({"path": "/" + "a" * 126}, "path", "128"),
        ({"methods": ["get"]}, "methods", "capital"),
        ({"methods": list("ABCDEF")}, "", "6"),
        ({"headers": {"Host": "a"}}, "headers.Host", "Use `host`"),
        ({"headers": {"X": "a*"}}, "headers.X", "pattern"),
        ({"headers": {"X": "a" * 129}}, "headers.X", "128"),
        ({"path": "/v1", "pools": dict.fromkeys("pqrstu", 1)}, "pools", "at most 5"),
        ({"path": "/v1", "redirect": {"scheme": "https"}}, "redirect.status", "301"),
        ({"path": "/v1", "redirect": {"scheme": "http", "status": 301}}, "redirect", "came from"),
        ({"path": "/v1", "redirect": {"path": "/#{host}", "status": 301}}, "redirect.path", "in place of"),
        ({"path": "/v1", "redirect": {"path": "/" + "a" * 128, "status": 301}}, "redirect.path", "128"),
        ({"path": "/v1", "answer": {"status": 302}}, "answer.status", "redirect"),
        ({"path": "/v1", "answer": {"status": 200, "content_type": "image/png"}}, "answer.content_type", "five"),
    ],
)  # fmt: skip
def test_what_alb_can_not_match_or_answer_is_refused(route: dict[str, Any], path: str, reason: str):  # LB-2
    changes = routed(r=route)
    for name in "rstu":
        changes |= {f"pools.{name}": {**changes["pools.q"], "nodes": {"z": {"address": f"10.0.2.{ord(name)}"}}},
                    f"listeners.{name}": {"port": ord(name), "pool": name}}  # fmt: skip
    found = refusals(changes)
    full = f"listeners.l.routes.r.{path}".rstrip(".")
    assert list(found) == [full]
    assert reason in found[full]


def test_https_never_leads_to_http():
    changes = {**routed(r={"path": "/v1", "redirect": {"scheme": "http", "status": 301}}), **TLS}
    assert "https to http" in refusals(changes)["listeners.l.routes.r.redirect.scheme"]


def listener(routes: dict[str, dict[str, Any]]) -> Listener:
    return Listener.load({"port": 80, "pool": "p", "routes": {k: {"pool": "p", **v} for k, v in routes.items()}})


def test_a_route_in_the_middle_moves_no_number():
    many = {f"r{i}": {"path": f"/v{i}"} for i in range(0, 20, 2)}
    more = {**many, "r7": {"path": "/v7"}}
    before, after = numbers(listener(many)), numbers(listener(more))
    assert {name: after[name] for name in before} == before


def test_a_priority_is_the_number_the_highest_first():
    found = numbers(listener({"a": {"path": "/a", "priority": 50_000}, "b": {"path": "/b", "priority": 1}}))
    assert found == {"a": 1, "b": 50_000}


def test_an_order_that_numbers_contradict_is_refused_with_the_remedy():
    changes = routed(wide={"path": "/a", "priority": 9}, narrow={"path": "/a/b", "priority": 3})
    assert "the higher to this one" in refusals(changes)["listeners.l.routes.narrow.priority"]
    assert not refusals(routed(wide={"path": "/a", "priority": 3}, narrow={"path": "/a/b", "priority": 9}))


def test_a_number_taken_twice_is_refused():
    changes = routed(a={"path": "/a", "priority": 9}, b={"path": "/b", "priority": 9})
    assert "would have the number 49992 too" in refusals(changes)["listeners.l.routes.b.priority"]


def test_routes_that_swap_priorities_keep_their_rules():
    """AWS refuses a number taken twice even in passing, so what moves is the content of two rules."""
    plans = [
        planned(routed(a={"path": "/a", "priority": first}, b={"path": "/b", "priority": 30 - first}))
        for first in (10, 20)
    ]
    labels = [[label for label in plan if label.startswith("route--")] for plan in plans]
    assert sorted(labels[0]) == sorted(labels[1]) == ["route--l--49981", "route--l--49991"]


HOSTS = [None, "a.example.com", "b.example.com", "*.example.com", "*.com", "*.a.example.com"]
PATHS: list[dict[str, str]] = [{}, {"path": "/"}, {"path": "/a"}, {"path": "/a/b"}, {"exact": "/a"}, {"exact": "/a/b"}]
REQUESTS = list(
    itertools.product(
        ["a.example.com", "x.a.example.com", "z.org"], ["/", "/a", "/a/b", "/ab"], ["GET", "PUT"], ["", "1"]
    )
)


def fits(route: Route, request: tuple[str, str, str, str]) -> bool:
    host, path, method, header = request
    prefix = (route.path or "").rstrip("/")
    return (
        (route.host is None or route.host == host or (route.host[0] == "*" and host.endswith(route.host[1:])))
        and (path == route.exact if route.exact else f"{path}/".startswith(f"{prefix}/"))
        and (not route.methods or method in route.methods)
        and all(header == value for value in route.headers.values())
    )


@st.composite
def some_routes(draw: st.DrawFn) -> dict[str, dict[str, Any]]:
    found = {}
    for index in range(draw(st.integers(1, 6))):
        route = {
            "host": draw(st.sampled_from(HOSTS)),
            **draw(st.sampled_from(PATHS)),
            "methods": draw(st.sampled_from([[], ["GET"], ["PUT"]])),
            "headers": draw(st.sampled_from([{}, {"X-A": "1"}, {"x-a": "2"}])),
            "priority": draw(st.sampled_from([None, None, 5, 100])),
        }
        if route["host"] or len(route) > 4 or route["methods"] or route["headers"]:
            found[f"r{index}"] = {key: value for key, value in route.items() if value}
    return found


@given(some_routes())
@settings(deadline=None)
def test_rules_that_are_accepted_choose_as_the_spec_does(routes: dict[str, dict[str, Any]]):  # LB-2
    made = listener(routes) if routes else Listener(port=80, pool="p")
    if list(misnumbered("", made)):
        return
    by_number = sorted(made.routes, key=numbers(made).__getitem__)
    by_spec = sorted(made.routes, key=lambda name: precedence(name, made.routes[name]))
    for request in REQUESTS:
        first = [next((n for n in order if fits(made.routes[n], request)), None) for order in (by_number, by_spec)]
        assert first[0] == first[1]


@given(some_routes())
@settings(deadline=None)
def test_two_routes_that_one_request_fits_overlap(routes: dict[str, dict[str, Any]]):
    made = listener(routes) if routes else Listener(port=80, pool="p")
    for a, b in itertools.combinations(made.routes.values(), 2):
        if any(fits(a, request) and fits(b, request) for request in REQUESTS):
            assert overlap(a, b)
            assert overlap(b, a)


def test_case_tells_no_two_routes_apart():
    def fit(a: dict[str, Any], b: dict[str, Any]) -> bool:
        return overlap(Route(pool="p", **a), Route(pool="p", **b))

    assert not fit({"headers": {"X-A": "b"}}, {"headers": {"x-a": "c"}})
    assert fit({"headers": {"X-A": "b"}}, {"headers": {"x-a": "B"}})
    assert fit({"query": {"a": "b"}}, {"query": {"A": "B"}})


@pytest.mark.parametrize("field", ["query", "headers"])
def test_a_request_that_repeats_a_key_is_told_of_where_the_orders_differ(field: str):
    def noted(first: dict[str, Any], second: dict[str, Any]) -> list[str]:
        return list(
            repeating("routes", listener({"a": {field: {"v": "1"}, **first}, "b": {field: {"v": "2"}, **second}}))
        )

    (text,) = noted({}, {})
    assert text.startswith("routes.a: a request that repeats a header or query key can fit 'b' too")
    assert not noted({"priority": 2}, {"priority": 1}), "as the note says"
    assert not noted({"path": "/a"}, {"path": "/b"}), "they never meet"


def test_ordinary_routes_need_no_priority():
    routes: dict[str, dict[str, Any]] = {"api": {"path": "/v1"}, "models": {"path": "/v1/models"}, "status": {"exact": "/status"},
              "host": {"host": "api.example.com"}, "below": {"host": "*.example.com", "path": "/v1"},
              "post": {"path": "/v1", "methods": ["POST"]}}  # fmt: skip
    assert not list(misnumbered("", listener(routes)))
