"""An Application Load Balancer before an autoscaling fleet: plain machines, or with `gpu` machines that serve a model."""

from pathlib import Path

import pulumi

from lbkit import Certificate, Fleet, HealthCheck, Limits, Listener, LoadBalancer, Pool, Redirect, Spec, Timeouts, Tls
from lbkit.settings import Settings
from lbkit.targets.aws import Alb, Machines

OPTIONAL = ("certificateArn", "capacityReservation", "fallbacks", "instanceProfile", "machineSubnetIds")

config = Settings(Path(__file__).with_name("Pulumi.yaml"), *OPTIONAL)
gpu = config.require_bool("gpu")
certificate = config.get("certificateArn")
reservation = config.get("capacityReservation")


def fleet(*, grace: int, disk: int) -> Fleet:
    return Fleet(
        image=config.require("image"),
        size=config.require("instanceType"),
        fallbacks=config.get_object("fallbacks") or [],
        spot=config.require_int("spot"),
        min=config.require_int("min"),
        desired=config.require_int("desired"),
        max=config.require_int("max"),
        grace=grace,
        disk=disk,
    )


def plain_machines() -> Pool:
    return Pool(
        port=80,
        health_check=HealthCheck(path="/health", interval=30, timeout=3, rise=2, fall=2, codes="200"),
        limits=Limits(soft=config.require_int("requestsPerMachine")),
        fleet=fleet(grace=300, disk=30),
    )


def gpu_machines() -> Pool:
    """An inference engine on each: a model is slow to load, and an answer may stream for minutes."""
    return Pool(
        port=8000,
        algorithm="least_connections",
        health_check=HealthCheck(path="/health", interval=10, timeout=5, rise=2, fall=3),
        limits=Limits(soft=config.require_int("requestsPerMachine")),
        timeouts=Timeouts(idle=900),
        drain=900,
        fleet=fleet(grace=1200, disk=300),
    )


def listeners() -> dict[str, Listener]:
    if not certificate:
        return {"http": Listener(port=80, pool="workers")}
    return {
        "http": Listener(port=80, redirect=Redirect(scheme="https", status=301)),
        "https": Listener(
            port=443, protocol="https", pool="workers", tls=Tls(default=Certificate(certificate=certificate))
        ),
    }


spec = Spec(pools={"workers": gpu_machines() if gpu else plain_machines()}, listeners=listeners())
machines = Machines(
    subnet_ids=config.get_object("machineSubnetIds") or [],
    capacity_reservation=reservation,
    capacity_block=bool(reservation),
    efa=config.require_int("efa"),
    instance_profile=config.get("instanceProfile"),
)
home = Alb(
    vpc_id=config.require("vpcId"),
    subnet_ids=config.require_object("subnetIds"),
    root_device=config.require("rootDevice"),
    check_placement=config.require_bool("checkPlacement"),
    machines={"workers": machines},
)
balancer = LoadBalancer("ai-workloads", spec, home)
pulumi.export("load_balancer_dns", balancer.endpoint)
pulumi.export("urls", balancer.urls)
