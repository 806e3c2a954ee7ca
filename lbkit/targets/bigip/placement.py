"""What a BIG-IP refuses because of where a spec is placed: addresses, limits and its processors, files of this machine."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from lbkit.errors import Belated, Problem
from lbkit.spec import Spec
from lbkit.spec.base import shown
from lbkit.targets.bigip.certificates import read, unreadable
from lbkit.targets.bigip.device import Device, Pair, host_of, managed_at
from lbkit.targets.bigip.parts import known

if TYPE_CHECKING:
    from lbkit.targets.bigip import Ltm


def servable(address: str) -> str:
    """An address that traffic can come to."""
    found = ipaddress.ip_address(address)
    if any((found.is_unspecified, found.is_loopback, found.is_multicast, found.is_link_local, found.is_reserved)):
        raise ValueError("No traffic can come to this address.\nGive one of a traffic network.")
    return address


def translation(value: Any) -> Any:
    """The source addresses towards nodes, as far as their form goes."""
    if not isinstance(value, list) and value not in ("automap", "none"):
        raise ValueError("This is no source address.\nGive 'automap', 'none' or a list of addresses.")
    return value


def problems(spec: Spec, ltm: Ltm) -> Iterator[Problem]:
    yield from addresses(spec, ltm, managed_at(ltm.device))
    yield from _limits(spec, ltm)
    yield from _authorities(ltm)
    yield from unreadable(spec)


def addresses(spec: Spec, ltm: Ltm, managed: list[Any]) -> Iterator[Problem]:
    """All that addresses may not be, as far as they are known."""
    yield from _destinations(spec, ltm)
    yield from _ranges(spec, ltm)
    yield from _sources(spec, ltm)
    yield from _managed(spec, ltm, managed)


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
                reason, _, remedy = str(error).partition("\n")
                remedy += " Or leave it out, for the placement's."
                yield Problem(f"{at}.address", reason, remedy, shown(listener.address))
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
    kinds = {ipaddress.ip_address(item).version for item in given if item}
    for name, pool in spec.pools.items():
        for key, node in pool.nodes.items():
            address = known(node.address)
            if address and address in given:
                yield Problem("Ltm.snat", f"This is the address of pools.{name}.nodes.{key}, which would answer itself.",
                              "Give addresses that no other host has.", shown(address))  # fmt: skip
            elif (
                address
                and kinds
                and None not in given
                and (version := ipaddress.ip_address(address).version) not in kinds
            ):
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


def _authorities(ltm: Ltm) -> Iterator[Problem]:
    devices = ltm.device.devices if isinstance(ltm.device, Pair) else {"": ltm.device}
    for name, device in devices.items():
        if isinstance(device, Device) and device.ca is not None:
            try:
                read(device.ca)
            except ValueError as error:
                at = f"Pair.devices.{name}.ca" if name else "Device.ca"
                yield Problem(at, str(error), "A PEM file on the machine that runs `pulumi up`.", shown(device.ca))


def _managed(spec: Spec, ltm: Ltm, managed: list[Any]) -> Iterator[Problem]:
    """An address that a device is managed at serves nobody."""
    hosts = {host_of(str(address)) for address in managed if known(address)}
    places: dict[str, Any] = {"Ltm.address": ltm.address}
    places |= {f"listeners.{name}.address": listener.address for name, listener in spec.listeners.items()}
    for at, address in places.items():
        if known(address) in hosts:
            yield Problem(at, "This is the device's management address, and virtual servers can't use it.",
                          "Give an address of a traffic network.", shown(address))  # fmt: skip
