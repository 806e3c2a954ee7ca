"""What can't be done in one placement, or is dangerous there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from lbkit.errors import Problem
from lbkit.spec import Fleet, Spec
from lbkit.spec.balancer import uses
from lbkit.spec.base import shown
from lbkit.spec.inputs import is_output
from lbkit.targets.aws.placement import Application, Machines, Placement, listed
from lbkit.targets.aws.rules import MOST_RULES

if TYPE_CHECKING:
    from lbkit.spec import Pool


def problems(spec: Spec, home: Placement) -> Iterator[Problem]:
    kind = type(home).__name__
    for name, pool in spec.pools.items():
        yield from _pool(f"pools.{name}", pool, home)
    for name, standing in home.machines.items():
        pool_ = spec.pools.get(name)
        if pool_ is None or pool_.fleet is None:
            fleets = ", ".join(key for key, item in spec.pools.items() if item.fleet) or "none"
            yield Problem(
                f"{kind}.machines.{name}", "There is no pool of this name with a fleet.", f"Pools with one: {fleets}."
            )
        else:
            yield from _standing(f"{kind}.machines.{name}", standing, pool_.fleet, home.machine_subnets(name))
    if isinstance(home, Application):
        yield from _versions(spec, home)
    for name, listener in spec.listeners.items():
        found = [item for cidr in listener.allow if not is_output(cidr)
                 for item in reaching(home, f"listeners.{name}.allow", str(cidr))]  # fmt: skip
        yield from found[:1]


def reaching(home: Placement, at: str, cidr: str) -> Iterator[Problem]:
    """Whether clients of a range could reach the balancer."""
    if ":" in cidr and home.ip == "ipv4":
        yield Problem(at, "This balancer has no IPv6 address, so no such client can reach it.",
                      f"Leave it out, or use {type(home).__name__}(ip='dualstack').", shown(cidr))  # fmt: skip


def _versions(spec: Spec, home: Application) -> Iterator[Problem]:
    """Pools that speak another version of HTTP."""
    plain = {
        pool: name
        for name, listener in spec.listeners.items()
        if listener.protocol == "http"
        for _, pool in uses(listener)
    }
    for field, name in (*(("http2", name) for name in home.http2), *(("grpc", name) for name in home.grpc)):
        at = f"Alb.{field}.{name}"
        pool = spec.pools.get(name)
        if pool is None:
            yield Problem(at, "There is no such pool.", f"Pools are: {', '.join(spec.pools)}.")
        elif name in plain:
            reason = f"Listener '{plain[name]}' leads here in plain HTTP, and AWS speaks this only behind https."
            yield Problem(at, reason, "Use https listeners, and let the plain one redirect.")
        elif field == "grpc" and name in home.http2:
            yield Problem(at, "gRPC is HTTP/2 already.", "Leave it out of `http2`.")
        elif field == "grpc" and pool.health_check and "codes" in pool.health_check.model_fields_set:
            yield Problem(f"pools.{name}.health_check.codes", "A gRPC check is judged by gRPC's own codes.",
                          f"Leave it out; the codes are those of {at}.", shown(pool.health_check.codes))  # fmt: skip


def _pool(at: str, pool: Pool, home: Placement) -> Iterator[Problem]:
    kind, known = type(home).__name__, bool(home.node_security_group_ids)
    if pool.firewall and pool.fleet:
        yield Problem(f"{at}.firewall", "A fleet's machines always get their rules.", "Leave it out.", "true")
    elif pool.firewall and not known:
        yield Problem(f"{at}.firewall", "lbkit does not know the nodes' security groups.",
                      f"Name them: {kind}(node_security_group_ids=['sg-...']).", "true")  # fmt: skip
    by_id = next((name for name, node in pool.nodes.items() if node.instance is not None), None)
    if by_id and not known:
        yield Problem(f"{at}.nodes.{by_id}.instance", "The balancer's rules name what it may reach, and an instance has no address here.",
                      f"Name the instances' groups: {kind}(node_security_group_ids=['sg-...']).")  # fmt: skip


def _standing(at: str, standing: Machines, fleet: Fleet, given: Any) -> Iterator[Problem]:
    subnets = listed(given)
    if is_output(given) and (standing.capacity_block or standing.efa):
        yield Problem(f"{at}.subnet_ids", "Here it must be a single one, so how many there are must be known.",
                      "Give a plain list of one id, which may be late.")  # fmt: skip
    mixed = bool(fleet.spot or fleet.fallbacks)
    if standing.capacity_reservation is not None and mixed:
        yield Problem(f"{at}.capacity_reservation", "A reservation holds one type of machine, on demand.",
                      "Leave `spot` and `fallbacks` out of the fleet.")  # fmt: skip
    if standing.capacity_block and len(subnets) > 1:
        yield Problem(
            f"{at}.subnet_ids",
            "A capacity block lies in one zone.",
            "Name the one subnet in that zone.",
            str(len(subnets)),
        )
    if standing.capacity_block and fleet.warm:
        yield Problem(
            f"{at}.capacity_block", "A capacity block keeps no warm machines.", "Leave `warm` out of the fleet.", "true"
        )
    if standing.efa and len(subnets) > 1:
        yield Problem(
            f"{at}.efa",
            "The fabric connects machines of one zone.",
            "Name one subnet in subnet_ids.",
            str(standing.efa),
        )


def warnings(spec: Spec, home: Placement) -> Iterator[str]:
    kind = type(home).__name__
    if not home.cross_zone:
        yield f"{kind}.cross_zone: a zone with few nodes gets as much as one with many, and one without nodes gets its share too."
    if len(listed(home.subnet_ids)) == 1:
        yield f"{kind}.subnet_ids: one subnet is one zone; when that fails, the balancer fails."
    for name, pool in spec.pools.items():
        if pool.fleet and len(listed(home.machine_subnets(name))) == 1 and not home.standing(name).capacity_block:
            yield f"pools.{name}.fleet: one subnet is one zone; when that fails, all machines do."
        block = home.standing(name).capacity_block
        if pool.fleet and block and pool.fleet.rollout == 100:
            yield f"pools.{name}.fleet.rollout: a full capacity block has no room for new machines first; choose less than 100."
    in_all = sum(len(pool.nodes) for pool in spec.pools.values())
    if in_all > MOST_RULES and not home.node_security_group_ids:
        yield (f"{in_all} nodes by address are as many rules or more in one security group; AWS allows {MOST_RULES} until you "
               f"ask for more. Name the nodes' groups instead: {kind}(node_security_group_ids=[...]).")  # fmt: skip
