"""The plugin: it builds the same component as a Python program does, and answers mistakes with their text alone."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Any

import pulumi
from pulumi.provider import ConstructResult, Provider, main

from lbkit.component import LoadBalancer
from lbkit.errors import LbkitError, Problem, SpecError
from lbkit.package.arguments import arguments
from lbkit.package.schema import TOKEN, schema
from lbkit.package.spelling import respelled, words
from lbkit.release import VERSION

OUTPUTS = ("endpoint", "url", "urls", "pools")


class Package(Provider):
    """Serves `lbkit:LoadBalancer`."""

    def __init__(self) -> None:
        super().__init__(VERSION, json.dumps(schema()))

    def construct(
        self, name: str, resource_type: str, inputs: Any, options: pulumi.ResourceOptions | None = None
    ) -> ConstructResult:
        if resource_type != TOKEN:
            raise _answer(f"lbkit has no resource {resource_type}; it has {TOKEN}.", [])
        try:
            spec, target, home = arguments(inputs)
        except SpecError as error:
            raise _answer(error.title, error.problems) from None
        try:
            made = _Respelled(name, spec, target, options, home)
        except LbkitError as error:
            raise _answer(words(error.title), [respelled(problem, home) for problem in error.problems]) from None
        except ModuleNotFoundError as error:
            raise _answer("The plugin can't make this balancer", [_missing(home, error)]) from None
        outputs = {output: getattr(made, output) for output in OUTPUTS}
        return ConstructResult(pulumi.Output.from_input(_arrived(made, home)), outputs)


async def _arrived(made: LoadBalancer, home: str) -> str:
    """The URN, once everything is registered that waited for later values. A wrong one among them is answered as text."""
    waiting = [
        made.urn,
        *(getattr(made, output) for output in OUTPUTS),
        *(item.urn for item in made.resources.values()),
    ]
    try:
        await pulumi.Output.all(*waiting).future()
        return str(await made.urn.future())
    except LbkitError as error:
        raise _answer(words(error.title), [respelled(problem, home) for problem in error.problems]) from None


def _answer(title: str, problems: Iterable[Problem]) -> pulumi.InputPropertiesError:
    """The one error that the host passes on without a stack trace."""
    return pulumi.InputPropertiesError("\n".join([title, *map(str, problems)]), [])


def _missing(home: str, error: ModuleNotFoundError) -> Problem:
    extra = str(error.name).removeprefix("pulumi_").replace("f5bigip", "bigip")
    remedy = f"Where pulumi-resource-lbkit is installed: pip install 'lbkit[{extra}]'."
    return Problem(home, f"The Python package {error.name} is not installed.", remedy)


class _Respelled(LoadBalancer):
    """Its notes and warnings in the caller's spelling."""

    def __init__(self, name: str, spec: Any, target: Any, opts: pulumi.ResourceOptions | None, home: str) -> None:
        self._home = home
        super().__init__(name, spec, target, opts)

    def spelled(self, text: str) -> str:
        return words(text, self._home)


def serve() -> None:
    """Entry of `pulumi-resource-lbkit`."""
    main(Package(), sys.argv[1:])
