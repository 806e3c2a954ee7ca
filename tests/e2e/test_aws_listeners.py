"""Listeners at AWS, under the real engine: a port is listened on once, whatever the spec calls it."""

from __future__ import annotations

from typing import Any

from tests.e2e.aws_house import Balancer
from tests.e2e.house import before
from tests.targets.aws.house import CERTIFICATE, OTHER, TLS, changed

LISTENERS: dict[str, Any] = {
    **OTHER, **TLS, "listeners.l.port": 443, "listeners.l.allow": ["10.0.0.0/8"],
    "listeners.l.tls.names": {"x": {"certificate": CERTIFICATE.format("b")}}, "listeners.l.tls.client_ca": "s3://ours/ca.pem",
    "listeners.l.routes": {"a": {"path": "/a", "pool": "q"}, "no": {"path": "/admin", "answer": {"status": 403}}},
    "listeners.m": {"port": 90, "pool": "q", "routes": {"b": {"path": "/b", "pool": "p"}}},
}  # fmt: skip


def renamed(names: dict[str, str]) -> dict[str, Any]:
    """LISTENERS under other names."""
    base = changed(LISTENERS).model_dump(exclude_unset=True)["listeners"]
    return {**OTHER, "listeners": {names.get(name, name): item for name, item in base.items()}}


def test_a_listener_that_changes_its_name_stays_with_all_that_is_its_own(balancer: Balancer):
    balancer.up(LISTENERS)
    assert balancer.up(renamed({"l": "secure"})) == []
    assert balancer.up(renamed({"l": "m", "m": "l"})) == [], "two that swap names"


def test_two_listeners_swap_their_ports_in_place(balancer: Balancer):
    """AWS refuses a port that is listened on twice, so what moves is the content of two listeners."""
    plain = {**OTHER, "listeners.m": {"port": 90, "pool": "q"}}
    balancer.up(plain)
    swapped = {**plain, "listeners.l.port": 90, "listeners.m.port": 80}
    assert sorted(balancer.up(swapped)) == ["update lb--listener--80", "update lb--listener--90"]
    balancer.up(LISTENERS)
    calls = balancer.up({**LISTENERS, "listeners.l.port": 90, "listeners.m.port": 443})
    assert {"update lb--listener--90", "update lb--listener--443"} <= set(calls)
    assert "delete lb--certificate--443--b" in calls
    assert not [call for call in calls if call.startswith("delete lb--listener")]
    assert balancer.amiss == []


def test_a_listener_moves_to_another_port_beside_the_old_one(balancer: Balancer):
    balancer.up(LISTENERS)
    calls = balancer.up({**LISTENERS, "listeners.l.port": 8443})
    assert before(calls, "create lb--listener--8443", "delete lb--listener--443")
    assert len([call for call in calls if call.startswith("create lb--route--8443")]) == 2
    assert before(calls, "create lb--certificate--8443--b", "delete lb--listener--443")
    assert not [call for call in calls if call.startswith("delete lb--route")], (
        "no port is without its routes before it goes"
    )
    assert "delete lb--certificate--443--b" not in calls
    assert balancer.amiss == []
    balancer.up({})
    calls = balancer.up(
        {**TLS, "listeners.l.port": 443, "listeners.r": {"port": 80, "redirect": {"scheme": "https", "status": 301}}}
    )
    assert before(calls, "create lb--listener--443", "update lb--listener--80"), "nobody is sent where nothing listens"
    assert before(balancer.up({}), "update lb--listener--80", "delete lb--listener--443")
