"""Spec words in, F5 words out: plain dicts, no Pulumi. Everything that is sent to the provider is decided here.

Every argument is written out: the provider keeps the old value of one that is left out later. Pulumi names and the
device's names are made together, so that what forces a replacement (a monitor's type, a node's address) is a new
object, never the old name again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lbkit.spec import Spec
from lbkit.targets.bigip import health, pools, servers, tls
from lbkit.targets.bigip.certificates import Reader, read
from lbkit.targets.bigip.parts import Args, Plan, Ref, when_known

if TYPE_CHECKING:
    from lbkit.targets.bigip import Ltm


def plan(name: str, spec: Spec, ltm: Ltm, reader: Reader = read) -> dict[str, dict[str, Args]]:
    """All arguments of all objects, keyed by kind and by the middle of their Pulumi name."""
    found = Plan(name, ltm.partition)
    if isinstance(ltm.snat, list):
        members = [when_known(item, lambda address: f"/{ltm.partition}/{address}") for item in ltm.snat]
        found.add("snat_pools", "addresses", {"members": members})
    _addresses(found, spec, ltm)
    made = {}
    for key, pool in spec.pools.items():
        secured = _server_tls(found, key, spec, reader)
        check = (
            found.add("monitors", health.key(key, pool), health.monitor(pool, secured)) if pool.health_check else None
        )
        made[key] = pools.add(found, key, pool, check)
    for key in spec.listeners:
        servers.add(found, key, spec, ltm, made, reader)
    return found.kinds


def _server_tls(plan: Plan, key: str, spec: Spec, reader: Reader) -> Ref | None:
    pool = spec.pools[key]
    if pool.protocol != "https":
        return None
    return tls.server_profile(plan, servers.server_tls_key(key, pool), pool, reader)


def _addresses(plan: Plan, spec: Spec, ltm: Ltm) -> None:
    """The virtual addresses that lbkit owns, each once."""
    if ltm.traffic_group is None:
        return
    wanted = {servers.address_key(item, ltm): item.address or ltm.address for item in spec.listeners.values()}
    for key, address in wanted.items():
        plan.add("virtual_addresses", key, {
            "name": when_known(address, lambda at: f"/{plan.partition}/{at}"), "traffic_group": ltm.traffic_group,
            "auto_delete": False, "arp": True, "enabled": True, "icmp_echo": "enabled",
            "advertize_route": "disabled", "conn_limit": 0})  # fmt: skip
