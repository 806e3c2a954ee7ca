"""The plan made real: one call per object, flat below the component, edges by Output.

Names stay what they were when the balancer is renamed (`ignore_changes`): what must have a new name has a new Pulumi
name too. So every change comes up beside what it replaces, and what is replaced goes last. A virtual server alone can't:
an address and port is held once, so its replacement is deleted first.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import pulumi
import pulumi_f5bigip as f5bigip

from lbkit.spec import Spec
from lbkit.spec.balancer import uses
from lbkit.spec.inputs import is_output
from lbkit.spec.listener import url
from lbkit.targets.base import Rendered
from lbkit.targets.bigip.device import spoken_to
from lbkit.targets.bigip.late import judge
from lbkit.targets.bigip.parts import SUFFIX, Args, Ref, Text
from lbkit.targets.bigip.pools import pool_key
from lbkit.targets.bigip.saving import saved, saving
from lbkit.targets.bigip.servers import held
from lbkit.targets.bigip.translate import plan as translate
from lbkit.targets.naming import child

if TYPE_CHECKING:
    from lbkit.targets.bigip import Ltm

_CLASSES: Mapping[str, Any] = {
    "certificates": f5bigip.ssl.Certificate, "keys": f5bigip.ssl.Key, "snat_pools": f5bigip.ltm.SnatPool,
    "virtual_addresses": f5bigip.ltm.VirtualAddress, "server_tls": f5bigip.ltm.ProfileServerSsl,
    "client_tls": f5bigip.ltm.ProfileClientSsl, "tcp": f5bigip.ltm.ProfileTcp, "fast_l4": f5bigip.ltm.ProfileFastL4,
    "http": f5bigip.ltm.ProfileHttp, "one_connect": f5bigip.ltm.ProfileOneConnect,
    "cookies": f5bigip.ltm.PersistenceProfileCookie, "sources": f5bigip.ltm.PersistenceProfileSrcAddr,
    "monitors": f5bigip.ltm.Monitor, "nodes": f5bigip.ltm.Node, "pools": f5bigip.ltm.Pool,
    "members": f5bigip.ltm.PoolAttachment, "rules": f5bigip.ltm.IRule, "policies": f5bigip.ltm.Policy,
    "virtual_servers": f5bigip.ltm.VirtualServer,
}  # fmt: skip
_OPTIONS: Mapping[str, dict[str, Any]] = {
    # A change of the source translation's type keeps the old SNAT pool in use, and other profiles are another kind of server.
    "virtual_servers": {
        "delete_before_replace": True,
        "replace_on_changes": ["profiles", "sourceAddressTranslation"],
    },
}


def render(name: str, spec: Spec, ltm: Ltm, parent: pulumi.ComponentResource) -> Rendered:
    plan = translate(name, spec, ltm)
    judge(spec, ltm, plan["nodes"])
    provider = _provider(name, ltm, parent)
    first = saving(name, ltm, plan, pulumi.ResourceOptions(parent=parent, provider=provider))
    made: dict[Ref, Any] = {}
    # Names are kept, so another partition must be other resources, or it would be ignored.
    place = [] if ltm.partition == "Common" else [ltm.partition]
    for kind in SUFFIX:
        for key, args in plan[kind].items():
            opts = _opts(kind, args, made, first, pulumi.ResourceOptions(parent=parent, provider=provider))
            sent = {field: _resolved(value, made) for field, value in args.items() if field != "after"}
            made[Ref(kind, key)] = _CLASSES[kind](child(name, *place, key, SUFFIX[kind]), opts=opts, **sent)
    last = saved(name, ltm, plan, list(made.values()), pulumi.ResourceOptions(parent=parent, provider=provider))
    servers = _servers(spec, ltm, made)
    return Rendered(
        endpoint=servers[min(servers)][0].destination.apply(str),
        urls={key: found[0].destination.apply(partial(url, spec.listeners[key])) for key, found in servers.items()},
        pools={
            key: {
                "pool": made[Ref("pools", pool_key(key, pool))].name,
                "virtual_servers": [server.name for at, listener in spec.listeners.items() for server in servers[at]
                                    if key in (used for _, used in uses(listener))],
            }
            for key, pool in spec.pools.items()
        },
        resources={f"{ref.key}--{SUFFIX[ref.kind]}": found for ref, found in made.items()} | first | last,
    )  # fmt: skip


def _opts(
    kind: str, args: Args, made: Mapping[Ref, Any], first: Mapping[str, Any], opts: pulumi.ResourceOptions
) -> pulumi.ResourceOptions:
    """A virtual address and a late node are named after their addresses; all others keep their names."""
    opts.depends_on = [*first.values(), *(made[ref] for ref in args.get("after", ()))]
    if "name" in args and not is_output(args["name"]) and kind != "virtual_addresses":
        opts.ignore_changes = ["name"]
    for option, value in _OPTIONS.get(kind, {}).items():
        setattr(opts, option, value)
    return opts


def _resolved(value: Any, made: Mapping[Ref, Any]) -> Any:
    """A plan's value as the provider takes it."""
    if isinstance(value, Ref):
        return made[value].name
    if isinstance(value, Text):
        return pulumi.Output.concat(*(_resolved(part, made) for part in value.parts))
    if isinstance(value, dict):
        return {key: _resolved(item, made) for key, item in value.items()}
    return [_resolved(item, made) for item in value] if isinstance(value, list) else value


def _provider(name: str, ltm: Ltm, parent: pulumi.ComponentResource) -> Any:
    """Its password is a secret whether or not it came as one. Telemetry is off: it would call out without a time limit."""
    device = spoken_to(ltm.device)
    if device is None:
        return ltm.device
    return f5bigip.Provider(
        child(name, "device"),
        address=device.address,
        username=device.user,
        password=_secret(device.password),
        token_value=_secret(device.token),
        login_ref=device.login,
        validate_certs_disable=device.ca is None,
        trusted_cert_path=device.ca,
        teem_disable=True,
        opts=pulumi.ResourceOptions(parent=parent),
    )


def _secret(value: Any) -> Any:
    return None if value is None else pulumi.Output.secret(value)


def _servers(spec: Spec, ltm: Ltm, made: Mapping[Ref, Any]) -> dict[str, list[Any]]:
    """The virtual servers by listener: one, or one for each allowed range."""
    places = {held(listener, ltm): key for key, listener in spec.listeners.items()}
    found: dict[str, list[Any]] = {key: [] for key in spec.listeners}
    for ref, server in made.items():
        if ref.kind == "virtual_servers":
            found[places[ref.key.partition("--")[0]]].append(server)
    return found
