"""What a BIG-IP LTM can't do through its provider, and what lbkit does not render for it yet.

Health is time on a BIG-IP, not counts (F5 K350); what its provider exposes is pulumi_f5bigip 3.25's.
"""

from __future__ import annotations

from collections.abc import Mapping

from lbkit.spec.gaps import Bounds, Choices, Gap, Rule

_NATIVE = "Use Native."
_YET = "lbkit does not render this for BIG-IP yet."
_OUT = "Leave it out."

GAPS: Mapping[str, Rule] = {
    "pools.*.protocol": Choices(("http",), _YET, "Use http."),
    "pools.*.tls": Gap(_YET, "Use protocol http."),
    "pools.*.algorithm": Choices(("round_robin", "least_connections"), _YET),
    "pools.*.nodes.*.instance": Gap("A BIG-IP reaches nodes by address.", "Give the node's address."),
    "pools.*.nodes.*.standby": Gap("A BIG-IP can't wake a node.", _NATIVE),
    "pools.*.nodes.*.backup": Gap(_YET, _OUT),
    "pools.*.fleet": Gap("A BIG-IP starts no machines.", "List the `nodes`."),
    "pools.*.limits.soft": Gap("A BIG-IP can't wake a node.", _NATIVE),
    "pools.*.limits.hard": Gap(
        "A BIG-IP counts connections, and divides the limit over its processors, so it can be exceeded.",
        "Use Native, or leave `hard` out.",
    ),
    "pools.*.limits.queue": Gap(
        "The provider does not expose the BIG-IP's queue.", "Use Native, or leave `queue` out."
    ),
    "pools.*.standby": Gap("A BIG-IP can't wake a node.", _NATIVE),
    "pools.*.health_check.protocol": Choices((None, "tcp", "http"), _YET, "Use tcp or http."),
    "pools.*.health_check.interval": Bounds(1, 86_400, whole=True),
    "pools.*.health_check.headers": Gap(_YET, "Let the path answer without them."),
    "pools.*.health_check.body": Gap(_YET, "Use `codes`."),
    "pools.*.passive_check": Gap("The provider has no passive monitor.", "Use `health_check`."),
    "pools.*.timeouts.connect": Gap(_YET, _OUT),
    "pools.*.timeouts.first_byte": Gap("A BIG-IP has no timer for the first byte.", _OUT),
    "pools.*.timeouts.idle": Gap(_YET, _OUT),
    "pools.*.timeouts.total": Gap("A BIG-IP has no limit for a whole request.", _NATIVE),
    "pools.*.timeouts.keep_alive": Gap(_YET, _OUT),
    "pools.*.codes": Gap("A BIG-IP closes the connection instead of answering with a code.", _NATIVE),
    "pools.*.sticky": Gap(_YET, _OUT),
    "pools.*.slow_start": Bounds(0, 86_400, whole=True),
    "pools.*.drain": Gap("A BIG-IP's drain has no deadline.", _OUT),
    "pools.*.proxy_protocol": Gap("The provider can't send a PROXY header.", "Nodes read X-Forwarded-For."),
    "pools.*.firewall": Gap("A BIG-IP does not own the nodes' firewall.", "Open the nodes yourself."),
    "listeners.*.protocol": Choices(("http",), _YET, "Use http."),
    "listeners.*.tls": Gap(_YET, "Use protocol http."),
    "listeners.*.routes": Gap(_YET, "Use one listener for each pool."),
    "listeners.*.routes.*.query": Gap(_YET, "Use a path or a header."),
    "listeners.*.routes.*.pools": Gap(_YET, "Use one pool."),
    "listeners.*.redirect": Gap(_YET, "Name a pool."),
    "listeners.*.allow": Gap(_YET, "Use the network's firewall."),
    "listeners.*.timeouts": Gap(_YET, _OUT),
    "listeners.*.limits": Gap(_YET, _OUT),
    "listeners.*.proxy_protocol": Gap("The provider can't read a PROXY header.", _OUT),
    "listeners.*.trust_forwarded": Gap(_YET, _OUT),
}
