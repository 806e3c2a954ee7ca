"""Which leaves may be a Pulumi Output, and why the others may not: the one place that says it."""

from __future__ import annotations

LATE = {
    "pools.*.nodes.*.address",
    "pools.*.nodes.*.instance",
    "pools.*.fleet.image",
    "pools.*.fleet.user_data",
    "pools.*.standby.wake.command",
    "pools.*.standby.wake.post",
    "pools.*.standby.rest.command",
    "pools.*.standby.rest.post",
    "pools.*.tls.ca",
    "pools.*.tls.server_name",
    "listeners.*.allow",
    "listeners.*.proxy_protocol",
    "listeners.*.trust_forwarded",
    "listeners.*.tls.default.certificate",
    "listeners.*.tls.default.key",
    "listeners.*.tls.names.*.certificate",
    "listeners.*.tls.names.*.key",
    "listeners.*.tls.client_ca",
    "listeners.*.redirect.host",
    "listeners.*.routes.*.redirect.host",
}
"""Of lists each entry may be late: how many there are decides which resources exist."""

PLAIN = {
    "It is a number, a choice or a switch that decides which resources exist, or whether a home can do it at all.": {
        "pools.*.algorithm", "pools.*.codes.*", "pools.*.drain", "pools.*.firewall", "pools.*.limits.*",
        "pools.*.passive_check.*", "pools.*.port", "pools.*.preset", "pools.*.protocol", "pools.*.proxy_protocol",
        "pools.*.retries", "pools.*.slow_start", "pools.*.standby.min_awake", "pools.*.sticky.ttl", "pools.*.timeouts.*",
        "pools.*.tls.verify", "pools.*.nodes.*.port", "pools.*.nodes.*.weight", "pools.*.nodes.*.standby",
        "pools.*.nodes.*.backup", "pools.*.nodes.*.admin_state", "pools.*.nodes.*.public", "pools.*.fleet.spot",
        "pools.*.fleet.on_demand", "pools.*.fleet.min", "pools.*.fleet.max", "pools.*.fleet.desired", "pools.*.fleet.grace",
        "pools.*.fleet.disk", "pools.*.fleet.warm", "pools.*.fleet.rollout", "listeners.*.port", "listeners.*.protocol",
        "listeners.*.limits.*", "listeners.*.timeouts.*", "listeners.*.tls.min_version",
        "listeners.*.redirect.scheme", "listeners.*.redirect.port", "listeners.*.redirect.status",
        "listeners.*.routes.*.priority", "listeners.*.routes.*.redirect.scheme", "listeners.*.routes.*.redirect.port",
        "listeners.*.routes.*.redirect.status", "listeners.*.routes.*.answer.status",
    },
    "It says how a node answers a probe, which its program fixed; monitors are made, and refused, by it.": {
        "pools.*.health_check.*",
    },
    "It is a machine type: which exist, and whether they fit together, is judged before the first resource.": {
        "pools.*.fleet.size", "pools.*.fleet.fallbacks",
    },
    "It names something else in this very spec, so it decides what leads where.": {
        "listeners.*.pool", "listeners.*.routes.*.pool", "listeners.*.routes.*.pools",
    },
    "It is part of what a client asks: routes are put in order, and told apart, by it.": {
        "listeners.*.routes.*.host", "listeners.*.routes.*.path", "listeners.*.routes.*.exact",
        "listeners.*.routes.*.methods", "listeners.*.routes.*.headers", "listeners.*.routes.*.query",
    },
    "It tells listeners of one port apart. The placement's address, for all that name none, may be late.": {
        "listeners.*.address",
    },
    "It is a text of the user's own, which no resource makes.": {
        "pools.*.sticky.cookie", "listeners.*.redirect.path", "listeners.*.routes.*.redirect.path",
        "listeners.*.routes.*.answer.body", "listeners.*.routes.*.answer.content_type",
    },
}  # fmt: skip
"""By reason. `*` at the end: all fields of that class."""

LATE_PLACED = {
    "Alb.vpc_id", "Alb.subnet_ids", "Alb.node_subnet_ids", "Alb.node_security_group_ids", "Alb.outside_vpc",
    "Alb.root_device", "Alb.tags",
    "Nlb.vpc_id", "Nlb.subnet_ids", "Nlb.node_subnet_ids", "Nlb.node_security_group_ids", "Nlb.outside_vpc",
    "Nlb.root_device", "Nlb.tags", "Nlb.allocation_ids",
    "Machines.subnet_ids", "Machines.root_device", "Machines.instance_profile", "Machines.security_group_ids",
    "Machines.egress", "Machines.capacity_reservation", "Machines.placement_group",
    "Logs.bucket",
    "Ltm.address", "Ltm.snat", "Device.address", "Device.user", "Device.password", "Device.token",
}  # fmt: skip

PLAIN_PLACED = {
    "It is a number, a choice or a switch that decides which resources exist, or what they are.": {
        "Alb.internal", "Alb.ip", "Alb.cross_zone", "Alb.deletion_protection", "Alb.check_placement",
        "Nlb.internal", "Nlb.ip", "Nlb.cross_zone", "Nlb.deletion_protection", "Nlb.check_placement",
        "Nlb.static_addresses", "Nlb.preserve_client_ip", "Machines.capacity_block", "Machines.efa", "Logs.enabled",
        "Ltm.tmms", "Ltm.websocket", "Ltm.save", "Local.wait",
    },
    "It names pools of the spec.": {"Alb.http2", "Alb.grpc"},
    "It is a text of the user's own, which no resource makes.": {"Logs.prefix"},
    "It is part of every object's name on the device, or decides whether objects of its own are made.": {
        "Ltm.partition", "Ltm.traffic_group",
    },
    "It says which machine is spoken to and how, before anything is made.": {
        "Device.login", "Device.ca", "Pair.talk_to", "Pair.group",
    },
}  # fmt: skip

WHOLE_LISTS = {
    "Alb.subnet_ids", "Alb.node_subnet_ids", "Nlb.subnet_ids", "Nlb.node_subnet_ids", "Machines.subnet_ids",
}  # fmt: skip
"""Lists that may be one Output as well: nothing depends on how many entries they have."""
