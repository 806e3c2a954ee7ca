"""A virtual server on a BIG-IP before a cluster of machines."""

import pulumi

from lbkit import HealthCheck, Listener, LoadBalancer, Node, Pool, Spec
from lbkit.targets.bigip import Device, Ltm

config = pulumi.Config()
addresses: list[str] = config.require_object("nodes")
spec = Spec(
    pools={
        "ml": Pool(
            port=config.require_int("nodePort"),
            health_check=HealthCheck(path="/"),
            nodes={"n-" + address.replace(".", "-").replace(":", "-"): Node(address=address) for address in addresses},
        ),
    },
    listeners={"http": Listener(port=config.require_int("port"), pool="ml")},
)
device = Device(
    address=config.require("device"), user=config.require("user"), password=config.require_secret("password")
)
balancer = LoadBalancer("cluster", spec, Ltm(address=config.require("address"), device=device))
pulumi.export("pool_name", balancer.pools["ml"]["pool"])
pulumi.export("virtual_server_name", balancer.pools["ml"]["virtual_servers"][0])
pulumi.export("url", balancer.url)
