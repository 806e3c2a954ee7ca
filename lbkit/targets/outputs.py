"""From a spec with late leaves to plain data, once all of them are known."""

from __future__ import annotations

import pulumi

from lbkit.dataplane.config import BootConfig
from lbkit.spec import Spec


def boot_document(name: str, spec: Spec) -> pulumi.Output[str]:
    """The dataplane's configuration as JSON. The whole spec is checked again when the last leaf has arrived."""
    data = pulumi.Output.from_input(spec.model_dump())
    return data.apply(lambda known: BootConfig.load({"name": name, "spec": known}).model_dump_json())
