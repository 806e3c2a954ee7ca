"""What a BIG-IP LTM can't do through its provider.

Health is time on a BIG-IP, not counts (F5 K350); what its provider exposes is pulumi_f5bigip 3.25's.
"""

from __future__ import annotations

from collections.abc import Mapping

from lbkit.spec.gaps import Bounds, Choices, Gap, Rule

_NATIVE = "Use Native."
_OUT = "Leave it out."
_WAKE = "A BIG-IP can't wake a node."
_PASSES = "The device closes the connection instead of answering, and the provider does not pass this limit on."
DAY = 86_400

GAPS: Mapping[str, Rule] = {
    "pools.*.algorithm": Choices(
        ("round_robin", "least_connections", "source_hash"), "A BIG-IP has no choice of the better of two."
    ),
    "pools.*.nodes.*.instance": Gap("A BIG-IP reaches nodes by address.", "Give the node's address."),
    "pools.*.nodes.*.standby": Gap(_WAKE, _NATIVE),
    "pools.*.nodes.*.admin_state": Choices(
        ("ready", "drain"),
        "A BIG-IP lets the running work of a node end, whatever its state.",
        "Use drain, or remove the node.",
    ),
    "pools.*.fleet": Gap("A BIG-IP starts no machines.", "List the `nodes`."),
    "pools.*.limits.soft": Gap(_WAKE, _NATIVE),
    "pools.*.limits.queue": Gap(
        "The provider does not expose the BIG-IP's queue.", "Use Native, or leave `queue` out."
    ),
    "pools.*.standby": Gap(_WAKE, _NATIVE),
    "pools.*.health_check.interval": Bounds(1, DAY, whole=True),
    "pools.*.passive_check": Gap("The provider has no passive monitor.", "Use `health_check`."),
    "pools.*.timeouts.first_byte": Gap("A BIG-IP has no timer for the first byte.", _OUT),
    "pools.*.timeouts.idle": Bounds(1, DAY, whole=True),
    "pools.*.timeouts.total": Gap("A BIG-IP has no limit for a whole request.", _NATIVE),
    "pools.*.timeouts.keep_alive": Bounds(
        1, DAY, whole=True, reason="A BIG-IP shares connections to nodes between clients, and counts whole seconds."
    ),
    "pools.*.codes": Gap("A BIG-IP closes the connection instead of answering with a code.", _NATIVE),
    "pools.*.sticky.ttl": Bounds(1, DAY, whole=True),
    "pools.*.slow_start": Bounds(0, DAY, whole=True),
    "pools.*.drain": Gap("A BIG-IP's drain has no deadline.", _OUT),
    "pools.*.proxy_protocol": Gap("The provider can't send a PROXY header.", "Nodes read X-Forwarded-For."),
    "pools.*.firewall": Gap("A BIG-IP does not own the nodes' firewall.", "Open the nodes yourself."),
    "listeners.*.timeouts": Gap("The provider does not expose the timers of the client's side.", _OUT),
    "listeners.*.limits": Gap(_PASSES, _OUT),
    "listeners.*.proxy_protocol": Gap("The provider can't read a PROXY header.", _OUT),
}
