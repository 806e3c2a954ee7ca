"""What addresses may not be, once the late ones have arrived: the rules of the placement, and one node for each address.

Nothing waits for this; it ends an `up` with words of the spec where the device would answer with its own. No late value
is shown, for it may be secret.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pulumi

from lbkit.errors import Belated, LbkitError, Problem
from lbkit.spec import Spec
from lbkit.targets.bigip.device import managed_at
from lbkit.targets.bigip.parts import Args, late_in
from lbkit.targets.bigip.placement import addresses

if TYPE_CHECKING:
    from lbkit.targets.bigip import Ltm


def judge(spec: Spec, ltm: Ltm, nodes: Mapping[str, Args]) -> None:
    given = {
        "spec": spec.model_dump(),
        "ltm": {"address": ltm.address, "snat": ltm.snat},
        "managed": managed_at(ltm.device),
        "nodes": {key: args["address"] for key, args in nodes.items()},
    }
    if late_in(given):
        pulumi.Output.from_input(given).apply(lambda known: _judged(known, ltm))


def _judged(known: Mapping[str, Any], ltm: Ltm) -> None:
    found = list(_twice(known["nodes"]))
    try:
        placed = type(ltm)(**known["ltm"])
        found += addresses(Spec.load(known["spec"]), placed, known["managed"])
    except LbkitError as error:
        found += error.problems
    if found:
        raise Belated(*(Problem(item.path, item.reason, item.remedy) for item in found))


def _twice(nodes: Mapping[str, str]) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for key in sorted(nodes, key=lambda key: "--" in key):  # late ones last: their keys are pool and node
        at = "pools.{}.nodes.{}".format(*key.split("--")) if "--" in key else f"the node {nodes[key]}"
        if (other := seen.setdefault(nodes[key], at)) != at:
            yield Problem(f"{at}.address", f"It is that of {other} too, and a BIG-IP knows each address once.",
                          "Give both places the same Output, not one made anew for each, or take the node out of one.")  # fmt: skip
