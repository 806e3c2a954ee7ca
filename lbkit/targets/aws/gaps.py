"""What an Application Load Balancer can't do, and what lbkit does not render for it yet.

Ranges are AWS's own (Elastic Load Balancing API reference).
"""

from __future__ import annotations

from collections.abc import Mapping

from lbkit.spec.gaps import Bounds, Choices, Gap, Rule

_NATIVE = "Use Native."
_YET = "lbkit does not render this for AWS yet."
_OUT = "Leave it out."
_COUNT = "ALB keeps no count of a node's requests that could limit them."

GAPS: Mapping[str, Rule] = {
    "pools.*.protocol": Choices(("http",), _YET, "Use http."),
    "pools.*.tls": Gap(_YET, "Use protocol http."),
    "pools.*.algorithm": Choices(("round_robin", "least_connections"), "ALB knows no such algorithm."),
    "pools.*.nodes.*.weight": Choices(
        (1,), "ALB gives every node of a target group the same weight.", "Use Native, or equal nodes."
    ),
    "pools.*.nodes.*.standby": Gap("ALB can't wake a node.", "Use Native, or a `fleet`."),
    "pools.*.nodes.*.backup": Gap("ALB has no backup nodes.", _NATIVE),
    "pools.*.nodes.*.admin_state": Choices(("ready",), "ALB has no admin state.", "Remove the node: it drains."),
    "pools.*.nodes.*.public": Gap("ALB sends to private addresses only.", "Use the private address."),
    "pools.*.fleet.grace": Bounds(0, 86_400, whole=True),
    "pools.*.limits.hard": Gap(_COUNT, "Use Native, or leave `hard` out."),
    "pools.*.limits.queue": Gap("ALB never queues: it forwards or answers 503.", "Use Native, or leave `queue` out."),
    "pools.*.standby": Gap("ALB can't wake a node.", "Use Native, or a `fleet`."),
    "pools.*.health_check.protocol": Choices((None, "http"), "An ALB checks an http pool over HTTP.", "Leave it out."),
    "pools.*.health_check.interval": Bounds(5, 300, whole=True),
    "pools.*.health_check.rise": Bounds(2, 10, whole=True),
    "pools.*.health_check.fall": Bounds(2, 10, whole=True),
    "pools.*.health_check.method": Choices(("GET",), "ALB checks with GET only."),
    "pools.*.health_check.host": Gap("ALB checks with the node's address as Host.", "Answer the check on any host."),
    "pools.*.health_check.headers": Gap("ALB sends no further headers.", "Let the path answer without them."),
    "pools.*.health_check.body": Gap("ALB judges by the status code only.", "Use `codes`."),
    "pools.*.passive_check": Gap("ALB does not judge nodes by their traffic.", "Use `health_check`."),
    "pools.*.timeouts.connect": Gap("ALB waits 10 s for a node to accept, always.", _OUT),
    "pools.*.timeouts.idle": Bounds(1, 4000, whole=True),
    "pools.*.timeouts.total": Gap("ALB has no limit for a whole request.", _NATIVE),
    "pools.*.timeouts.keep_alive": Gap("ALB decides by itself how long it keeps connections to nodes.", _OUT),
    "pools.*.codes": Gap("ALB's own answers have fixed codes.", _NATIVE),
    "pools.*.retries": Gap("ALB decides by itself what it tries again.", _OUT),
    "pools.*.sticky": Gap(_YET, _OUT),
    "pools.*.slow_start": Gap(_YET, _OUT),
    "pools.*.drain": Bounds(0, 3600, whole=True),
    "pools.*.proxy_protocol": Gap("ALB sends no PROXY header.", "Nodes read X-Forwarded-For."),
    "pools.*.firewall": Gap(
        "A fleet's machines always get their rules; other nodes have groups of their own.",
        "Leave it out, or open them yourself.",
    ),
    "listeners.*.protocol": Choices(("http",), _YET, "Use http."),
    "listeners.*.tls": Gap(_YET, "Use protocol http."),
    "listeners.*.routes": Gap(_YET, "Use one listener for each pool."),
    "listeners.*.redirect": Gap(_YET, "Name a pool."),
    "listeners.*.address": Gap("An ALB's addresses belong to AWS.", _OUT),
    "listeners.*.timeouts.header": Gap("ALB's time for a request's head is fixed.", _OUT),
    "listeners.*.timeouts.body": Gap("ALB's time for a request's body is its idle timeout.", _OUT),
    "listeners.*.timeouts.keep_alive": Bounds(60, 604_800, whole=True),
    "listeners.*.limits": Gap("ALB's limits of requests are fixed: 16 K a line, 64 K the head.", _NATIVE),
    "listeners.*.proxy_protocol": Gap("ALB reads no PROXY header.", "Use an NLB before your own balancer."),
    "listeners.*.trust_forwarded": Gap("ALB adds to X-Forwarded-For of every client.", _OUT),
}
