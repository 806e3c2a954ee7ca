"""A load balancer on this machine: before the nodes in the configuration, or before a demo fleet of three."""

import re
from pathlib import Path

import pulumi

from lbkit import HealthCheck, Limits, Listener, LoadBalancer, Node, Pool, Queue, Spec
from lbkit.settings import Settings
from lbkit.targets.native import Native
from lbkit.targets.native.demo import Server

ENGINE = str(Path(__file__).resolve().parents[2] / "bench" / "demo_engine.py")
SPEEDS = {"fast": 60, "middle": 30, "slow": 15}


def demo_fleet(first_port: int) -> dict[str, Node]:
    """Three engines of unequal speed, as background processes."""
    nodes = {}
    for number, (name, speed) in enumerate(SPEEDS.items()):
        port = first_port + number
        argv = [ENGINE, "--name", name, "--port", str(port), "--tokens-per-second", str(speed)]
        server = Server(f"engine-{name}", argv, "127.0.0.1", port)
        nodes[name] = Node(address=server.address, port=port)
    return nodes


def own_nodes(members: list[str]) -> dict[str, Node]:
    """Nodes named after their address and port, so that each keeps its identity when others come and go."""
    nodes = {}
    for member in members:
        address, _, port = member.rpartition(":")
        if not address or not port.isdigit():
            raise pulumi.RunError(f"nodes: {member!r} is not address:port, such as 10.0.0.12:8000")
        name = "n-" + re.sub("[^A-Za-z0-9]+", "-", member.strip("[")).strip("-")
        nodes[name] = Node(address=address.strip("[]"), port=int(port))
    return nodes


config = Settings(Path(__file__).with_name("Pulumi.yaml"))
nodes = own_nodes(config.require_object("nodes")) or demo_fleet(config.require_int("demoPort"))
spec = Spec(
    pools={
        "llm": Pool(
            port=8000,
            algorithm="least_connections",
            limits=Limits(hard=config.require_int("hardLimit"), queue=Queue(size=256, timeout=100)),
            health_check=HealthCheck(path=config.require("healthPath"), interval=2, timeout=1),
            nodes=nodes,
        ),
    },
    listeners={"http": Listener(address=config.require("address"), port=config.require_int("port"), pool="llm")},
)
balancer = LoadBalancer("inference", spec, Native())

pulumi.export("endpoint", balancer.endpoint)
pulumi.export("url", balancer.url)
chat = """curl -N {}/v1/chat/completions -H 'content-type: application/json' -d '{{"stream": true, "messages": []}}'"""
pulumi.export(
    "next_steps",
    [
        balancer.url.apply(lambda url: f"The balancer answers at {url}"),
        balancer.url.apply(lambda url: f"  stream tokens   {chat.format(url)}"),
        "  see the status  .venv/bin/lbkit status",
        "  take it down    make down",
    ],
)
