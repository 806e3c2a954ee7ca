"""Any spec at all: it contradicts itself, or AWS can't do it, or its plan breaks none of AWS's rules. And rendering is quick."""

from __future__ import annotations

import copy
import time
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lbkit.errors import SpecError
from lbkit.spec import Spec
from lbkit.spec.gaps import Gap
from lbkit.targets.aws import Alb, Nlb
from lbkit.targets.aws.placement import Placement
from lbkit.targets.aws.plan import Planned, Ref
from lbkit.targets.aws.translate import plan
from lbkit.targets.base import problems
from tests.laws.leaves import ALSO, BASE, CHANGES, FLEET, TCP, TCP_FLEET, path_of, put, worded
from tests.laws.test_nothing_ignored import WORDS
from tests.targets.aws.api import violations
from tests.targets.aws.house import FIXED_FLEET, GROUP, alb, changed, nlb, planned, routed

BORDERS: dict[str, list[Any]] = {
    "pools.*.port": [1, 65_535],
    "pools.*.drain": [0, 29, 30, 3600, 3601],
    "pools.*.slow_start": [0, 29, 30, 900, 901],
    "pools.*.health_check.interval": [4, 5, 6, 300, 301],
    "pools.*.health_check.timeout": [1, 2, 4, 5],
    "pools.*.health_check.rise": [1, 2, 10, 11],
    "pools.*.health_check.fall": [1, 2, 10, 11],
    "pools.*.health_check.codes": ["100", "200-499", "200-599", "404"],
    "pools.*.timeouts.idle": [1, 59, 60, 300, 4000, 4001, 6000, 6001],
    "pools.*.sticky.ttl": [1, 86_400, 0.5],
    "pools.*.algorithm": ["round_robin", "source_hash", "random_two"],
    "pools.*.proxy_protocol": ["v1", "v2"],
    "pools.*.fleet.spot": [0, 1, 100],
    "pools.*.fleet.rollout": [0, 99, 100, None],
    "pools.*.fleet.grace": [0, 86_400],
    "listeners.*.timeouts.keep_alive": [59, 60, 86_400],
    "listeners.*.routes.*.host": ["localhost", "*.example.com", "10.0.0.1"],
    "listeners.*.routes.*.path": ["/", "/a*", "/a/b", "/" + "a" * 127],
    "listeners.*.routes.*.methods": [["GET", "PUT", "POST", "HEAD", "PATCH"], ["get"]],
    "listeners.*.routes.*.headers": [{"Host": "a"}, {"X-A": "*"}, {"X-B": "b", "X-C": "c"}],
    "listeners.*.routes.*.answer.status": [200, 304, 503],
    "listeners.*.routes.*.redirect.status": [301, 302, 307, 308],
    "listeners.*.allow": [["0.0.0.0/0", "10.0.0.0/8"], ["::/0"]],
}


def doable(home: type[Placement]) -> list[str]:
    """Leaves that the home can do at least sometimes, so that enough specs are planned."""
    impossible = [gap for gap, rule in home.gaps.items() if isinstance(rule, Gap)]
    return sorted(leaf for leaf in CHANGES if not any(f"{leaf}.".startswith(f"{gap}.") for gap in impossible))


DOABLE = {True: doable(Nlb), False: doable(Alb)}


@st.composite
def cases(draw: st.DrawFn) -> tuple[dict[str, Any], Placement]:
    """Plain data of a spec, made of several leaves' changes at once, and a placement."""
    network = draw(st.booleans())
    data = copy.deepcopy(TCP if network else BASE)
    for pattern in [
        *draw(st.lists(st.sampled_from(DOABLE[network]), min_size=1, max_size=5, unique=True)),
        *draw(st.lists(st.sampled_from(sorted(CHANGES)), max_size=1)),
    ]:
        beside, value = CHANGES[pattern]
        more = TCP_FLEET if network and "pools.p.fleet" in beside else {}
        for at, item in {**beside, **more, **ALSO.get(pattern, {})}.items():
            put(data, at, copy.deepcopy(item))
        put(data, path_of(pattern), draw(st.sampled_from([value, *BORDERS.get(pattern, [])])))
    known = {"node_security_group_ids": [GROUP]} if draw(st.booleans()) else {}
    shape = {"internal": draw(st.booleans()), "cross_zone": draw(st.booleans()), **known}
    return worded(data, WORDS), nlb(**shape) if network else alb(**shape)


@given(cases())
@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_spec_is_refused_or_its_plan_breaks_no_rule(case: tuple[dict[str, Any], Placement]):  # LB-2, AW-15
    data, home = case
    try:
        spec = Spec.load(data)
    except SpecError as error:
        found = error.problems
        spec = None
    if spec is not None:
        found = problems(spec, home)
        assert all(problem.path and problem.remedy for problem in found)
    assert all(problem.reason for problem in found)
    if spec is not None and not found:
        assert violations(plan(spec, home)) == []


BREAKS: list[tuple[str, dict[str, Any]]] = [
    ("health timeout", {"p": {"health_check.timeout": 5}}),
    ("threshold", {"p": {"health_check.healthy_threshold": 1}}),
    ("matcher", {"p": {"health_check.matcher": "500"}}),
    ("fixed name", {"p": {"name": "x"}}),
    ("sticky kind", {"p": {"stickiness.type": "source_ip"}}),
    ("idle", {"load_balancer": {"idle_timeout": 4001}}),
    ("one subnet", {"load_balancer": {"subnets": ["a"]}}),
    ("TLS without certificate", {"listener--l": {"protocol": "HTTPS"}}),
    ("TCP on an ALB", {"listener--l": {"protocol": "TCP"}}),
    ("two kinds of action", {"listener--l": {"default_actions.0.redirect": {}}}),
    ("another port opened", {"in--l--0-0-0-0-0": {"from_port": 22, "to_port": 22}}),
    ("an unknown group", {"node--p--10-0-0-1-8000": {"target_group_arn": Ref("x", "arn")}}),
]


@pytest.mark.parametrize(("name", "changes"), BREAKS, ids=lambda v: v if isinstance(v, str) else "")
def test_the_rules_see_what_is_broken(name: str, changes: dict[str, Any]):
    broken = planned({})
    assert violations(broken) == []
    for label, arguments in changes.items():
        args = copy.deepcopy(broken[label].args)
        for path, value in arguments.items():
            *parents, last = path.split(".")
            place: Any = args
            for part in parents:
                place = place[int(part)] if isinstance(place, list) else place[part]
            place[last] = value
        broken[label] = Planned(broken[label].kind, args)
    assert violations(broken)


def test_every_plan_of_the_other_tests_breaks_no_rule():
    for changes in (routed(a={"path": "/a"}, b={"host": "*.example.com", "pools": {"p": 1, "q": 2}}),):
        assert violations(planned(changes)) == []
    assert violations(planned(FIXED_FLEET, nlb(static_addresses=True))) == []


def test_a_hundred_pools_with_a_thousand_nodes_are_planned_in_two_seconds():
    pools = {
        f"p{i}": {
            "port": 8000,
            "health_check": {"path": "/"},
            "nodes": {f"n{j}": {"address": f"10.{i}.0.{j + 1}"} for j in range(10)},
        }
        for i in range(100)
    }
    routes = {f"r{i}": {"path": f"/p{i}", "pool": f"p{i}", "priority": 1 + i} for i in range(1, 100)}
    started = time.process_time()
    spec = changed({"pools": pools, "listeners": {"l": {"port": 80, "pool": "p0", "routes": routes}}})
    home = alb()
    assert not problems(spec, home)
    assert len(plan(spec, home)) > 2000
    assert time.process_time() - started < 2


def test_no_two_resources_have_one_key_whatever_the_names():
    names = [
        "balancer",
        "nodes",
        "firewall",
        "in",
        "out",
        "admit",
        "group",
        "listener",
        "node",
        "join",
        "machines",
        "route",
        "reach",
    ]
    pools: dict[str, Any] = {
        name: {
            "port": 8000 + i,
            "health_check": {"path": "/"},
            "nodes": {n: {"address": f"10.{i}.0.{j + 1}"} for j, n in enumerate(names)},
        }
        for i, name in enumerate(names)
    }
    for name in names[::2]:
        pools[name] = {
            "port": 80,
            "health_check": {"path": "/"},
            "limits": {"soft": 4},
            "fleet": FLEET["pools.p.fleet"],
        }
    listeners = {name: {"port": 100 + i, "pool": name, "routes": {n: {"path": f"/{n}", "pool": n, "priority": 1 + j}
                 for j, n in enumerate(names)}} for i, name in enumerate(names)}  # fmt: skip
    found = plan(changed({"pools": pools, "listeners": listeners}), alb())
    fleets, listed = len(names[::2]), len(names[1::2])
    counts = Counter(item.kind for item in found.values())
    assert counts["lb.TargetGroup"] == counts["lb.Listener"] == len(names)
    assert counts["lb.ListenerRule"] == len(names) ** 2
    assert counts["lb.TargetGroupAttachment"] == listed * len(names)
    assert counts["autoscaling.Group"] == counts["autoscaling.Attachment"] == fleets
    assert counts["ec2.SecurityGroup"] == fleets + 1
    assert counts["vpc.SecurityGroupEgressRule"] == fleets * 2 + listed * len(names)
