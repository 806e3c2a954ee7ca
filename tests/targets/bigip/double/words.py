"""What a BIG-IP knows before anybody configures it, and its words for what it refuses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

ALGORITHMS = frozenset({
    "round-robin", "ratio-member", "ratio-node", "ratio-session", "least-connections-member", "least-connections-node",
    "ratio-least-connections-member", "ratio-least-connections-node", "weighted-least-connections-member",
    "weighted-least-connections-node", "dynamic-ratio-member", "dynamic-ratio-node", "fastest-node",
    "fastest-app-response", "observed-member", "observed-node", "predictive-member", "predictive-node", "least-sessions",
})  # fmt: skip
KINDS = {
    "ltm/node": "Node",
    "ltm/pool": "Pool",
    "ltm/snatpool": "Snatpool",
    "ltm/rule": "Rule",
    "ltm/policy": "Policy",
    "ltm/virtual": "Virtual Server",
    "ltm/virtual-address": "Virtual Address",
    "ltm/persistence/cookie": "Persistence profile",
    "ltm/persistence/source-addr": "Persistence profile",
    "ltm/profile/tcp": "TCP profile",
    "ltm/profile/http": "HTTP profile",
    "ltm/profile/one-connect": "OneConnect profile",
    "ltm/profile/fastl4": "FastL4 profile",
    "ltm/profile/client-ssl": "ClientSSL profile",
    "ltm/profile/server-ssl": "ServerSSL profile",
    "ltm/profile/websocket": "WebSocket profile",
    "ltm/monitor/tcp": "Monitor",
    "ltm/monitor/http": "Monitor",
    "ltm/monitor/https": "Monitor",
    "sys/file/ssl-cert": "SSL Certificate",
    "sys/file/ssl-key": "SSL Key",
}
BUILT_IN = {
    "ltm/profile/tcp": ["tcp"],
    "ltm/profile/http": ["http"],
    "ltm/profile/one-connect": ["oneconnect"],
    "ltm/profile/fastl4": ["fastL4"],
    "ltm/profile/client-ssl": ["clientssl"],
    "ltm/profile/server-ssl": ["serverssl"],
    "ltm/profile/websocket": ["websocket"],
    "ltm/persistence/cookie": ["cookie"],
    "ltm/persistence/source-addr": ["source_addr"],
    "ltm/monitor/tcp": ["tcp"],
    "ltm/monitor/http": ["http"],
    "ltm/monitor/https": ["https"],
    "sys/file/ssl-cert": ["default.crt", "ca-bundle.crt", "mine.crt", "ca.crt", "a.crt"],
    "sys/file/ssl-key": ["default.key", "mine.key", "a.key"],
}
DEFAULTS: dict[str, dict[str, Any]] = {
    "ltm/node": {"connectionLimit": 0, "dynamicRatio": 1, "monitor": "default", "rateLimit": "disabled", "ratio": 1,
                 "session": "user-enabled", "state": "unchecked"},
    "ltm/pool": {"allowNat": "yes", "allowSnat": "yes", "loadBalancingMode": "round-robin", "minActiveMembers": 0,
                 "reselectTries": 0, "serviceDownAction": "none", "slowRampTime": 10, "queueOnConnectionLimit": "disabled"},
    "ltm/virtual": {"ipProtocol": "any", "mask": "any", "source": "0.0.0.0/0", "sourcePort": "preserve", "enabled": True,
                    "translateAddress": "enabled", "translatePort": "enabled", "sourceAddressTranslation": {"type": "none"}},
    "member": {"connectionLimit": 0, "dynamicRatio": 1, "monitor": "default", "priorityGroup": 0, "rateLimit": "disabled",
               "ratio": 1, "session": "user-enabled", "state": "unchecked"},
}  # fmt: skip


@dataclass
class Refused(Exception):
    """The device's answer to what it does not do."""

    status: int
    message: str
    api_error: int = 3

    def body(self) -> dict[str, Any]:
        return {"code": self.status, "message": self.message, "errorStack": [], "apiError": self.api_error}


def missing(kind: str, name: str) -> Refused:
    return Refused(404, f"01020036:3: The requested {kind} ({name}) was not found.")


def exists(kind: str, name: str) -> Refused:
    partition = name.split("/")[1]
    return Refused(409, f"01020066:3: The requested {kind} ({name}) already exists in partition {partition}.")


def used(kind: str, name: str, by: str) -> Refused:
    texts = {
        "Monitor": f"01070083:3: Monitor {name} is in use.",
        "Policy": f"01070635:3: The policy ({name}) is referenced by one or more virtuals.",
        "Snatpool": f"01070320:3: Snatpool {name} is still referenced by a virtual server.",
        "Node": f"01070110:3: Node address '{name}' is referenced by a member of pool '{by}'.",
        "SSL Certificate": f"01071349:3: File object by name ({name}) is in use.",
        "SSL Key": f"01071349:3: File object by name ({name}) is in use.",
        "Pool": f"01070265:3: The Pool ({name}) cannot be deleted because it is in use by a {by}.",
    }
    other = f"01070265:3: The {kind} ({name}) cannot be deleted because it is in use by a virtual server profile ({by} {name})."
    return Refused(400, texts.get(kind, other))
