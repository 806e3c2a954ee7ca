"""What the BIG-IP provider sends for each kind of object, and what it decides before it asks (bigip.md, sections 9 and 11).

Arguments come in Pulumi's spelling. `REPLACES` is what the provider can't change in place. A node that exists already is
adopted, a limit of 0 is left out of a member's update: its quirks are the point.
"""

from __future__ import annotations

import http.client
import json
import re
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Args = Mapping[str, Any]
REPLACES: dict[str, set[str]] = {
    "Node": {"name", "address"}, "Pool": {"name"}, "Monitor": {"name", "parent"}, "PoolAttachment": {"pool", "node"},
    "VirtualServer": {"name"}, "VirtualAddress": {"name"}, "SnatPool": {"name"}, "Policy": {"name"}, "IRule": {"name"},
    "ProfileTcp": {"name"}, "ProfileHttp": {"name"}, "ProfileOneConnect": {"name"}, "ProfileFastL4": {"name"},
    "ProfileClientSsl": {"name"}, "ProfileServerSsl": {"name"}, "Certificate": {"name"}, "Key": {"name"},
    "PersistenceProfileCookie": set(), "PersistenceProfileSrcAddr": set(), "Command": set(),
}  # fmt: skip
_SIMPLE = {
    "ProfileTcp": "ltm/profile/tcp", "ProfileHttp": "ltm/profile/http", "ProfileOneConnect": "ltm/profile/one-connect",
    "ProfileFastL4": "ltm/profile/fastl4", "ProfileClientSsl": "ltm/profile/client-ssl",
    "ProfileServerSsl": "ltm/profile/server-ssl", "PersistenceProfileCookie": "ltm/persistence/cookie",
    "PersistenceProfileSrcAddr": "ltm/persistence/source-addr",
}  # fmt: skip
_RENAMED = {"insertXforwardedFor": "insertXforwardedFor", "overrideConnLimit": "overrideConnectionLimit"}
_NODE_NAME = re.compile(r"/[A-Za-z0-9_.-]+/[A-Za-z0-9_.:-]+")


class ProviderError(Exception):
    """What the user would read."""


class Provider:
    def __init__(self, address: str, user: str, password: str, ca: Path | None) -> None:
        context = ssl.create_default_context(cafile=str(ca)) if ca else ssl._create_unverified_context()
        host, _, port = address.removeprefix("https://").partition(":")
        self.connection = http.client.HTTPSConnection(host, int(port or 443), timeout=10, context=context)
        self.token = ""
        self.results: list[str] = []
        login = {"username": user, "password": password, "loginProviderName": "tmos"}
        self.token = self._call("POST", "/mgmt/shared/authn/login", login)["token"]["token"]
        self._call("PATCH", f"/mgmt/shared/authz/tokens/{self.token}", {"timeout": 1200})
        self._call("GET", "/mgmt/tm/net/self")

    def create(self, kind: str, args: Args) -> str:
        """Make it; the id."""
        getattr(self, f"_create_{kind.lower()}", self._create_simple)(kind, args)
        return str(args["pool"]) if kind == "PoolAttachment" else str(args.get("name", "command"))

    def update(self, kind: str, args: Args) -> None:
        getattr(self, f"_update_{kind.lower()}", self._update_simple)(kind, args)

    def delete(self, kind: str, args: Args) -> None:
        if kind == "Command":
            if args["when"] == "destroy":
                self._bash(args)
            return
        self._call("DELETE", self._place(kind, args))

    def _place(self, kind: str, args: Args) -> str:
        if kind == "PoolAttachment":
            return f"/mgmt/tm/ltm/pool/{_tilde(args['pool'])}/members/{_tilde(args['node'])}"
        name = args["name"] if str(args["name"]).startswith("/") else f"/{args['partition']}/{args['name']}"
        return f"/mgmt/tm/{_collection(kind, args)}/{_tilde(name)}"

    def _create_simple(self, kind: str, args: Args) -> None:
        self._call("POST", f"/mgmt/tm/{_collection(kind, args)}", {**_body(args), "name": args["name"]})

    def _update_simple(self, kind: str, args: Args) -> None:
        self._call("PATCH", self._place(kind, args), _body(args))

    def _create_node(self, kind: str, args: Args) -> None:
        if not _NODE_NAME.fullmatch(args["name"]):
            raise ProviderError(f'"name" must match /Partition/Name, got {args["name"]}')
        if self._call("GET", self._place(kind, args), missing_is_fine=True) is None:
            self._create_simple(kind, args)

    def _update_node(self, kind: str, args: Args) -> None:
        self._call("PUT", self._place(kind, args), _body(args))

    def _create_pool(self, kind: str, args: Args) -> None:
        self._call("POST", "/mgmt/tm/ltm/pool", {"name": args["name"], "reselectTries": 0, "slowRampTime": 0})
        try:
            self._update_pool(kind, args)
        except ProviderError:
            self.delete(kind, args)
            raise

    def _update_pool(self, kind: str, args: Args) -> None:
        body = {**_body(args), "monitor": " and ".join(filter(None, args["monitors"]))}
        body["minActiveMembers"] = body.pop("minimumActiveMembers")
        del body["monitors"]
        self._call("PUT", self._place(kind, args), {key: value for key, value in body.items() if value != ""})

    def _create_poolattachment(self, kind: str, args: Args) -> None:
        if not re.fullmatch(r"/[^/]+/[A-Za-z0-9_.-]+:\d+", args["node"]):
            raise ProviderError(f"this node would be made from the attachment: {args['node']}")
        self._call("GET", f"/mgmt/tm/ltm/node/{_tilde(args['node'].rpartition(':')[0])}")
        self._call("POST", f"/mgmt/tm/ltm/pool/{_tilde(args['pool'])}/members", {"name": args["node"]})
        self._update_poolattachment(kind, args)

    def _update_poolattachment(self, kind: str, args: Args) -> None:
        states = {"enabled": ("user-enabled", "user-up"), "disabled": ("user-disabled", "user-up"),
                  "forced_offline": ("user-disabled", "user-down")}  # fmt: skip
        session, state = states[args["state"]]
        body = {"ratio": args["ratio"], "monitor": args["monitor"], "rateLimit": args["connectionRateLimit"],
                "connectionLimit": args["connectionLimit"] or None, "priorityGroup": args["priorityGroup"] or None,
                "session": session, "state": state}  # fmt: skip
        self._call("PATCH", self._place(kind, args), body)

    def _create_monitor(self, kind: str, args: Args) -> None:
        self._call("POST", f"/mgmt/tm/{_collection(kind, args)}", {"name": args["name"], **_monitor(args)})

    def _update_monitor(self, kind: str, args: Args) -> None:
        self._call("PUT", self._place(kind, args), {"name": args["name"], **_monitor(args)})

    def _create_virtualserver(self, kind: str, args: Args) -> None:
        self._call("POST", "/mgmt/tm/ltm/virtual", {"name": args["name"], **_virtual(args)})

    def _update_virtualserver(self, kind: str, args: Args) -> None:
        self._call("PATCH", self._place(kind, args), _virtual(args))

    def _create_irule(self, kind: str, args: Args) -> None:
        self._call("POST", "/mgmt/tm/ltm/rule", {"name": args["name"], "apiAnonymous": args["irule"]})

    def _update_irule(self, kind: str, args: Args) -> None:
        self._call("PUT", self._place(kind, args), {"name": args["name"], "apiAnonymous": args["irule"]})

    def _create_policy(self, kind: str, args: Args) -> None:
        self._call("POST", "/mgmt/tm/ltm/policy", {**_policy(args), "name": _draft(args["name"])})
        self._call("POST", "/mgmt/tm/ltm/policy", {"name": _draft(args["name"]), "command": "publish"})

    def _update_policy(self, kind: str, args: Args) -> None:
        self._call("PATCH", f"{self._place(kind, args)}?options=create-draft", {})
        self._call("PATCH", f"/mgmt/tm/ltm/policy/{_tilde(_draft(args['name']))}", _policy(args))
        self._call("POST", "/mgmt/tm/ltm/policy", {"name": _draft(args["name"]), "command": "publish"})

    def _create_certificate(self, kind: str, args: Args) -> None:
        self._call("POST", f"/mgmt/shared/file-transfer/uploads/{args['name']}", args["content"])
        body = {"name": args["name"], "partition": args["partition"]}
        self._call("POST", f"/mgmt/tm/{_collection(kind, args)}", {**body, "sourcePath": f"file:///x/{args['name']}"})

    _create_key = _create_certificate

    def _create_virtualaddress(self, kind: str, args: Args) -> None:
        words = {True: "true", False: "false"}
        body = {"trafficGroup": args["trafficGroup"], "autoDelete": words[args["autoDelete"]]}
        self._call("POST", "/mgmt/tm/ltm/virtual-address", {"name": args["name"], **body})

    def _update_virtualaddress(self, kind: str, args: Args) -> None:
        self._call("PATCH", self._place(kind, args), {"trafficGroup": args["trafficGroup"]})

    def _create_command(self, kind: str, args: Args) -> None:
        if args["when"] == "apply":
            self._bash(args)

    _update_command = _create_command

    def _bash(self, args: Args) -> None:
        bodies = [{"command": "run", "utilCmdArgs": f"-c 'tmsh {command}'"} for command in args["commands"]]
        self.results = [self._call("POST", "/mgmt/tm/util/bash", body).get("commandResult", "") for body in bodies]

    def _call(self, method: str, path: str, body: Any = None, *, missing_is_fine: bool = False) -> Any:
        kind = "application/octet-stream" if isinstance(body, str) else "application/json"
        data = None if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()
        headers = {"Content-Type": kind, **({"X-F5-Auth-Token": self.token} if self.token else {})}
        self.connection.request(method, path, data, headers)
        answer = self.connection.getresponse()
        text = answer.read()
        found = json.loads(text) if text else {}
        if answer.status < 400:
            return found
        if answer.status == 404 and missing_is_fine:
            return None
        raise ProviderError(f"{method} {path}: HTTP {answer.status} {found['message']}")


def _tilde(name: str) -> str:
    return name.replace("/", "~")


def _draft(name: str) -> str:
    _, partition, last = name.split("/")
    return f"/{partition}/Drafts/{last}"


def _collection(kind: str, args: Args) -> str:
    if kind == "Monitor":
        return f"ltm/monitor/{args['parent'].rpartition('/')[2].replace('_', '-')}"
    others = {"Node": "ltm/node", "Pool": "ltm/pool", "VirtualServer": "ltm/virtual", "VirtualAddress": "ltm/virtual-address",
              "SnatPool": "ltm/snatpool", "IRule": "ltm/rule", "Policy": "ltm/policy", "Certificate": "sys/file/ssl-cert",
              "Key": "sys/file/ssl-key"}  # fmt: skip
    return _SIMPLE.get(kind) or others[kind]


def _body(args: Args) -> dict[str, Any]:
    return {
        _RENAMED.get(key, key): value for key, value in args.items() if key not in ("name", "partition") and value != ""
    }


def _monitor(args: Args) -> dict[str, Any]:
    if args["timeout"] <= args["interval"]:
        raise ProviderError("timeout must be above interval")
    names = {"interval": "interval", "timeout": "timeout", "timeUntilUp": "timeUntilUp", "upInterval": "upInterval",
             "send": "send", "receive": "recv", "receiveDisable": "recvDisable", "destination": "destination",
             "sslProfile": "sslProfile"}  # fmt: skip
    return {"defaultsFrom": args["parent"], **{theirs: args[ours] for ours, theirs in names.items() if ours in args}}


def _virtual(args: Args) -> dict[str, Any]:
    sides = (("profiles", "all"), ("clientProfiles", "clientside"), ("serverProfiles", "serverside"))
    profiles = [{"name": name, "context": context} for key, context in sides for name in args.get(key, ())]
    default = args.get("defaultPersistenceProfile")
    persist = [
        {"name": name, **({"tmDefault": "yes"} if name == default else {})} for name in args["persistenceProfiles"]
    ]
    translation = {"type": args["sourceAddressTranslation"], "pool": args.get("snatpool")}
    dot = "." if ":" in args["destination"] else ":"
    return {
        "description": args.get("description", ""),
        "destination": f"{args['destination']}{dot}{args['port']}", "ipProtocol": args["ipProtocol"], "mask": args["mask"],
        "source": args["source"], "pool": args["pool"], "rules": args["irules"], "policies": args["policies"] or None,
        "persist": persist or None, "profiles": profiles, "sourcePort": args["sourcePort"],
        "translateAddress": args["translateAddress"], "translatePort": args["translatePort"], "enabled": True,
        "sourceAddressTranslation": {key: value for key, value in translation.items() if value},
    }  # fmt: skip


def _policy(args: Args) -> dict[str, Any]:
    items = [
        {"name": rule["name"], "ordinal": index,
         "conditionsReference": {"items": [{"name": str(i), **c} for i, c in enumerate(rule.get("conditions", []))]},
         "actionsReference": {"items": [{"name": str(i), "connection": True, **a} if a.get("connection", True)
                                        else {"name": str(i), **{k: v for k, v in a.items() if k != "connection"}}
                                        for i, a in enumerate(rule["actions"])]}}
        for index, rule in enumerate(args["rules"])
    ]  # fmt: skip
    return {"strategy": args["strategy"], "requires": args["requires"], "controls": args["controls"],
            "rulesReference": {"items": items}}  # fmt: skip
