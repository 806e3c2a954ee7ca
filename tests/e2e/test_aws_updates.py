"""What a change does at AWS, under the real engine: which argument replaces what, in which order, and that no listener ever
leads to an empty group. The double refuses what AWS refuses while something is in use."""

from __future__ import annotations

import json
from typing import Any

from tests.e2e.aws_house import FIRST, PROGRAM, SECOND, TCP, THIRD, Balancer
from tests.e2e.house import before
from tests.mocks import ROOT
from tests.targets.aws.house import FIXED_FLEET, IDS, OTHER, TLS, routed

ELASTIC: dict[str, Any] = {"subnet_ids": [FIRST], "static_addresses": True}


def test_a_pool_that_moves_to_another_port_comes_up_beside_the_old_one(balancer: Balancer):
    balancer.up({})
    calls = balancer.up({"pools.p.port": 8001})
    assert before(calls, "create lb--p", "create lb--node--p--10-0-0-1-8001")
    assert before(calls, "create lb--node--p--10-0-0-1-8001", "update lb--listener--80")
    assert before(calls, "create lb--out--10-0-0-1--8001", "create lb--node--p--10-0-0-1-8001")
    assert before(calls, "update lb--listener--80", "delete lb--p")
    assert before(calls, "update lb--listener--80", "delete lb--out--10-0-0-1--8000")
    assert balancer.amiss == []


def test_a_pool_that_changes_its_protocol_comes_up_beside_the_old_one(balancer: Balancer):
    balancer.up({})
    calls = balancer.up({"pools.p.protocol": "https", "pools.p.tls": {"verify": False}})
    assert before(calls, "create lb--node--p--10-0-0-2-8000", "update lb--listener--80")
    assert before(calls, "update lb--listener--80", "delete lb--p")
    assert balancer.amiss == []


def test_machines_take_over_from_nodes_before_the_listener_moves(balancer: Balancer):  # AW-8
    balancer.up({})
    calls = balancer.up({**FIXED_FLEET, "pools.p.drain": 30})
    assert before(calls, "create lb--machines--p", "create lb--join--p")
    assert before(calls, "create lb--join--p", "update lb--listener--80")
    assert before(calls, "update lb--listener--80", "delete lb--node--p--10-0-0-1-8000")
    assert balancer.amiss == []

    calls = balancer.up({**FIXED_FLEET, "pools.p.drain": 40, "pools.p.fleet.image": "ami-0f0e0d0c0b0a09080"})
    assert sorted(calls) == ["update lb--drain--p", "update lb--machines--p", "update lb--p", "update lb--template--p"]

    calls = balancer.up({**FIXED_FLEET, "pools.p.port": 8001})
    assert before(calls, "create lb--p", "create lb--join--p")
    assert before(calls, "create lb--join--p", "update lb--listener--80")
    assert before(calls, "update lb--listener--80", "delete lb--join--p")
    assert "delete lb--machines--p" not in calls, "the machines stay"
    assert balancer.amiss == []


def test_what_changes_in_place_replaces_nothing(balancer: Balancer):  # LB-3
    balancer.up({})
    calls = balancer.up(
        {
            "pools.p.algorithm": "least_connections", "pools.p.drain": 20, "pools.p.sticky": {}, "pools.p.health_check.rise": 4,
            "pools.p.timeouts": {"idle": 60}, **TLS,
        }, deletion_protection=True, ip="dualstack",
    )  # fmt: skip
    assert {"update lb--p", "update lb", "update lb--listener--80"} <= set(calls)
    assert not [call for call in calls if call.startswith("delete")]
    balancer.up({})


def test_a_node_is_replaced_by_its_successor_first(balancer: Balancer):
    balancer.up({"pools.p.nodes": {"a": {"address": "10.0.0.1"}}})
    calls = balancer.up({"pools.p.nodes": {"a": {"address": "10.0.0.9"}}})
    assert before(calls, "create lb--node--p--10-0-0-9-8000", "delete lb--node--p--10-0-0-1-8000")
    assert before(calls, "create lb--out--10-0-0-9--8000", "create lb--node--p--10-0-0-9-8000")
    assert balancer.amiss == []


def test_nodes_that_change_their_names_stay_where_they_are(balancer: Balancer):
    """A list as a program counts it: the first one goes, and all others move up."""

    def counted(*last: int) -> dict[str, Any]:
        return {"pools.p.nodes": {f"n{i}": {"address": f"10.0.0.{n}"} for i, n in enumerate(last)}}

    balancer.up(counted(1, 2, 3))
    assert balancer.up(counted(2, 3)) == ["delete lb--node--p--10-0-0-1-8000", "delete lb--out--10-0-0-1--8000"]
    assert balancer.up({"pools.p.nodes": {"x": {"address": "10.0.0.3"}, "y": {"address": "10.0.0.2"}}}) == []
    assert balancer.amiss == []


def test_routes_swap_priorities_and_come_between_without_a_clash(balancer: Balancer):
    def routes(**more: Any) -> dict[str, Any]:
        return routed(a={"path": "/a", "priority": 20}, b={"path": "/b", "priority": 10}, **more)

    balancer.up(routes())
    assert balancer.up(routes(c={"path": "/c", "priority": 15})) == ["create lb--route--80--49986"]
    swapped = routed(a={"path": "/a", "priority": 10}, b={"path": "/b", "priority": 20})
    calls = balancer.up(swapped)
    assert sorted(calls) == [
        "delete lb--route--80--49986",
        "update lb--route--80--49981",
        "update lb--route--80--49991",
    ]


def test_pools_on_a_route_change_shares_in_place(balancer: Balancer):
    balancer.up(routed(a={"path": "/a", "pools": {"p": 100, "q": 0}, "priority": 1}))
    assert balancer.up(routed(a={"path": "/a", "pools": {"p": 50, "q": 50}, "priority": 1})) == [
        "update lb--route--80--50000"
    ]
    calls = balancer.up({**OTHER, "listeners.m": {"port": 90, "pool": "q"}})
    assert calls == ["delete lb--route--80--50000"]


def test_a_balancer_that_becomes_internal_is_a_new_one_with_groups_of_its_own(balancer: Balancer):
    balancer.up({})
    calls = balancer.up({}, internal=True)
    assert before(calls, "create lb", "create lb--listener--80")
    assert before(calls, "create lb--p", "create lb--listener--80")
    assert before(calls, "create lb--node--p--10-0-0-1-8000", "create lb--listener--80")
    assert before(calls, "create lb--listener--80", "delete lb")
    assert balancer.amiss == []


def test_a_static_address_outlives_its_balancer(balancer: Balancer):  # CR-4
    balancer.up(TCP, home="Nlb", name="static", **ELASTIC)
    assert "warning: Nlb.subnet_ids: one subnet is one zone" in balancer.text
    more = {**TCP, "listeners.l.port": 81, "pools.p.nodes.c": {"address": "10.0.0.3"}}
    calls = balancer.up(more, home="Nlb", name="static", **ELASTIC)
    assert not [call for call in calls if call.endswith((" static", FIRST))]
    calls = balancer.up(TCP, home="Nlb", name="static", subnet_ids=[FIRST, THIRD], static_addresses=True)
    assert "update static" in calls, "a zone is added in place"
    assert "delete static" not in calls
    calls = balancer.up(TCP, home="Nlb", name="static", **ELASTIC)
    assert before(calls, "delete static--listener--80", "delete static")
    assert before(calls, "delete static", "create static")
    assert not [call for call in calls if call.endswith(FIRST)], "the address stays"
    assert "delete static--p" not in calls
    calls = balancer.up(TCP, home="Nlb", name="static", subnet_ids=[FIRST])
    assert before(calls, "create static", "create static--listener--80"), (
        "AWS changes no address of a balancer that stands"
    )
    assert balancer.amiss == []


def test_a_create_that_fails_half_way_is_finished_by_the_next_up(balancer: Balancer):
    balancer.up({})
    balancer.stack.environment["LBKIT_FAIL"] = "create lb--node--q--10-0-1-1-9000"
    more = {**OTHER, "listeners.m": {"port": 90, "pool": "q"}}
    calls = balancer.up(more, fails=True)
    assert "create lb--listener--90" not in calls, "no listener before its pool is served"
    del balancer.stack.environment["LBKIT_FAIL"]
    calls = balancer.up(more, again=True)
    assert before(calls, "create lb--node--q--10-0-1-1-9000", "create lb--listener--90")
    assert "create lb--q" not in calls
    assert balancer.up(more, again=True) == []


def test_a_renamed_balancer_replaces_nothing(balancer: Balancer):
    balancer.up({**FIXED_FLEET})
    calls = balancer.up({**FIXED_FLEET}, name="inference", aliases=["lb"])
    assert calls == ["update inference--machines--p"], "only the machines' Name tag"
    balancer.up({**FIXED_FLEET}, aliases=["inference"])


def test_a_child_can_be_changed_and_reached_as_the_page_says(balancer: Balancer):
    snippet = (ROOT / "docs" / "aws.md").read_text().split("```python\n")[-1].partition("```")[0]
    prelude = "\n".join(PROGRAM.splitlines()[:-2]).replace(
        "import json, pulumi", "import json, pulumi\nfrom lbkit import Spec"
    )
    balancer.up({})
    balancer.stack.replace_program(f'{prelude}\nspec = Spec.load(given["spec"])\n{snippet}')
    calls = balancer.up({}, again=True)
    assert "create inference" in calls
    made = next(thing for thing in balancer.world().values() if thing["type"].endswith(":LoadBalancer"))
    assert made["enableWafFailOpen"] is True
    balancer.stack.replace_program(PROGRAM)
    balancer.up({}, again=True)


def test_subnets_in_one_zone_are_refused_before_anything_is_made(balancer: Balancer):  # AW-2, CR-3
    answer = {"vpcId": IDS["vpc_id"], "availabilityZone": "eu-west-1a"}
    balancer.stack.environment["LBKIT_ANSWERS"] = json.dumps({FIRST: answer, SECOND: answer})
    assert balancer.up({"pools.p.drain": 7}, name="refused", fails=True) == []
    assert "Name one in another zone" in balancer.text
    assert "::refused" not in balancer.stack.state_file, "not even the component"
    del balancer.stack.environment["LBKIT_ANSWERS"]
