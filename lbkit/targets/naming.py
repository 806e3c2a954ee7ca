"""Names that fit: children of a balancer are `{name}--part--part`, shortened with a digest where a service wants less.

Parts are joined with `--`, which no name of a spec may hold, so two different paths never make one name.
"""

from __future__ import annotations

import hashlib


def child(name: str, *parts: str) -> str:
    """The Pulumi name of a child resource. It begins with the balancer's, so that a rename of the balancer is free."""
    return "--".join((name, *parts))


def fitted(name: str, most: int) -> str:
    """At most `most` characters: cut, with a digest of the whole in place of the end."""
    if len(name) <= most:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:6]
    return f"{name[: most - 7].rstrip('-')}-{digest}"
