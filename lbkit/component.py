"""The component: check everything, then render, then say what came of it.

Every mistake is found before the first resource is registered. The errors are `pulumi.RunError`s (see
lbkit.errors), so the CLI prints their text and no stack trace.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi
from pydantic import TypeAdapter, ValidationError

from lbkit.call import checked_call
from lbkit.errors import Problem, SpecError
from lbkit.spec import Spec
from lbkit.spec.inputs import located
from lbkit.spec.values import Name
from lbkit.spec.wording import worded
from lbkit.targets.base import Target, check


class LoadBalancer(pulumi.ComponentResource):
    """A load balancer as a Pulumi resource.

    `spec` is a Spec or the plain data of one; `target` says where it runs: `Native()`, `Alb(...)`, `Nlb(...)`, `Ltm(...)`.
    Raises SpecError or Unsupported, with every problem at once, before any resource exists.
    `resources` holds every child by its name without the balancer's prefix, for what the spec does not say.
    """

    endpoint: pulumi.Output[str]
    """Host name or address of the balancer."""
    url: pulumi.Output[str]
    """URL of the only listener; with several, of the first by name."""
    urls: pulumi.Output[dict[str, str]]
    """URLs by listener."""
    pools: pulumi.Output[dict[str, Any]]
    """By pool: what carries it, in the target's own words."""

    @checked_call
    def __init__(
        self, name: str, spec: Spec | Mapping[str, Any], target: Target, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        _check_name(name)
        _check_target(target)
        _check_opts(opts)
        known = spec if isinstance(spec, Spec) else Spec.load(spec)
        check(name, known, target)
        located(known, "")
        located(target, type(target).__name__)
        target.survey(opts)
        super().__init__("lbkit:index:LoadBalancer", name, {"spec": known.model_dump()}, opts)
        for note in target.notes(known):
            pulumi.info(self.spelled(note), resource=self)
        for warning in target.warnings(known):
            pulumi.warn(self.spelled(warning), resource=self)
        made = target.render(name, known, self)
        self.endpoint = made.endpoint
        self.urls = pulumi.Output.all(**made.urls)
        self.url = made.urls[min(made.urls)]
        self.pools = pulumi.Output.from_input(made.pools)
        self.resources: dict[str, pulumi.Resource] = made.resources
        self.register_outputs({"endpoint": self.endpoint, "url": self.url, "urls": self.urls, "pools": self.pools})

    def spelled(self, text: str) -> str:
        """A note, in the spelling of the program's language."""
        return text


def _check_target(target: Any) -> None:
    if not isinstance(target, Target):
        what = "It is a class." if isinstance(target, type) else f"It is a {type(target).__name__}."
        remedy = "Give one of Native(), Alb(...), Nlb(...), Ltm(...), with its brackets."
        raise SpecError("LoadBalancer's target is not right", [Problem("target", what, remedy)])


def _check_opts(opts: Any) -> None:
    if opts is not None and not isinstance(opts, pulumi.ResourceOptions):
        problem = Problem(
            "opts", f"It is a {type(opts).__name__}.", "Give pulumi.ResourceOptions(...), or leave it out."
        )
        raise SpecError("LoadBalancer's options are not right", [problem])


def _check_name(name: str) -> None:
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError as error:
        reason, remedy = worded(error.errors()[0])
    else:
        return
    raise SpecError("LoadBalancer's name is not right", [Problem("name", reason, remedy, repr(name))])
