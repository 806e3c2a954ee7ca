"""What the spec can say and this dataplane can't do. The native target refuses it at preview, the process at its start."""

from __future__ import annotations

from collections.abc import Mapping

from lbkit.spec.gaps import Gap, Rule

GAPS: Mapping[str, Rule] = {
    "pools.*.nodes.*.instance": Gap("The dataplane reaches nodes by address.", "Give the node's address."),
    "pools.*.fleet": Gap("Processes on this machine can't start machines.", "List the `nodes`."),
    "pools.*.firewall": Gap(
        "The dataplane makes no firewall rules.", "Admit the balancer's machine to the nodes yourself."
    ),
}
