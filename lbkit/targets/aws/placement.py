"""Where and how on AWS: what the spec leaves open because no other home has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from lbkit.errors import Problem
from lbkit.spec.base import Model, shown, wrong
from lbkit.spec.inputs import Input, InputMap, Inputs, is_output
from lbkit.spec.values import Cidr, Name, Number
from lbkit.targets.aws.ids import AllocationId, Bucket, Folder, GroupId, GrpcCodes, ReservationId, SubnetId, VpcId
from lbkit.targets.base import Target

Subnets = Input[Inputs[SubnetId]]
"""Each may be late, or all of them in one Output, where nothing depends on how many they are."""


def listed(items: Any) -> Sequence[Any]:
    """The entries; none while the whole list is late."""
    return () if is_output(items) else items


class Logs(Model):
    """Where a balancer's logs go."""

    bucket: Input[Bucket]
    """An S3 bucket whose policy lets `logdelivery.elasticloadbalancing.amazonaws.com` write. Pass the policy's `bucket`
    output, so that the balancer waits for the policy."""
    prefix: Folder = ""
    """Folder in the bucket."""
    enabled: bool = True
    """To stop logging, set this to False; AWS keeps the last setting of logs that are left out."""


class Machines(Model):
    """How a fleet's machines stand on AWS."""

    subnet_ids: Subnets = Field(default_factory=list)
    """Where they start. Unset: the target's `node_subnet_ids`, else its `subnet_ids`."""
    root_device: Input[str] | None = None
    """Name of the root disk in the image. Unset: the target's."""
    instance_profile: Input[str] | None = None
    """Name of an IAM instance profile: what the machines may do at AWS. Unset: nothing."""
    security_group_ids: Inputs[GroupId] = Field(default_factory=list)
    """Further groups of the machines, such as one that a file system admits."""
    egress: Inputs[Cidr] = Field(default_factory=lambda: ["0.0.0.0/0"])
    """Ranges that the machines may reach: they fetch images and models."""
    capacity_reservation: Input[ReservationId] | None = None
    """A capacity reservation to start in. Unset: open capacity."""
    capacity_block: bool = False
    """The reservation is a capacity block for machine learning: GPUs in one zone for a fixed time."""
    placement_group: Input[str] | None = None
    """Name of a placement group; a cluster one puts the machines close together, in one zone."""
    efa: Number = Field(default=0, ge=0, le=32)
    """Elastic Fabric Adapters of each machine, as many as its type has network cards. 0: an ordinary network interface."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.capacity_block and self.capacity_reservation is None:
            reason = "A capacity block is known by its reservation's id."
            raise wrong(Problem("capacity_reservation", reason, "Add capacity_reservation='cr-...'."))
        return self


class Placement(Target):
    """What both kinds of balancer have."""

    vpc_id: Input[VpcId]
    """The VPC of the balancer and its nodes. It must exist: lbkit never makes one."""
    subnet_ids: Input[Annotated[Inputs[SubnetId], Field(min_length=1)]]
    """Subnets of the balancer, one for each zone. Fleets start their machines there too, unless `node_subnet_ids` is set."""
    node_subnet_ids: Subnets = Field(default_factory=list)
    """Subnets of the fleets' machines."""
    node_security_group_ids: Inputs[GroupId] = Field(default_factory=list)
    """Security groups of the nodes that are listed in the spec. The balancer then reaches these groups, in place of each
    node's address, and pools with `firewall` get their rules in them."""
    outside_vpc: Inputs[Cidr] = Field(default_factory=list)
    """Ranges of nodes that lie outside the VPC, such as in a peered one or behind a VPN: AWS wants to be told."""
    internal: bool = False
    """Reachable from inside the VPC only. A change makes a new balancer with a new DNS name."""
    ip: Literal["ipv4", "dualstack"] = "ipv4"
    """Addresses of the balancer; `dualstack` adds IPv6 for clients. Nodes are reached by IPv4."""
    cross_zone: bool = True
    """Spread over the nodes of all zones. Without it each zone's share is equal, however few nodes it has."""
    deletion_protection: bool = False
    """AWS refuses to delete the balancer, also when Pulumi asks, until this is False again."""
    root_device: Input[str] = "/dev/xvda"
    """Name of the root disk in the fleets' images; `/dev/sda1` on Ubuntu."""
    machines: dict[Name, Machines] = Field(default_factory=dict)
    """By pool with a fleet: how its machines stand."""
    tags: InputMap[str] = Field(default_factory=dict)
    """Tags of everything that lbkit makes, machines and disks included."""
    check_placement: bool = True
    """Ask AWS at preview whether the subnets lie in the VPC and in different zones; needs ec2:DescribeSubnets. Subnets
    that the same program makes are not asked for."""

    @model_validator(mode="after")
    def _stands(self) -> Self:
        problems = []
        for field in ("subnet_ids", "node_subnet_ids", "node_security_group_ids"):
            plain = [str(item) for item in listed(getattr(self, field)) if not is_output(item)]
            twice = next((item for index, item in enumerate(plain) if item in plain[:index]), None)
            if twice:
                problems.append(Problem(field, "One is named twice.", "Name different ones.", shown(twice)))
        if self.internal and self.ip == "dualstack":
            reason = "AWS gives internal balancers IPv4 addresses only."
            problems.append(Problem("ip", reason, "Use ipv4, or internal=False.", shown(self.ip)))
        for tag in self.tags:
            if tag.lower().startswith("aws:") or not 1 <= len(tag) <= 128:
                problems.append(Problem("tags", "AWS keeps this name for itself.", "Choose another.", shown(tag)))
        if problems:
            raise wrong(*problems)
        return self

    def standing(self, pool: str) -> Machines:
        """How a pool's machines stand."""
        return self.machines.get(pool) or Machines()

    def machine_subnets(self, pool: str) -> Subnets:
        """Where a pool's machines start."""
        return self.standing(pool).subnet_ids or self.node_subnet_ids or self.subnet_ids


class Application(Placement):
    """What only a balancer for HTTP has."""

    subnet_ids: Input[Annotated[Inputs[SubnetId], Field(min_length=2)]]
    """Subnets of the balancer, in at least two zones. Fleets start their machines there too, unless `node_subnet_ids` is set."""
    access_logs: Logs | None = None
    """A line for each request."""
    connection_logs: Logs | None = None
    """A line for each client connection."""
    http2: list[Name] = Field(default_factory=list)
    """Pools whose nodes speak HTTP/2. AWS reaches them from https listeners only."""
    grpc: dict[Name, GrpcCodes] = Field(default_factory=dict)
    """Pools whose nodes speak gRPC, with the status codes of a good answer to the health check, such as `0` or `0-12`. AWS
    reaches them from https listeners only."""


class Network(Placement):
    """What only a balancer for TCP has."""

    static_addresses: bool = False
    """Make an Elastic IP for each subnet. With one subnet the balancer has one IPv4 address, and `endpoint` is that."""
    allocation_ids: Inputs[AllocationId] = Field(default_factory=list)
    """Elastic IPs of yours, one for each subnet and in their order; they outlive the balancer. AWS changes no
    address of a balancer that stands: another id for a subnet needs `pulumi up --replace` of it."""
    preserve_client_ip: bool = False
    """Nodes see the client's address as their peer. A node can't then be a client of the balancer that leads to itself."""

    @model_validator(mode="after")
    def _addresses(self) -> Self:
        problems = []
        if self.allocation_ids and self.static_addresses:
            problems.append(Problem("allocation_ids", "lbkit makes addresses, and some are given.", "One of both."))
        field = "allocation_ids" if self.allocation_ids else "static_addresses"
        if is_output(self.subnet_ids) and (self.allocation_ids or self.static_addresses):
            reason = "Each subnet has an address of its own, so how many they are decides which resources exist."
            problems.append(
                Problem("subnet_ids", reason, f"Give a plain list of ids that may be late, or leave `{field}` out.")
            )
        elif self.allocation_ids and len(self.allocation_ids) != len(listed(self.subnet_ids)):
            reason = f"Each of the {len(listed(self.subnet_ids))} subnets needs one address."
            remedy = "One allocation id for each subnet, in the same order."
            problems.append(Problem("allocation_ids", reason, remedy, str(len(self.allocation_ids))))
        if self.internal and (self.allocation_ids or self.static_addresses):
            reason = "Elastic IPs are public, and this balancer is internal."
            problems.append(Problem(field, reason, "Leave it out."))
        if problems:
            raise wrong(*problems)
        return self
