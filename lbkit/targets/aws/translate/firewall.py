"""Security groups and their rules: clients to the listeners' ports, the balancer to traffic and health ports of nodes,
and nothing more (AW-15). Each rule is a resource of its own, so that one changes without the others.

A rule's name holds all that may differ, so two equal rules, which AWS refuses, have one name.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from lbkit.spec import Node, Pool, Spec
from lbkit.spec.inputs import is_output, origin
from lbkit.targets.aws.placed import reaching
from lbkit.targets.aws.placement import Network, Placement
from lbkit.targets.aws.plan import Args, Plan, Planned, Ref, Text, key, slug
from lbkit.targets.aws.rules import address, judged

BALANCERS = key("firewall", "balancer")
"""Key of the balancer's own security group."""
_ANYWHERE = {"ipv4": ["0.0.0.0/0"], "dualstack": ["0.0.0.0/0", "::/0"]}
_IN, _OUT = "vpc.SecurityGroupIngressRule", "vpc.SecurityGroupEgressRule"


_TEXTS = {False: "lbkit: the balancer", True: "lbkit: the balancer with Elastic IPs"}
"""A group's text and VPC can't change, so it is replaced, and the balancer with it: AWS changes neither on a balancer that
stands, though the provider would try."""


def elastic(home: Placement) -> bool:
    """Whether the balancer's addresses are Elastic IPs."""
    return isinstance(home, Network) and bool(home.static_addresses or home.allocation_ids)


def machines_group(pool: str) -> str:
    """Key of a fleet's security group. Each fleet has its own, so that none admits another's ports."""
    return key("firewall", "nodes", pool)


def firewall(spec: Spec, home: Placement) -> Plan:
    """All groups and rules."""
    plan: Plan = {BALANCERS: _group(_TEXTS[elastic(home)], home)}
    fleets = [name for name, pool in spec.pools.items() if pool.fleet]
    plan |= {machines_group(name): _group("lbkit: machines behind the balancer", home) for name in fleets}
    plan |= _clients(spec, home)
    late = _late(spec)
    for name, pool in spec.pools.items():
        plan |= _fleet(name, pool, home) if pool.fleet else _nodes(name, pool, home, late)
    return plan


def ways_to(spec: Spec, home: Placement) -> dict[tuple[str, str], list[str]]:
    """By pool and node: keys of the rules that must stand before the node gets traffic."""
    late = _late(spec)
    return {
        (name, label): [rule for rule, _ in _reach(name, pool, home, label, late)]
        for name, pool in spec.pools.items()
        for label in pool.nodes
    }


def _late(spec: Spec) -> dict[int, str]:
    """What keys the rules of a late address, by the Output: one that is in several pools has one rule for each port."""
    found: dict[int, str] = {}
    for name, pool in sorted(spec.pools.items()):
        for label, node in sorted(pool.nodes.items()):
            if is_output(node.address):
                found.setdefault(id(origin(node.address)), key(name, label))
    return found


def ways_out(name: str, home: Placement) -> list[str]:
    """Keys of the rules that let a fleet's machines out."""
    return [key("leave", name, place) for place, _ in _ranges(home.standing(name).egress)]


def _group(text: str, home: Placement) -> Planned:
    return Planned("ec2.SecurityGroup", {"vpc_id": home.vpc_id, "description": text})


def _rule(kind: str, group: Any, port: int | None, peer: Args, named: str = "") -> Planned:
    ports = {"ip_protocol": "-1"} if port is None else {"ip_protocol": "tcp", "from_port": port, "to_port": port}
    return Planned(kind, {"security_group_id": group, **ports, **peer}, named=named)


def _ranges(cidrs: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    """(part of a rule's key, range). A late one is known by its place among the late ones."""
    late = itertools.count()
    for cidr in cidrs:
        yield f"late-{next(late)}" if is_output(cidr) else slug(cidr), cidr


def _range(cidr: Any) -> Args:
    """A range of either kind; of a late one nobody knows yet which."""
    if is_output(cidr):
        return {"cidr_ipv4": cidr.apply(lambda known: None if ":" in known else known),
                "cidr_ipv6": cidr.apply(lambda known: known if ":" in known else None)}  # fmt: skip
    return {"cidr_ipv6" if ":" in cidr else "cidr_ipv4": cidr}


def _clients(spec: Spec, home: Placement) -> Plan:
    plan: Plan = {}
    for name, listener in spec.listeners.items():
        for place, cidr in _ranges(listener.allow or _ANYWHERE[home.ip]):
            known = judged(f"listeners.{name}.allow", cidr, partial(reaching, home))
            peer = {"cidr_ipv4": known} if is_output(cidr) and home.ip == "ipv4" else _range(known)
            named = key("in", listener.port, place)
            plan[key("in", name, place)] = _rule(_IN, Ref(BALANCERS, "id"), listener.port, peer, named=named)
    return plan


def _fleet(name: str, pool: Pool, home: Placement) -> Plan:
    """The balancer into the machines, the machines out, and among themselves where a fabric connects them."""
    group, own = machines_group(name), Ref(machines_group(name), "id")
    plan: Plan = {}
    for port in ports_of(pool):
        balancer = Ref(BALANCERS, "id")
        plan[key("out", name, port)] = _rule(_OUT, balancer, port, {"referenced_security_group_id": own})
        plan[key("admit", name, port)] = _rule(_IN, own, port, {"referenced_security_group_id": balancer})
    for place, cidr in _ranges(home.standing(name).egress):
        plan[key("leave", name, place)] = _rule(_OUT, Ref(group, "id"), None, _range(cidr))
    if home.standing(name).efa:
        itself = {"referenced_security_group_id": own}
        plan[key("fabric", name, "in")] = _rule(_IN, own, None, itself)
        plan[key("fabric", name, "out")] = _rule(_OUT, own, None, itself)
    return plan


def _nodes(name: str, pool: Pool, home: Placement, late: Mapping[int, str]) -> Plan:
    return {rule: item for label in pool.nodes for rule, item in _reach(name, pool, home, label, late)}


def _reach(
    name: str, pool: Pool, home: Placement, label: str, late: Mapping[int, str]
) -> Iterator[tuple[str, Planned]]:
    """The rules for one listed node: by the groups it is in, else by its address."""
    node, balancer = pool.nodes[label], Ref(BALANCERS, "id")
    for port in ports_of(pool, node):
        for index, group in enumerate(home.node_security_group_ids):
            at = str(index) if is_output(group) else str(group)
            yield key("reach", at, port), _rule(_OUT, balancer, port, {"referenced_security_group_id": group})
            if pool.firewall:
                yield key("open", at, port), _rule(_IN, group, port, {"referenced_security_group_id": balancer})
        if not home.node_security_group_ids:
            at = late[id(origin(node.address))] if is_output(node.address) else slug(node.address)
            known = judged(f"pools.{name}.nodes.{label}.address", node.address, address)
            host = Text((known, "/32")) if is_output(known) else f"{known}/32"
            way = _rule(_OUT, balancer, port, {"cidr_ipv4": host})
            way.replaced_on = ("cidrIpv4",) if is_output(known) else ()  # a node that leaves is reached until it is out
            yield key("out", at, port), way


def ports_of(pool: Pool, node: Node | None = None) -> list[int]:
    """Traffic and health port."""
    port = (node and node.port) or pool.port
    return sorted({port, (pool.health_check and pool.health_check.port) or port})
