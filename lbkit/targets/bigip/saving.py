"""Saving on the device, and copying to the other one of a pair: a provider that makes objects does neither.

Two commands. One runs when everything is made; the other, on which everything depends, runs when it is deleted itself,
which is after all that a change or a destroy removes. Both are made anew with every change of the plan, whose digest stands
in the command, for bash to ignore: of the options that replace, only `replace_on_changes` outlives a user's transform.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pulumi
import pulumi_f5bigip as f5bigip

from lbkit.errors import OperationError, Problem
from lbkit.spec.inputs import is_output
from lbkit.targets.bigip.device import Pair
from lbkit.targets.bigip.parts import late_in
from lbkit.targets.naming import child

if TYPE_CHECKING:
    from lbkit.targets.bigip import Ltm

AFTER_REMOVAL, AFTER_MAKING = "saved-after-removal", "saved"
_FAILED = ("error", "0107", "0102", "denied", "unable", "disconnected")


def commands(ltm: Ltm) -> list[str]:
    group = [f"run cm config-sync to-group {ltm.device.group}"] if isinstance(ltm.device, Pair) else []
    return [*(["save sys config"] if ltm.save else []), *group]


def saving(name: str, ltm: Ltm, plan: Any, opts: pulumi.ResourceOptions) -> dict[str, Any]:
    """What everything depends on."""
    if not commands(ltm):
        return {}
    opts.replace_on_changes = ["commands"]
    made = f5bigip.Command(child(name, AFTER_REMOVAL), commands=_anew(ltm, plan), when="destroy", opts=opts)
    return {AFTER_REMOVAL: made}


def saved(name: str, ltm: Ltm, plan: Any, after: list[pulumi.Resource], opts: pulumi.ResourceOptions) -> dict[str, Any]:
    """What comes last. The device answers a command that failed with success and a text."""
    if not commands(ltm):
        return {}
    opts.replace_on_changes, opts.depends_on = ["commands"], after
    made = f5bigip.Command(child(name, AFTER_MAKING), commands=_anew(ltm, plan), when="apply", opts=opts)
    made.command_results.apply(_judge)
    return {AFTER_MAKING: made}


def _anew(ltm: Ltm, plan: Any) -> list[Any]:
    first, *others = commands(ltm)
    return [pulumi.Output.concat(first, " && true ", _digest(plan)), *others]


def _judge(results: Any) -> None:
    text = " ".join(str(item) for item in results or ())
    if any(word in text.lower() for word in _FAILED):
        problem = Problem(
            "Ltm.save",
            f"The device said: {text.strip()[:200]}",
            "Use save=False, or an administrator with bash and then `pulumi up --replace '**--saved'`.",
        )
        raise OperationError("The balancer is made, but was not saved", [problem])


def _digest(plan: Any) -> pulumi.Output[str]:
    late = late_in(plan)
    known = hashlib.sha256(repr(_shape(plan)).encode()).hexdigest()
    return pulumi.Output.all(*late).apply(lambda found: hashlib.sha256(f"{known}{found}".encode()).hexdigest()[:16])


def _shape(value: Any) -> Any:
    """What is sent, without late values."""
    if is_output(value):
        return None
    if isinstance(value, dict):
        return sorted((key, _shape(item)) for key, item in value.items() if key != "after")
    return [_shape(item) for item in value] if isinstance(value, list | tuple) else value
