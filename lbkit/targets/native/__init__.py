"""Native: machines that run our own dataplane. One placement so far: a background process of this user on this machine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, ClassVar

from lbkit.dataplane.gaps import GAPS
from lbkit.spec import Listener, Spec
from lbkit.spec.base import Model
from lbkit.spec.gaps import Rule
from lbkit.spec.listener import url
from lbkit.spec.values import Seconds
from lbkit.targets.base import Rendered, Target
from lbkit.targets.native.dangers import dangers

if TYPE_CHECKING:
    import pulumi

__all__ = ["Local", "Native"]


class Local(Model):
    """A background process of the user who runs Pulumi. It ends with `pulumi destroy` or with the machine."""

    wait: Seconds = 60
    """Seconds that every pool may take to have a healthy node; then `up` fails and says what was tried. 0: don't wait."""


class Native(Target):
    """Our own dataplane."""

    title: ClassVar[str] = "the native dataplane"
    gaps: ClassVar[Mapping[str, Rule]] = GAPS

    placement: Local = Local()

    @classmethod
    def dangers(cls, spec: Spec) -> Iterable[str]:
        return dangers(spec)

    def render(self, name: str, spec: Spec, parent: pulumi.ComponentResource) -> Rendered:
        from lbkit.targets.native.local import balancer_process

        process = balancer_process(name, spec, self.placement.wait, parent)
        first = spec.listeners[min(spec.listeners)]
        return Rendered(
            endpoint=once(process.state, reached_at(first)),
            urls={key: once(process.state, url(item, reached_at(item))) for key, item in spec.listeners.items()},
            pools={key: {"nodes": sorted(pool.nodes), "control": process.state} for key, pool in spec.pools.items()},
        )


def once(done: pulumi.Output[str], value: str) -> pulumi.Output[str]:
    """A known value, not before the process stands."""
    return done.apply(lambda _: value)


def reached_at(listener: Listener) -> str:
    """The address on which a client of this machine reaches the listener."""
    return "127.0.0.1" if listener.address in (None, "0.0.0.0", "::") else str(listener.address)
