"""What a plan is made of: arguments by kind and key, and what one object says about another.

Still no Pulumi: a `Ref` becomes the other object's name, and so the edge that orders creation and deletion; a `Text`
is a text with such names, or late values, in it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any, NamedTuple

from lbkit.spec.inputs import is_output

Args = dict[str, Any]
PLACEMENT = "placement"
"""Key of the placement's address, which may be late."""

SUFFIX = {
    "certificates": "certificate", "keys": "key", "snat_pools": "snat", "virtual_addresses": "address",
    "server_tls": "serverssl", "client_tls": "clientssl", "tcp": "tcp", "fast_l4": "fastl4", "http": "http",
    "one_connect": "oneconnect", "cookies": "cookie", "sources": "source", "monitors": "monitor", "nodes": "node",
    "pools": "pool", "members": "member", "rules": "rule", "policies": "policy", "virtual_servers": "server",
}  # fmt: skip
"""Kinds in the order of their making, and the end of their objects' names."""


class Ref(NamedTuple):
    """The name of another object of the plan."""

    kind: str
    key: str


class Text(NamedTuple):
    """A text of parts: plain ones, names of other objects, late values."""

    parts: tuple[Any, ...]


class Plan:
    """All arguments of all objects, keyed by kind and by the middle of their Pulumi name.

    On the device an object has the same name as in Pulumi, so what forces a replacement stands in the key.
    """

    def __init__(self, name: str, partition: str) -> None:
        self.name, self.partition = name, partition
        self.kinds: dict[str, dict[str, Args]] = {kind: {} for kind in SUFFIX}
        self.members: dict[str, list[Ref]] = {}
        self.late_nodes: dict[int, Ref] = {}

    def add(self, kind: str, key: str, args: Args) -> Ref:
        self.kinds[kind][key] = {"name": self.path(kind, key)} | args
        return Ref(kind, key)

    def join(self, pool: Ref, key: str, args: Args) -> None:
        """A member of a pool. It has no name of its own."""
        self.kinds["members"][key] = {"pool": pool, **args}
        self.members.setdefault(pool.key, []).append(Ref("members", key))

    def path(self, kind: str, key: str) -> str:
        return f"/{self.partition}/{self.name}--{key}--{SUFFIX[kind]}"


def known(address: Any) -> str | None:
    """The address as text; None while it is late or not given."""
    return None if address is None or is_output(address) else str(address)


def when_known(value: Any, then: Callable[[Any], Any]) -> Any:
    """What follows from a value that may be late."""
    return value.apply(then) if is_output(value) else then(value)


def late_in(value: Any) -> list[Any]:
    """All late values within plain data."""
    if is_output(value):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return [found for item in inner for found in late_in(item)]


def dashed(address: str) -> str:
    """An address inside a name. It begins with a digit, which no name of a spec does."""
    found = ipaddress.ip_address(address)
    return str(found).replace(".", "-") if found.version == 4 else "6-" + found.exploded.replace(":", "-")


def dashed_range(cidr: str) -> str:
    """A range inside a name."""
    network = ipaddress.ip_network(cidr)
    return f"{dashed(str(network.network_address))}-{network.prefixlen}"


def everywhere(address: str) -> str:
    """The range of all clients that can reach an address."""
    return "0.0.0.0/0" if ipaddress.ip_address(address).version == 4 else "::/0"


def one_host(address: str) -> str:
    """The mask of one address."""
    return "255.255.255.255" if ipaddress.ip_address(address).version == 4 else ":".join(["ffff"] * 8)
