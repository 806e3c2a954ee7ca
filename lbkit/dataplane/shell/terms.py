"""What every request looks at of its pool's and its listener's settings, as plain attributes: a model's cost eight times as much."""

from __future__ import annotations

from math import inf

from lbkit.spec import Listener, Pool


class PoolTerms:
    """Of one pool. Times are in seconds; `total` is inf where a request may last for ever."""

    __slots__ = ("check", "connect", "cookie", "first_byte", "idle", "keep_alive", "keeps", "total")

    def __init__(self, spec: Pool) -> None:
        timeouts = spec.timeouts
        self.connect, self.first_byte, self.idle = timeouts.connect, timeouts.first_byte, timeouts.idle
        self.keep_alive = timeouts.keep_alive
        self.total = inf if timeouts.total is None else timeouts.total
        self.cookie = spec.sticky.cookie.encode() if spec.sticky else b""
        """The name of the sticky session's cookie; empty without."""
        self.keeps = spec.proxy_protocol is None
        """Whether connections to nodes serve more than one client."""
        self.check = spec.passive_check


class ListenerTerms:
    """Of one listener. Times are in seconds."""

    __slots__ = ("body", "connections", "header", "keep_alive")

    def __init__(self, spec: Listener) -> None:
        timeouts = spec.timeouts
        self.header, self.body = timeouts.header, timeouts.body
        self.keep_alive = timeouts.keep_alive
        """0: no connection is kept for a second request."""
        self.connections = spec.limits.connections
