"""Which route of a listener a request takes: the most specific one that fits, as the spec's Route describes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl

from lbkit.spec import Route
from lbkit.spec.listener import precedence

Header = Callable[[bytes], bytes | None]


class Routes:
    """A listener's routes in the order in which they are tried."""

    def __init__(self, routes: Mapping[str, Route]) -> None:
        order = sorted(routes.items(), key=lambda item: precedence(*item))
        self._ways = [Way(route) for _, route in order]

    def find(self, host: bytes, target: bytes, method: bytes, header: Header) -> Way | None:
        """The way of a request; `target` in origin form, `header` gives a field's value by lower-case name."""
        host = bare(host)
        path, _, query = target.partition(b"?")
        for way in self._ways:
            if way.fits(host, path, query, method, header):
                return way
        return None

    def by_name(self, host: str) -> Way | None:
        """The way of a TLS client that asked for this server name."""
        asked = host.lower().encode()
        return next((way for way in self._ways if way.fits_host(asked)), None)


class Way:
    """One route, ready to be compared with."""

    def __init__(self, route: Route) -> None:
        self.route = route
        self._credit = dict.fromkeys(route.pools, 0)
        host = (route.host or "").encode()
        self._below, self._host = (host[1:], b"") if host.startswith(b"*.") else (b"", host)
        self._exact = (route.exact or "").encode()
        self._prefix = (route.path or "").encode().rstrip(b"/")
        self._any_path = not route.exact and not self._prefix
        self._methods = frozenset(method.encode() for method in route.methods)
        self._headers = [(name.lower().encode(), value.encode()) for name, value in route.headers.items()]
        self._query = set(route.query.items())

    def pool(self) -> str | None:
        """The pool of the next request, smoothly by the shares where there are several; None for an answer of our own."""
        credit = self._credit
        if not credit:
            return self.route.pool
        for name, share in self.route.pools.items():
            credit[name] += share
        chosen = max(credit, key=credit.__getitem__)
        credit[chosen] -= sum(self.route.pools.values())
        return chosen

    def fits_host(self, host: bytes) -> bool:
        if self._host:
            return host == self._host
        return not self._below or (host.endswith(self._below) and len(host) > len(self._below))

    def fits(self, host: bytes, path: bytes, query: bytes, method: bytes, header: Header) -> bool:
        return (
            self.fits_host(host)
            and (self._any_path or self._fits_path(path))
            and (not self._methods or method in self._methods)
            and all(header(name) == value for name, value in self._headers)
            and (not self._query or self._query <= set(parse_qsl(query.decode("latin-1"), keep_blank_values=True)))
        )

    def _fits_path(self, path: bytes) -> bool:
        if self._exact:
            return path == self._exact
        return path.startswith(self._prefix) and path[len(self._prefix) : len(self._prefix) + 1] in (b"", b"/")


def bare(host: bytes) -> bytes:
    """A Host value without its port, in lower case."""
    if host.startswith(b"["):
        return host.partition(b"]")[0].lower() + b"]"
    return host.partition(b":")[0].lower()
