"""How the component is called: what Python would answer with a TypeError and a stack trace, in words."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from typing import ParamSpec

from lbkit.errors import Problem, SpecError

P = ParamSpec("P")
_REQUIRED = {
    "name": "Give its name, such as 'web'.",
    "spec": "Give Spec(pools=..., listeners=...), or the plain data of one.",
    "target": "Give one of Native(), Alb(...), Nlb(...), Ltm(...).",
}
_TAKEN = [*_REQUIRED, "opts"]


def checked_call(init: Callable[P, None]) -> Callable[P, None]:
    """The constructor, answering a wrong call with every problem at once."""

    @wraps(init)
    def call(*given: P.args, **named: P.kwargs) -> None:
        if problems := list(_problems(len(given) - 1, named)):
            raise SpecError("LoadBalancer is not called right", problems)
        init(*given, **named)

    return call


def _problems(given: int, named: Mapping[str, object]) -> Iterator[Problem]:
    takes = f"It takes {', '.join(_TAKEN[:-1])} and {_TAKEN[-1]}"
    for name in named:
        if name not in _TAKEN:
            near = difflib.get_close_matches(name, _TAKEN, n=1)
            hint = f"Did you mean `{near[0]}`?" if near else f"{takes}; a field belongs into the spec or the target."
            yield Problem(f"LoadBalancer.{name}", "There is no such argument.", hint)
    for name in _TAKEN[:given]:
        if name in named:
            yield Problem(f"LoadBalancer.{name}", "It is given twice, by place and by name.", "Keep one of them.")
    for name, remedy in list(_REQUIRED.items())[given:]:
        if name not in named:
            yield Problem(f"LoadBalancer.{name}", "It is missing.", remedy)
    if given > len(_TAKEN):
        yield Problem("LoadBalancer", f"There are {given} arguments without a name.", f"{takes}, in this order.")
