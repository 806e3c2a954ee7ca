"""What a device takes as a virtual server: profiles that fit together, one place for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.targets.bigip.double.words import KINDS, Refused

if TYPE_CHECKING:
    from tests.targets.bigip.double.device import Device

Object = dict[str, Any]
_TRANSPORT = ("ltm/profile/tcp", "ltm/profile/fastl4")


def accept(device: Device, name: str, made: Object) -> None:
    kinds = [
        next(c for c in KINDS if c.startswith("ltm/profile/") and item["name"] in device.objects[c])
        for item in made["profiles"]
    ]
    _stack(name, kinds)
    if "ltm/profile/http" in kinds and "ltm/profile/tcp" not in kinds:
        made["profiles"].append({"name": "/Common/tcp", "context": "all"})
    if "ltm/profile/http" not in kinds:
        _without_http(device, name, made)
    _server_names(device, name, made)
    _place(device, name, made)


def _stack(name: str, kinds: list[str]) -> None:
    if "ltm/profile/fastl4" in kinds and len(kinds) > 1:
        code = "01070734" if "ltm/profile/tcp" in kinds else "01070095"
        raise Refused(400, f"{code}:3: Virtual server {name} lists profiles incompatible with each other.")
    for kind in ("ltm/profile/one-connect", "ltm/profile/client-ssl", "ltm/profile/server-ssl"):
        if kind in kinds and "ltm/profile/tcp" not in kinds:
            raise Refused(400, f"01070734:3: Virtual server {name}: {kind} needs a TCP profile.")
    if len([kind for kind in kinds if kind in _TRANSPORT]) > 1:
        raise Refused(400, f"01070097:3: Virtual server {name} lists duplicate profiles.")


def _without_http(device: Device, name: str, made: Object) -> None:
    if made["policies"]:
        raise Refused(
            400,
            f"010716d9:3: Virtual server {name} requires a profile of type http for ltm policy {made['policies'][0]}",
        )
    for rule in made["rules"]:
        if "when HTTP_" in device.objects["ltm/rule"][rule]["apiAnonymous"]:
            raise Refused(
                400, f"01071912:3: HTTP_REQUEST event in rule ({rule}) requires an associated HTTP profile on {name}."
            )
    if any(item["name"] in device.objects["ltm/persistence/cookie"] for item in made["persist"]):
        raise Refused(
            400, "Cookie persistence requires an HTTP or FastHTTP profile to be associated with the virtual server"
        )


def _server_names(device: Device, name: str, made: Object) -> None:
    ssl = [device.objects["ltm/profile/client-ssl"][item["name"]] for item in made["profiles"]
           if item["name"] in device.objects["ltm/profile/client-ssl"]]  # fmt: skip
    names = [item.get("serverName") for item in ssl if item.get("serverName")]
    if len(ssl) > 1 and (sum(item.get("sniDefault") == "true" for item in ssl) != 1 or len(set(names)) != len(names)):
        raise Refused(400, f"01071809:3: Virtual server {name} has several or no default SSL profiles for SNI.")


def _place(device: Device, name: str, made: Object) -> None:
    destination = made["destination"]
    if destination.rpartition("/")[2] in ("", ":0"):
        raise Refused(400, f"invalid destination {destination}")
    version = 6 if destination.count(":") > 1 else 4
    if version != (6 if ":" in made["source"] else 4):
        raise Refused(400, f"01070354:3: Virtual server {name}: source and destination are of different kinds.")
    if made["sourceAddressTranslation"]["type"] not in ("none", "automap", "snat"):
        raise Refused(400, "invalid property value sourceAddressTranslation", 26214401)
    here = (destination, made["source"], made["ipProtocol"])
    for other, server in device.objects["ltm/virtual"].items():
        if other != name and (server["destination"], server["source"], server["ipProtocol"]) == here:
            raise Refused(400, f"01070333:3: Virtual Server {name} illegally shares destination address, source address, "
                          f"service port, and ip-protocol with Virtual Server {other}.")  # fmt: skip
