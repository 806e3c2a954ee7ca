"""A stack with one balancer at the AWS that the double keeps, said as changes of a plain spec."""

from __future__ import annotations

import json
from typing import Any

from tests.e2e.house import Stack, brief
from tests.targets.aws.house import IDS, changed

PROGRAM = """
import json, pulumi
from pathlib import Path
from lbkit import LoadBalancer
from lbkit.targets import aws

given = json.loads((Path(__file__).parent / "given.json").read_text())
outputs = {}
for path in given["late"]:
    *above, last = path.split(".")
    inner = given["spec"]
    for step in above:
        inner = inner[step]
    inner[last] = outputs.setdefault(inner[last], pulumi.Output.from_input(inner[last]))
aliases = [pulumi.Alias(name=old) for old in given["aliases"]]
home = getattr(aws, given["home"])(**given["placement"])
balancer = LoadBalancer(given["name"], given["spec"], home, pulumi.ResourceOptions(aliases=aliases))
pulumi.export("endpoint", balancer.endpoint)
"""
TCP = {"pools.p.protocol": "tcp", "pools.p.health_check": {}, "listeners.l.protocol": "tcp"}
FIRST, SECOND = IDS["subnet_ids"]
THIRD = "subnet-0aa0bb1cc2dd3ee4f"


class Balancer:
    """A stack with one balancer, said as changes of a plain spec."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.given: dict[str, Any] = {}
        self.amiss: list[str] = []
        """What went wrong at any time: listeners that led to nothing, things that were lost."""
        stack.replace_program(PROGRAM)

    def up(self, changes: dict[str, Any], *, home: str = "Alb", name: str = "lb", aliases: Any = (), late: Any = (),
           fails: bool = False, again: bool = False, **placement: Any) -> list[str]:  # fmt: skip
        """Brief calls. `late`: paths of values that come as Outputs; equal ones are one Output."""
        spec = changed(changes).model_dump(exclude_unset=True)
        given = {"spec": spec, "home": home, "placement": {**IDS, **placement}, "name": name, "aliases": list(aliases),
                 "late": list(late)}  # fmt: skip
        if given == self.given and not again:
            return []
        self.given = given
        (self.stack.folder / "given.json").write_text(json.dumps(given))
        self.text = self.stack.run("up", fails=fails)
        calls = brief(self.stack.calls())
        amiss = [call for call in calls if call.startswith(("empty", "lost"))]
        self.amiss += amiss
        return [call for call in calls if call not in amiss]

    def world(self) -> dict[str, Any]:
        """What exists at AWS, by id."""
        found: dict[str, Any] = json.loads((self.stack.calls_file.parent / "world").read_text())
        return found
