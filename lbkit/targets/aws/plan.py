"""What a plan is made of: every resource by its key, with its arguments and what it waits for.

A value that another resource will have is a Ref, so a whole plan is plain data that can be compared, printed and read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from lbkit.spec.inputs import is_output

Args = dict[str, Any]
BALANCER = "load_balancer"
"""Key of the balancer, which has the component's own name; no name of a spec holds a `_`."""


class Ref(NamedTuple):
    """An attribute of another resource of the plan."""

    key: str
    attribute: str


class Text(NamedTuple):
    """Parts that make one text when all of them are known."""

    parts: tuple[Any, ...]


@dataclass(slots=True)
class Planned:
    """One resource: its kind in the SDK, such as `lb.TargetGroup`, and its arguments."""

    kind: str
    args: Args
    after: list[str] = field(default_factory=list)
    """Keys of what must exist before, besides what the arguments name."""
    replaced_with: str = ""
    """Key of a resource whose replacement replaces this one. No `replacement_trigger`: with it, transforms fail in the SDK."""
    replaced_on: tuple[str, ...] = ()
    """Arguments whose change replaces this one, where the provider would update it."""
    delete_first: bool = False
    """Whether the old one must be gone before a new one can be."""
    ignored: tuple[str, ...] = ()
    """Arguments that count at creation only."""
    named: str = ""
    """What its Pulumi name says where that is not the key: what AWS knows it by, so that the spec may call it otherwise."""
    goes_with: str = ""
    """Key of what takes this one along when it goes, so that it is never without it before."""


Plan = dict[str, Planned]


def key(*parts: object) -> str:
    """The key of a resource: what its name says after the balancer's."""
    return "--".join(str(part) for part in parts)


def when_known(values: Sequence[Any], then: Callable[[Sequence[Any]], Any]) -> Any:
    """What follows from values of which some may be late."""
    late = next((index for index, value in enumerate(values) if is_output(value)), None)
    if late is None:
        return then(values)
    before, after = values[:late], values[late + 1 :]
    return values[late].apply(lambda known: when_known([*before, known, *after], then))


def slug(text: object) -> str:
    """An address or range as part of a key."""
    return str(text).translate(str.maketrans("./:", "---"))
