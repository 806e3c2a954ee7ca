"""What a device accepts, how it fills in what was left out, and what uses what."""

from __future__ import annotations

import re
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.targets.bigip.double import virtual_server
from tests.targets.bigip.double.words import ALGORITHMS, DEFAULTS, KINDS, Refused, missing

if TYPE_CHECKING:
    from tests.targets.bigip.double.device import Device

Object = dict[str, Any]


def qualified(name: str, partition: str = "Common") -> str:
    return name if name.startswith("/") else f"/{partition}/{name}"


def own_partition(device: Device, kind: str, name: str) -> None:
    partition = name.split("/")[1]
    if partition not in device.partitions:
        raise Refused(400, f"01070734:3: Configuration error: Can't associate {kind} ({name}) folder does not exist")
    allowed = r"/[A-Za-z0-9_.-]+(/Drafts)?/[A-Za-z0-9_.:-]+"
    if not re.fullmatch(allowed, name):
        raise Refused(400, f"invalid name {name}", 26214401)


def merged(collection: str, current: Object, body: Object, *, replace: bool) -> Object:
    """PUT replaces and brings defaults back; PATCH and POST merge, also inside a source translation."""
    kept = {"fullPath", "address", "defaultsFrom"}
    base = {k: v for k, v in current.items() if k in kept} | DEFAULTS.get(collection, {}) if replace else current
    made = {**base, **{key: value for key, value in body.items() if key not in ("name", "partition")}}
    made["fullPath"] = current["fullPath"]
    if collection == "ltm/virtual":
        snat = {**current.get("sourceAddressTranslation", {}), **body.get("sourceAddressTranslation", {})}
        made["sourceAddressTranslation"] = snat or {"type": "none"}
        made["destination"] = qualified(str(made["destination"]), made["fullPath"].split("/")[1])
        for key in ("persist", "policies", "rules"):
            made[key] = [item for item in made.get(key) or [] if item]
        _fill_profiles(made)
    if collection.startswith("ltm/monitor/") and int(made.get("interval", 5)) >= int(made.get("timeout", 16)):
        made["interval"] = int(made["timeout"]) - 1
    return made


def _fill_profiles(made: Object) -> None:
    profiles = [dict(item) for item in made.get("profiles") or []]
    names = {item["name"] for item in profiles}
    made["profiles"] = profiles if names else [{"name": "/Common/fastL4", "context": "all"}]


def member(current: Object, body: Object) -> Object:
    if body.get("session") == "monitor-enabled":
        raise Refused(400, 'invalid property value "session":"monitor-enabled"', 26214401)
    if not 1 <= int(body.get("ratio", 1)) <= 65_535:
        raise Refused(400, f'invalid property value "ratio":"{body["ratio"]}"', 26214401)
    return {**current, **{key: value for key, value in body.items() if value is not None}}


def accept(device: Device, collection: str, name: str, made: Object) -> None:
    """Raise Refused for what a device does not take."""
    for other, reference in references(collection, made):
        if not any(reference in device.objects[c] for c in KINDS if _is(c, other)):
            raise _absent(other, reference)
        if reference.split("/")[1] not in (name.split("/")[1], "Common"):
            kinds = "A virtual server may only reference rules in the same partition or the common partition"
            raise Refused(400, f"01070726:3: {kinds} ({name})")
    check = {"ltm/node": _node, "ltm/pool": _pool, "ltm/virtual": virtual_server.accept, "ltm/policy": _policy, "ltm/rule": _rule,
             "ltm/profile/client-ssl": _client_ssl, "ltm/snatpool": _snatpool}.get(collection)  # fmt: skip
    if check:
        check(device, name, made)


def _is(collection: str, kind: str) -> bool:
    """Whether a collection is of a kind; a kind that ends with `/` is a family."""
    return collection == kind or (kind.endswith("/") and collection.startswith(kind))


def _absent(collection: str, reference: str) -> Refused:
    if collection.startswith("ltm/monitor"):
        return Refused(400, f"01070022:3: The monitor template {reference} was not found.")
    if collection == "ltm/snatpool":
        return Refused(400, f"0107163f:3: Pool ({reference}) of type (snatpool) doesn't exist.")
    return missing(KINDS.get(collection, "Profile"), reference)


def references(collection: str, made: Object) -> Iterator[tuple[str, str]]:
    """(collection or family, full path) of all that an object names."""
    parent = made.get("defaultsFrom")
    if parent:
        yield collection, parent
    if collection == "ltm/pool":
        for monitor in str(made.get("monitor") or "").strip().split(" and "):
            if monitor:
                yield "ltm/monitor/", monitor
    if collection == "ltm/virtual":
        yield from _virtuals(made)
    if collection == "ltm/policy":
        for rule in made.get("rulesReference", {}).get("items", []):
            for action in rule["actionsReference"].get("items", []):
                if action.get("pool"):
                    yield "ltm/pool", action["pool"]
    if collection == "ltm/rule":
        for pool in re.findall(r"pool (/\S+)", made.get("apiAnonymous", "")):
            yield "ltm/pool", pool
    if collection.startswith("ltm/profile/") and collection.endswith("-ssl"):
        for key, kind in (("cert", "ssl-cert"), ("chain", "ssl-cert"), ("caFile", "ssl-cert"), ("clientCertCa", "ssl-cert"),
                          ("key", "ssl-key")):  # fmt: skip
            if made.get(key) and made[key] != "none":
                yield f"sys/file/{kind}", made[key]
    if collection == "ltm/monitor/https" and made.get("sslProfile"):
        yield "ltm/profile/server-ssl", made["sslProfile"]


def _virtuals(made: Object) -> Iterator[tuple[str, str]]:
    if made.get("pool"):
        yield "ltm/pool", made["pool"]
    for item in made["profiles"]:
        yield "ltm/profile/", item["name"]
    for item in made["persist"]:
        yield "ltm/persistence/", item["name"]
    for item in made["rules"]:
        yield "ltm/rule", item
    for item in made["policies"]:
        yield "ltm/policy", item
    if made["sourceAddressTranslation"].get("pool"):
        yield "ltm/snatpool", made["sourceAddressTranslation"]["pool"]


def user_of(device: Device, collection: str, name: str) -> str:
    """Who stands in the way of a deletion."""
    if collection == "ltm/node":
        return next(
            (pool for pool, found in device.members.items() for key in found if key.rpartition(":")[0] == name), ""
        )
    for other, found in device.objects.items():
        for key, made in found.items():
            for kind, reference in references(other, made) if (other, key) not in device.built_in else ():
                if reference == name and _is(collection, kind):
                    return f"{KINDS[other]} ({key})" if collection == "ltm/pool" else key
    if collection == "ltm/virtual-address":
        users = (vs for vs in device.objects["ltm/virtual"].values() if _address(vs) == name)
        return next((vs["fullPath"] for vs in users), "")
    return ""


def _node(device: Device, name: str, made: Object) -> None:
    for other, node in device.objects["ltm/node"].items():
        if other != name and node["address"] == made["address"]:
            raise Refused(400, f"0107176c:3: Invalid Node, the IP address {made['address']} already exists.")


def _pool(device: Device, name: str, made: Object) -> None:
    for key, allowed in (("allowSnat", ("yes", "no")), ("allowNat", ("yes", "no")), ("loadBalancingMode", ALGORITHMS)):
        if made[key] not in allowed:
            word = re.sub("([A-Z])", lambda found: f"-{found[1].lower()}", key)
            raise Refused(400, f'invalid property value "{word}":"{made[key]}"', 26214401)


def _snatpool(device: Device, name: str, made: Object) -> None:
    if not made.get("members"):
        raise Refused(400, f"01070147:3: SNAT pool {name} must have at least one member.")


def _client_ssl(device: Device, name: str, made: Object) -> None:
    files = device.objects["sys/file/ssl-cert"], device.objects["sys/file/ssl-key"]
    certificate, key = files[0][made["cert"]].get("content"), files[1][made["key"]].get("content")
    if "BEGIN" in f"{key}" and not _pair(str(certificate), str(key)):
        raise Refused(
            400, f"01070317:3: profile {name}'s key ({made['key']}) and certificate ({made['cert']}) do not match"
        )


def _pair(certificate: str, key: str) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        both = Path(folder) / "both.pem"
        both.write_text(key + certificate)
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(both)
        except ssl.SSLError:
            return False
    return True


def _rule(device: Device, name: str, made: Object) -> None:
    text = made["apiAnonymous"]
    if text != text.strip() or text.count("{") - text.count("\\{") != text.count("}") - text.count("\\}"):
        raise Refused(400, f"01070151:3: Rule [{name}] error: missing close-brace")


def _policy(device: Device, name: str, made: Object) -> None:
    for rule in made.get("rulesReference", {}).get("items", []):
        for action in rule["actionsReference"].get("items", []):
            if action.get("connection"):
                raise Refused(400, '"select" may not be specified with "connection"', 26214401)
            if action.get("forward") and not action.get("pool"):
                raise Refused(400, f"0107186c:3: Policy '{name}', rule '{rule['name']}'; missing or invalid target.")


def automatic_addresses(device: Device) -> None:
    """A virtual server brings its address, if there is none; one that came so goes with the last of them."""
    found = device.objects["ltm/virtual-address"]
    used = {_address(server) for server in device.objects["ltm/virtual"].values()}
    for name in used - set(found):
        found[name] = {"fullPath": name, "autoDelete": "true"}
    for name in [key for key, item in found.items() if item.get("autoDelete") == "true" and key not in used]:
        del found[name]


def _address(server: Object) -> str:
    destination = str(server["destination"])
    return destination.rpartition("." if destination.count(":") > 1 else ":")[0]


def watch(device: Device) -> None:
    """Note every pool that a virtual server can send clients to and that has no member."""
    for server in device.objects["ltm/virtual"].values():
        pools = {
            server.get("pool"),
            *_pools(device, "ltm/policy", server["policies"]),
            *_pools(device, "ltm/rule", server["rules"]),
        }
        device.empty += [
            f"{device.calls[-1]}: {pool}" for pool in sorted(filter(None, pools)) if not device.members.get(pool)
        ]


def _pools(device: Device, collection: str, names: list[str]) -> Iterator[str]:
    for name in names:
        found = references(collection, device.objects[collection].get(name, {}))
        yield from (pool for kind, pool in found if kind == "ltm/pool")
