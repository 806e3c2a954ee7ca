"""What AWS's balancers can't do. Ranges are AWS's own (Elastic Load Balancing API reference)."""

from __future__ import annotations

from collections.abc import Mapping

from lbkit.spec.gaps import Bounds, Choices, Gap, Rule

_NATIVE = "Use Native."
_OUT = "Leave it out."
_COUNT = "AWS keeps no count of a node's work that could limit it."

_BOTH: Mapping[str, Rule] = {
    "pools.*.nodes.*.weight": Choices(
        (1,),
        "AWS gives every node of a target group the same weight.",
        "Use Native, or two pools with shares on a route.",
    ),
    "pools.*.nodes.*.standby": Gap("AWS can't wake a node.", "Use Native, or a `fleet` with `warm` machines."),
    "pools.*.nodes.*.backup": Gap("AWS has no backup nodes.", _NATIVE),
    "pools.*.nodes.*.admin_state": Choices(("ready",), "AWS has no admin state.", "Remove the node: it drains."),
    "pools.*.nodes.*.public": Gap("AWS sends to private addresses only.", "Use the private address."),
    "pools.*.fleet.grace": Bounds(0, 86_400, whole=True),
    "pools.*.limits.hard": Gap(_COUNT, "Use Native, or leave `hard` out."),
    "pools.*.limits.queue": Gap("AWS never queues: it forwards or refuses.", "Use Native, or leave `queue` out."),
    "pools.*.standby": Gap("AWS can't wake a node.", "Use Native, or a `fleet` with `warm` machines."),
    "pools.*.health_check.interval": Bounds(5, 300, whole=True),
    "pools.*.health_check.rise": Bounds(2, 10, whole=True),
    "pools.*.health_check.fall": Bounds(2, 10, whole=True),
    "pools.*.health_check.method": Choices(("GET",), "AWS checks with GET only."),
    "pools.*.health_check.host": Gap("AWS checks with the node's address as Host.", "Answer the check on any host."),
    "pools.*.health_check.headers": Gap("AWS sends no further headers.", "Let the path answer without them."),
    "pools.*.health_check.body": Gap("AWS judges by the status code only.", "Use `codes`."),
    "pools.*.passive_check": Gap("AWS does not judge nodes by their traffic.", "Use `health_check`."),
    "pools.*.timeouts.total": Gap("AWS has no limit for a whole request.", _NATIVE),
    "pools.*.drain": Bounds(0, 3600, whole=True),
    "listeners.*.address": Gap("A balancer's addresses belong to AWS.", "Leave it out; Nlb can have Elastic IPs."),
    "listeners.*.timeouts.header": Gap("AWS's time for a request's head is fixed.", _OUT),
    "listeners.*.timeouts.body": Gap("AWS's time for a request's body is its idle timeout.", _OUT),
    "listeners.*.proxy_protocol": Gap("AWS reads no PROXY header.", "Use Native behind your own balancer."),
    "listeners.*.trust_forwarded": Gap("AWS adds to X-Forwarded-For of every client.", _OUT),
}

ALB: Mapping[str, Rule] = {
    **_BOTH,
    "pools.*.protocol": Choices(
        ("http", "https"), "ALB carries HTTP only.", "Use Nlb for TCP; for both, make two balancers."
    ),
    "pools.*.tls.ca": Gap("ALB never verifies the certificates of nodes.", "Use Native, or leave `ca` out."),
    "pools.*.tls.server_name": Gap("ALB names no server to nodes.", "Use Native, or leave it out."),
    "pools.*.algorithm": Choices(("round_robin", "least_connections"), "ALB knows no such algorithm."),
    "pools.*.health_check.protocol": Choices((None, "http", "https"), "ALB checks over HTTP.", "Leave it out."),
    "pools.*.timeouts.connect": Gap("ALB waits 10 s for a node to accept, always.", _OUT),
    "pools.*.timeouts.idle": Bounds(1, 4000, whole=True),
    "pools.*.timeouts.keep_alive": Gap("ALB decides by itself how long it keeps connections to nodes.", _OUT),
    "pools.*.codes": Gap("ALB's own answers have fixed codes.", _NATIVE),
    "pools.*.retries": Gap("ALB decides by itself what it tries again.", _OUT),
    "pools.*.sticky.cookie": Gap("ALB names its cookie AWSALB.", _OUT),
    "pools.*.sticky.ttl": Bounds(1, 604_800, whole=True),
    "pools.*.proxy_protocol": Gap("ALB sends no PROXY header.", "Nodes read X-Forwarded-For."),
    "listeners.*.protocol": Choices(
        ("http", "https"), "ALB carries HTTP only.", "Use Nlb for this listener; for both, make two balancers."
    ),
    "listeners.*.timeouts.keep_alive": Bounds(60, 604_800, whole=True),
    "listeners.*.limits": Gap("ALB's limits of requests are fixed: 16 K a line, 64 K the head.", _NATIVE),
}

NLB: Mapping[str, Rule] = {
    **_BOTH,
    "pools.*.protocol": Choices(("tcp",), "NLB carries bytes only.", "Use Alb for HTTP; for both, make two balancers."),
    "pools.*.algorithm": Choices(
        ("round_robin", "source_hash"), "NLB spreads connections by a hash; it knows no such algorithm.",
        "Leave it out, or use source_hash.",
    ),
    "pools.*.limits.soft": Gap("NLB counts no connections per node.", "Use Native, or Alb."),
    "pools.*.timeouts.connect": Gap("NLB decides by itself how long it waits for a node.", _OUT),
    "pools.*.timeouts.first_byte": Gap("NLB knows no requests.", _OUT),
    "pools.*.timeouts.idle": Bounds(60, 6000, whole=True),
    "pools.*.timeouts.keep_alive": Gap("NLB knows no requests.", _OUT),
    "pools.*.codes": Gap("NLB answers nothing itself.", _NATIVE),
    "pools.*.retries": Gap("NLB decides by itself what it tries again.", _OUT),
    "pools.*.sticky": Gap("NLB sets no cookies.", "Use algorithm='source_hash', or Alb."),
    "pools.*.slow_start": Choices((0,), "NLB gives a new node its full share at once.", _OUT),
    "pools.*.tls": Gap("NLB passes TLS on.", _OUT),
    "pools.*.proxy_protocol": Choices((None, "v2"), "NLB sends version 2 only."),
    "listeners.*.protocol": Choices(
        ("tcp", "tls"), "NLB carries bytes only.", "Use Alb for this listener; for both, make two balancers."
    ),
    "listeners.*.routes": Gap("NLB does not look at the name asked for.", "Use a port for each pool, or Native."),
    "listeners.*.redirect": Gap("NLB knows no requests.", "Use Alb."),
    "listeners.*.tls": Gap("NLB passes TLS on here; nodes hold the certificate.", "Use Alb, or protocol='tls'."),
    "listeners.*.timeouts.keep_alive": Gap("NLB knows no requests.", _OUT),
    "listeners.*.limits": Gap("NLB knows no requests.", _NATIVE),
}  # fmt: skip
