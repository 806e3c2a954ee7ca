"""What the spec can say and this dataplane can't do yet. The native target refuses it at preview, the process at its start."""

from __future__ import annotations

from collections.abc import Mapping

from lbkit.spec.gaps import Choices, Gap, Rule

_TLS = "The dataplane speaks no TLS yet."
_STANDBY = "The dataplane can't wake or rest nodes yet."
_LATER = "Leave it out."

GAPS: Mapping[str, Rule] = {
    "pools.*.protocol": Choices(("http", "tcp"), _TLS, "Use http, or put the nodes' own TLS port behind a tcp pool."),
    "pools.*.tls": Gap(_TLS, "Use protocol http."),
    "pools.*.algorithm": Choices(
        ("round_robin", "least_connections"), "The dataplane does not know this algorithm yet."
    ),
    "pools.*.nodes.*.standby": Gap(_STANDBY, _LATER),
    "pools.*.nodes.*.backup": Gap("The dataplane knows no backup nodes yet.", _LATER),
    "pools.*.limits.soft": Gap(_STANDBY, "Use limits.hard."),
    "pools.*.standby": Gap(_STANDBY, _LATER),
    "pools.*.health_check.protocol": Choices((None, "tcp", "http"), _TLS),
    "pools.*.passive_check": Gap("The dataplane does not judge nodes by their traffic yet.", "Use `health_check`."),
    "pools.*.sticky": Gap("The dataplane sets no cookies yet.", _LATER),
    "pools.*.slow_start": Gap("The dataplane gives a node that came back its full share at once.", _LATER),
    "pools.*.proxy_protocol": Gap("The dataplane sends no PROXY header yet.", "HTTP nodes read X-Forwarded-For."),
    "pools.*.fleet": Gap("Processes on this machine can't start machines.", "List the `nodes`."),
    "pools.*.firewall": Gap(
        "The dataplane makes no firewall rules.", "Admit the balancer's machine to the nodes yourself."
    ),
    "listeners.*.protocol": Choices(("http", "tcp"), _TLS, "Use http or tcp."),
    "listeners.*.tls": Gap(_TLS, "Use protocol http."),
    "listeners.*.routes": Gap("The dataplane knows no routes yet.", "Use one listener for each pool."),
    "listeners.*.redirect": Gap("The dataplane does not redirect yet.", "Name a pool."),
    "listeners.*.allow": Gap("The dataplane admits every client yet.", "Use the machine's firewall."),
    "listeners.*.proxy_protocol": Gap("The dataplane reads no PROXY header yet.", _LATER),
    "listeners.*.trust_forwarded": Gap("The dataplane replaces X-Forwarded-* of every client yet.", _LATER),
}
