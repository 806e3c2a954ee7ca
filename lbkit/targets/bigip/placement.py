"""What a BIG-IP refuses because of where a spec is placed: addresses, limits and its processors, files of this machine."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from lbkit.errors import Belated, Problem
from lbkit.spec import Spec
from lbkit.spec.base import shown
from lbkit.targets.bigip.certificates import unreadable
from lbkit.targets.bigip.device import Device, Pair
from lbkit.targets.bigip.parts import known

if TYPE_CHECKING:
    from lbkit.targets.bigip import Ltm


def servable(address: str) -> str:
    """An address that clients can be served on."""
    found = ipaddress.ip_address(address)
    if found.is_unspecified or found.is_loopback or found.is_multicast or found.is_link_local:
        raise ValueError("Clients can't be served on this address. Give one of the network that they come from.")
    return address


def problems(spec: Spec, ltm: Ltm) -> Iterator[Problem]:
    yield from _destinations(spec, ltm)
    yield from _ranges(spec, ltm)
    yield from _sources(spec, ltm)
    yield from _limits(spec, ltm)
    yield from _managed(ltm)
    yield from unreadable(spec)


def _destinations(spec: Spec, ltm: Ltm) -> Iterator[Problem]:
    """Addresses that clients can be served on, and never a node's."""
    taken = {known(node.address): f"pools.{pool}.nodes.{key}" for pool, item in spec.pools.items()
             for key, node in item.nodes.items()}  # fmt: skip
    for name, listener in spec.listeners.items():
        at = f"listeners.{name}"
        if listener.address is not None:
            try:
                servable(listener.address)
            except ValueError as error:
                yield Problem(
                    f"{at}.address", str(error), "Or leave it out, for the placement's.", shown(listener.address)
                )
        address = known(listener.address or ltm.address)
        if address is None:
            continue
        if address in taken:
            yield Problem(f"{taken[address]}.address", f"This is the address of the virtual server of {at}, which would call itself.",
                          "Give the node's own address.", shown(address))  # fmt: skip


def _ranges(spec: Spec, ltm: Ltm) -> Iterator[Problem]:
    for name, listener in spec.listeners.items():
        address = known(listener.address or ltm.address)
        for item in map(known, listener.allow):
            if item and address:
                yield from _apart(f"listeners.{name}.allow", item, address, shown(item))


def _apart(at: str, item: str, address: str, value: str = "") -> Iterator[Problem]:
    version = ipaddress.ip_address(address).version
    if ipaddress.ip_network(item).version != version:
        yield Problem(at, f"No client of this range can reach an IPv{version} address.",
                      "Leave the range out, or listen on an address of its kind.", value)  # fmt: skip


def reaching(at: str, item: Any, address: str | None) -> Any:
    """A late range, refused when it arrives if its clients can't reach the address."""

    def arrived(found: str) -> str:
        if address and (problems := list(_apart(at, found, address))):
            raise Belated(*problems)
        return found

    return item.apply(arrived)


def _sources(spec: Spec, ltm: Ltm) -> Iterator[Problem]:
    """Addresses that the device takes towards nodes must be of the nodes' kind; its own are."""
    given = [known(item) for item in ltm.snat] if isinstance(ltm.snat, list) else []
    if not given or None in given:
        return
    kinds = {ipaddress.ip_address(str(item)).version for item in given}
    for name, pool in spec.pools.items():
        for key, node in pool.nodes.items():
            address = known(node.address)
            if address and (version := ipaddress.ip_address(address).version) not in kinds:
                yield Problem(f"pools.{name}.nodes.{key}.address", f"Ltm.snat has no IPv{version} address to reach this node from.",
                              "Add one, or use snat='automap'.", shown(address))  # fmt: skip


def _limits(spec: Spec, ltm: Ltm) -> Iterator[Problem]:
    """A limit is divided over the traffic processes; only a multiple is never exceeded (F5 K8457)."""
    for name, pool in spec.pools.items():
        hard, at = pool.limits.hard, f"pools.{name}.limits.hard"
        if not hard:
            continue
        if ltm.tmms is None:
            yield Problem(at, "A BIG-IP divides a limit over its traffic processes, so lbkit must know how many there are.",
                          "Say Ltm(tmms=...) with the number of `show sys tmm-info`, or leave `hard` out.", shown(hard))  # fmt: skip
        elif hard % ltm.tmms:
            yield Problem(at, f"Divided over {ltm.tmms} traffic processes, this limit would be exceeded.",
                          f"Choose a multiple of {ltm.tmms}.", shown(hard))  # fmt: skip


def _managed(ltm: Ltm) -> Iterator[Problem]:
    device = ltm.device.devices[ltm.device.talk_to] if isinstance(ltm.device, Pair) else ltm.device
    if not isinstance(device, Device):
        return
    management = known(device.address)
    address = known(ltm.address)
    if management and address and management.removeprefix("https://").removeprefix("http://").split(":")[0] == address:
        yield Problem("Ltm.address", "This is the device's management address, and virtual servers can't use it.",
                      "Give an address of a traffic network.", shown(address))  # fmt: skip
