"""Virtual servers and what they stand on, in F5's words.

HTTP listeners are standard virtual servers whose list of profiles never changes its length; tcp and tls listeners are
fast L4 ones. One virtual server for each range of `allow`: the device has one source to each.

An address and port is held once on a device, so it names all that stands there: a listener's new name changes nothing
but a description, and listeners that change places are changed in place.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from lbkit.spec import Listener, Pool, Spec, Timeouts
from lbkit.spec.balancer import uses
from lbkit.spec.inputs import is_output
from lbkit.targets.bigip.parts import (
    PLACEMENT,
    Args,
    Plan,
    Ref,
    dashed,
    dashed_range,
    everywhere,
    known,
    one_host,
    when_known,
)
from lbkit.targets.bigip.placement import reaching
from lbkit.targets.bigip.routes import by_policy, policy, rule
from lbkit.targets.bigip.tls import client_profiles

if TYPE_CHECKING:
    from lbkit.targets.bigip import Ltm
    from lbkit.targets.bigip.certificates import Reader


def add(plan: Plan, name: str, spec: Spec, ltm: Ltm, pools: dict[str, Ref], read: Reader) -> None:
    """A listener's virtual servers with all they need."""
    listener = spec.listeners[name]
    place, address = held(listener, ltm), listener.address or ltm.address
    lead = next(iter(_leads_to(listener)), None)
    first = spec.pools[lead] if lead else None  # its settings are the virtual server's; its other pools agree (rules)
    behind = [member for key in _leads_to(listener) for member in plan.members.get(pools[key].key, [])]
    if listener.protocol in ("http", "https"):
        stack = _http(plan, place, listener, first, pools, behind)
        stack["profiles"] += [
            _reuse(plan, place, first, address, ltm),
            *(["/Common/websocket"] if ltm.websocket else []),
        ]
        stack["client_profiles"] = client_profiles(plan, place, listener, read)
        stack["server_profiles"] = (
            [Ref("server_tls", server_tls_key(lead, first))] if lead and first and first.protocol == "https" else []
        )
    else:
        stack = _layer4(plan, place, first)
    sticks = _persistence(plan, place, first, address)
    for suffix, source in _sources(name, listener, address):
        plan.add("virtual_servers", f"{place}{suffix}", {
            "description": f"listener {name} of {plan.name}",
            "destination": address, "port": listener.port, "mask": when_known(address, one_host), "source": source,
            "ip_protocol": "tcp", "pool": pools[listener.pool] if listener.pool else "", **stack,
            "persistence_profiles": [sticks] if sticks else [], "default_persistence_profile": sticks or "",
            **_snat(ltm), "source_port": "preserve", "translate_address": "enabled", "translate_port": "enabled",
            "state": "enabled", "after": [*behind, *_own_address(listener, ltm)],
        })  # fmt: skip


def held(listener: Listener, ltm: Ltm) -> str:
    """What a listener holds, as a name: the port, and its address where that is not the placement's."""
    address = address_key(listener, ltm)
    return str(listener.port) if address == PLACEMENT else f"{address}-{listener.port}"


def address_key(listener: Listener, ltm: Ltm) -> str:
    """The placement's address is known by its place and not by its value, which may change from now to late."""
    return PLACEMENT if listener.address in (None, known(ltm.address)) else dashed(str(listener.address))


def server_tls_key(name: str, pool: Pool) -> str:
    """A server name can't be taken off a profile, so one with a name is another."""
    return f"{name}--named" if pool.tls and pool.tls.server_name else name


def _leads_to(listener: Listener) -> list[str]:
    """The pools behind a listener, each once."""
    return list(dict.fromkeys(pool for _, pool in uses(listener)))


def _sources(name: str, listener: Listener, address: Any) -> Iterator[tuple[str, Any]]:
    """(end of the key, source). A late range is known by its place among the late ones."""
    if not listener.allow:
        yield "", when_known(address, everywhere)
    late = itertools.count()
    for item in listener.allow:
        if is_output(item):
            yield f"--late-{next(late)}", reaching(f"listeners.{name}.allow", item, known(address))
        else:
            yield f"--{dashed_range(str(item))}", item


def _http(
    plan: Plan, place: str, listener: Listener, first: Pool | None, pools: dict[str, Ref], behind: list[Ref]
) -> Args:
    idle = (first.timeouts if first else Timeouts()).idle
    tcp = plan.add("tcp", place, {"defaults_from": "/Common/tcp", "idle_timeout": int(idle)})
    http = plan.add("http", place, {"defaults_from": "/Common/http", "insert_xforwarded_for": "enabled"})
    text = plan.add("rules", place, {"irule": rule(listener, pools.__getitem__), "after": behind})
    found = []
    if by_policy(listener):
        found.append(plan.add("policies", place, {**policy(listener, pools.__getitem__), "after": behind}))
    return {"profiles": [tcp, http], "irules": [text], "policies": found}


def _reuse(plan: Plan, place: str, pool: Pool | None, address: Any, ltm: Ltm) -> Ref:
    """Connections to nodes are shared between clients, so that every request is balanced; but a client's own address,
    where it is kept, is never another's."""
    return plan.add("one_connect", place, {
        "defaults_from": "/Common/oneconnect",
        "idle_timeout_override": str(int((pool.timeouts if pool else Timeouts()).keep_alive)),
        "limit_type": "none",
        "source_mask": when_known(address, one_host) if ltm.snat == "none" else "any",
        "share_pools": "disabled",
    })  # fmt: skip


def _layer4(plan: Plan, place: str, pool: Pool | None) -> Args:
    assert pool is not None
    fast = plan.add("fast_l4", place, {
        "defaults_from": "/Common/fastL4", "idle_timeout": str(int(pool.timeouts.idle)),
        "tcp_handshake_timeout": str(int(pool.timeouts.connect)),
    })  # fmt: skip
    return {"profiles": [fast], "client_profiles": [], "server_profiles": [], "irules": [], "policies": []}


def _persistence(plan: Plan, place: str, pool: Pool | None, address: Any) -> Ref | None:
    """Cookies, or a hash of the client's address. CARP is stateless and moves only the share of a node that leaves."""
    same = {"match_across_pools": "disabled", "match_across_services": "disabled", "match_across_virtuals": "disabled",
            "mirror": "disabled", "override_conn_limit": "disabled"}  # fmt: skip
    if pool and pool.sticky:
        return plan.add("cookies", place, {
            "defaults_from": "/Common/cookie", "method": "insert", "cookie_name": pool.sticky.cookie,
            "expiration": _lifetime(pool.sticky.ttl), "timeout": 0, "always_send": "disabled", "httponly": "enabled",
            "cookie_encryption": "disabled", **same,
        })  # fmt: skip
    if pool and pool.algorithm == "source_hash":
        return plan.add("sources", place, {
            "defaults_from": "/Common/source_addr", "hash_algorithm": "carp", "mask": when_known(address, one_host),
            "timeout": 180, "map_proxies": "enabled", **same,
        })  # fmt: skip
    return None


def _lifetime(seconds: float | None) -> str:
    """Days, hours, minutes and seconds; 0 is the browser's session."""
    if seconds is None:
        return "0"
    left = int(seconds)
    return f"{left // 86_400}:{left // 3600 % 24}:{left // 60 % 60}:{left % 60}"


def _snat(ltm: Ltm) -> Args:
    if isinstance(ltm.snat, list):
        return {"source_address_translation": "snat", "snatpool": Ref("snat_pools", "addresses")}
    return {"source_address_translation": ltm.snat, "snatpool": ""}


def _own_address(listener: Listener, ltm: Ltm) -> list[Ref]:
    """The virtual address, when lbkit owns it: it must be there before the first virtual server."""
    return [Ref("virtual_addresses", address_key(listener, ltm))] if ltm.traffic_group else []
