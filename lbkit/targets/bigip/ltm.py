"""The plan made real: one call per object, flat below the component, edges by Output.

Names stay what they were when the balancer is renamed (`ignore_changes`): what must have a new name has a new Pulumi
name too. Nodes and members are deleted before they are made again, for the provider adopts an object that exists.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pulumi
import pulumi_f5bigip as f5bigip

from lbkit.spec import Spec
from lbkit.targets.base import Rendered
from lbkit.targets.bigip.translate import plan as translate
from lbkit.targets.naming import child

if TYPE_CHECKING:
    from lbkit.targets.bigip import Ltm


def render(name: str, spec: Spec, ltm: Ltm, parent: pulumi.ComponentResource) -> Rendered:
    plan = translate(name, spec, ltm)
    provider = _provider(name, ltm, parent)

    def opts(**more: Any) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=parent, provider=provider, **more)

    monitors = {
        key: f5bigip.ltm.Monitor(child(name, key), opts=opts(ignore_changes=["name"]), **args)
        for key, args in plan["monitors"].items()
    }
    nodes = {
        key: f5bigip.ltm.Node(child(name, key), opts=opts(ignore_changes=["name"], delete_before_replace=True), **args)
        for key, args in plan["nodes"].items()
    }
    pools = {
        key: _pool(child(name, key), dict(args), monitors, opts(ignore_changes=["name"]))
        for key, args in plan["pools"].items()
    }
    members = {
        key: _member(child(name, key, "member"), dict(args), pools, nodes, opts(delete_before_replace=True))
        for key, args in plan["members"].items()
    }
    virtual = {
        key: _virtual(
            child(name, key, "server"),
            dict(args),
            pools,
            opts(ignore_changes=["name"], depends_on=list(members.values())),
        )
        for key, args in plan["virtual_servers"].items()
    }
    first = virtual[min(virtual)]
    return Rendered(
        endpoint=first.destination.apply(str),
        urls={key: _url(server, spec.listeners[key].port) for key, server in virtual.items()},
        pools={
            key: {
                "pool": pool.name,
                "virtual_servers": [virtual[at].name for at, item in spec.listeners.items() if item.pool == key],
            }
            for key, pool in pools.items()
        },
    )


def _provider(name: str, ltm: Ltm, parent: pulumi.ComponentResource) -> Any:
    """Its password is a secret whether or not it came as one. Telemetry is off: it would call out without a time limit."""
    from lbkit.targets.bigip import Device

    if not isinstance(ltm.device, Device):
        return ltm.device
    return f5bigip.Provider(
        child(name, "device"),
        address=ltm.device.address,
        username=ltm.device.user,
        password=pulumi.Output.secret(ltm.device.password),
        teem_disable=True,
        opts=pulumi.ResourceOptions(parent=parent),
    )


def _pool(name: str, args: dict[str, Any], monitors: dict[str, Any], opts: pulumi.ResourceOptions) -> f5bigip.ltm.Pool:
    monitor = args.pop("monitor")
    return f5bigip.ltm.Pool(name, monitors=[monitors[monitor].name] if monitor else [""], opts=opts, **args)


def _member(
    name: str, args: dict[str, Any], pools: dict[str, Any], nodes: dict[str, Any], opts: pulumi.ResourceOptions
) -> f5bigip.ltm.PoolAttachment:
    pool, node = pools[args.pop("pool")].name, nodes[args.pop("of")].name
    return f5bigip.ltm.PoolAttachment(
        name, pool=pool, node=pulumi.Output.concat(node, ":", str(args.pop("port"))), opts=opts, **args
    )


def _virtual(
    name: str, args: dict[str, Any], pools: dict[str, Any], opts: pulumi.ResourceOptions
) -> f5bigip.ltm.VirtualServer:
    pool = pools[args.pop("pool")].name
    return f5bigip.ltm.VirtualServer(name, pool=pool, opts=opts, **args)


def _url(server: f5bigip.ltm.VirtualServer, port: int) -> pulumi.Output[str]:
    return server.destination.apply(
        lambda at: f"http://{f'[{at}]' if ':' in str(at) else at}{'' if port == 80 else f':{port}'}"
    )
