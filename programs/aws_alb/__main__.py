"""An Application Load Balancer before an autoscaling fleet that serves HTTP on port 80."""

import pulumi

from lbkit import Fleet, HealthCheck, Limits, Listener, LoadBalancer, Pool, Spec
from lbkit.targets.aws import Alb

config = pulumi.Config()
spec = Spec(
    pools={
        "workers": Pool(
            port=80,
            health_check=HealthCheck(path="/health", interval=30, timeout=3, rise=2, fall=2, codes="200"),
            limits=Limits(soft=config.require_int("requestsPerMachine")),
            fleet=Fleet(
                image=config.require("image"),
                size=config.require("instanceType"),
                min=config.require_int("min"),
                desired=config.require_int("desired"),
                max=config.require_int("max"),
                grace=300,
            ),
        ),
    },
    listeners={"http": Listener(port=80, pool="workers")},
)
home = Alb(
    vpc_id=config.require("vpcId"),
    subnet_ids=config.require_object("subnetIds"),
    root_device=config.require("rootDevice"),
)
balancer = LoadBalancer("ai-workloads", spec, home)
pulumi.export("load_balancer_dns", balancer.endpoint)
pulumi.export("url", balancer.url)
