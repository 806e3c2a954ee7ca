"""What a machine is told: the same spec classes, dumped with their defaults and a version.

The machine may run another release than the one that wrote the document, so nothing is left to defaults.
"""

from __future__ import annotations

from typing import Literal

from lbkit.spec import Spec
from lbkit.spec.base import Model
from lbkit.spec.values import Name


class BootConfig(Model):
    """The dataplane's configuration document."""

    version: Literal[1] = 1
    """Version of this document's form."""
    name: Name
    """The balancer's name, in status and logs."""
    spec: Spec
