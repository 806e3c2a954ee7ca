"""A virtual server on a BIG-IP before a cluster of machines: web servers, or GPUs that stream tokens."""

from __future__ import annotations

from pathlib import Path

import pulumi

from lbkit import HealthCheck, Limits, Listener, LoadBalancer, Node, Pool, Spec
from lbkit.settings import Settings
from lbkit.spec import Certificate, Timeouts, Tls
from lbkit.targets.bigip import Device, Ltm, Pair


def pool(config: pulumi.Config) -> Pool:
    """The machines. GPUs get the requests where the fewest run, and may be silent for long."""
    addresses: list[str] = config.require_object("nodes")
    nodes = {"n-" + address.replace(".", "-").replace(":", "-"): Node(address=address) for address in addresses}
    limits = Limits(hard=config.get_int("hard") or None)
    port = config.require_int("nodePort")
    if config.require("fleet") == "gpu":
        return Pool(
            port=port,
            algorithm="least_connections",
            nodes=nodes,
            limits=limits,
            health_check=HealthCheck(path="/health", codes="200", interval=5, timeout=5, rise=2, fall=3),
            timeouts=Timeouts(idle=900),
        )
    return Pool(port=port, nodes=nodes, limits=limits, health_check=HealthCheck(path="/"))


def listener(config: pulumi.Config) -> Listener:
    port, certificate = config.require_int("port"), config.get("certificate")
    if not certificate:
        return Listener(port=port, pool="ml")
    pem = Certificate(certificate=certificate, key=config.get("key") or None)
    return Listener(port=port, protocol="https", pool="ml", tls=Tls(default=pem))


def device(config: pulumi.Config) -> Device | Pair:
    """The device, or the pair that it belongs to."""
    user, password, ca = config.require("user"), config.require_secret("password"), config.get("deviceCa") or None
    first = Device(address=config.require("device"), user=user, password=password, ca=ca)
    peer = config.get("peer")
    if not peer:
        return first
    other = Device(address=peer, user=user, password=password, ca=ca)
    return Pair(devices={"first": first, "other": other}, talk_to="first", group=config.require("group"))


def target(config: pulumi.Config) -> Ltm:
    return Ltm(
        address=config.require("address"),
        device=device(config),
        partition=config.require("partition"),
        snat=config.get_object("snat") or "automap",
        tmms=config.get_int("tmms") or None,
        save=config.require_bool("save"),
    )


config = Settings(Path(__file__).with_name("Pulumi.yaml"))
spec = Spec(pools={"ml": pool(config)}, listeners={"http": listener(config)})
balancer = LoadBalancer("cluster", spec, target(config))
pulumi.export("pool_name", balancer.pools["ml"]["pool"])
pulumi.export("virtual_server_name", balancer.pools["ml"]["virtual_servers"][0])
pulumi.export("url", balancer.url)
