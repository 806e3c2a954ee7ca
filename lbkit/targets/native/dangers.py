"""Choices that the dataplane obeys and that are dangerous."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lbkit.spec import Pool, Spec
from lbkit.targets.dangers import short_drain, slow_probe

_CREDENTIAL = re.compile(r"://[^/@\s]*:[^/@\s]+@|\bBearer \S|(?i:passw(or)?d|token|secret|api[_-]?key)[=:]\s*\S")


def dangers(spec: Spec) -> Iterator[str]:
    for name, pool in spec.pools.items():
        at = f"pools.{name}"
        yield from slow_probe(at, pool)
        yield from short_drain(at, pool)
        if pool.health_check is None and pool.passive_check is None:
            yield f"{at}.health_check: without one a dead node keeps its share of the clients."
        if pool.tls and not pool.tls.verify:
            yield f"{at}.tls.verify: nobody checks whom the balancer talks to; whoever holds a node's address reads along."
        yield from _hooks(at, pool)


def _hooks(at: str, pool: Pool) -> Iterator[str]:
    """Credentials in clear. What comes late may be a secret of Pulumi's, and is not looked at."""
    for way in ("wake", "rest"):
        hook = getattr(pool.standby, way)
        said = [] if hook is None else [hook.post, *(hook.command or [])]
        if any(isinstance(text, str) and _CREDENTIAL.search(text) for text in said):
            field = "command" if hook.command else "post"
            yield (f"{at}.standby.{way}.{field}: a credential stands in clear in the spec, which is kept in state and logs. Let a "
                   "script read it from a file.")  # fmt: skip
