"""Spec words in, AWS words out: no Pulumi. Everything that is sent to the provider is decided here.

Every argument is written out, defaults too: AWS keeps the old value of one that is left out later.
The order of a plan is one in which it can be made: a resource stands behind all that it names.
"""

from __future__ import annotations

from lbkit.spec import Spec
from lbkit.targets.aws.placement import Placement
from lbkit.targets.aws.plan import Plan
from lbkit.targets.aws.translate.balancer import balancer
from lbkit.targets.aws.translate.firewall import firewall
from lbkit.targets.aws.translate.fleet import fleets
from lbkit.targets.aws.translate.listeners import listeners
from lbkit.targets.aws.translate.pools import pools

_UNTAGGED = ("lb.TargetGroupAttachment", "lb.ListenerCertificate", "autoscaling.")


def plan(spec: Spec, home: Placement, name: str = "lb") -> Plan:
    """All resources of the balancer of this name with all their arguments, in an order in which they can be made."""
    found: Plan = {}
    for part in (firewall, balancer, pools):
        found |= part(spec, home)
    found |= fleets(name, spec, home)
    found |= listeners(spec, home)
    for item in found.values():
        if home.tags and not item.kind.startswith(_UNTAGGED):
            item.args["tags"] = home.tags
    return found
