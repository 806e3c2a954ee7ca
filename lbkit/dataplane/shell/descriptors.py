"""File descriptors run out last for who watches over the balancer: some are kept back for the control API, probes, hooks,
configuration and logs; of the others a quarter is for connections to nodes alone, so that who was let in is served.

The kernel gives the lowest number that is free, so a number says how many are in use, at no cost.
"""

from __future__ import annotations

import contextlib
import os
import resource

_KEPT_BACK = 16


class _Numbers:
    """Numbers of descriptors, by the limit of this process."""

    def __init__(self) -> None:
        self.measure()

    def measure(self) -> None:
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        limit = limit if limit != resource.RLIM_INFINITY else 1 << 30
        self.limit = limit
        self.for_nodes = limit - min(_KEPT_BACK, limit // 4)
        """Connections to nodes have lower ones than this."""
        self.for_clients = self.for_nodes - self.for_nodes // 4
        """The client that gets this one or a higher one is the last for now."""


numbers = _Numbers()


def take_all() -> None:
    """A connection costs two descriptors: take as many as this user may have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    numbers.measure()


def scarce(known: int) -> bool:
    """Whether clients have all that they may have. `known`: any open descriptor."""
    try:
        free = os.dup(known)
    except OSError:
        return True
    os.close(free)
    return free >= numbers.for_clients
