"""Which route of a listener a request takes: the most specific one that fits, as the spec's Route describes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lbkit.spec import Route

Header = Callable[[bytes], bytes | None]
_UNNUMBERED = 0


class Routes:
    """A listener's routes in the order in which they are tried."""

    def __init__(self, routes: Mapping[str, Route]) -> None:
        order = sorted(routes.items(), key=lambda item: (*_rank(item[1]), item[0]))
        self._routes = [_Compiled(name, route) for name, route in order]

    def find(self, host: bytes, target: bytes, method: bytes, header: Header) -> Route | None:
        """The route for a request; `target` in origin form, `header` gives a field's value by lower-case name."""
        host = bare(host)
        path = target.partition(b"?")[0]
        for compiled in self._routes:
            if compiled.fits(host, path, method, header):
                return compiled.route
        return None

    def by_name(self, host: str) -> Route | None:
        """The route for the server name that a TLS client asked for."""
        asked = host.lower().encode()
        return next((item.route for item in self._routes if item.fits_host(asked)), None)


class _Compiled:
    def __init__(self, name: str, route: Route) -> None:
        self.name, self.route = name, route
        host = (route.host or "").encode()
        self._below, self._host = (host[1:], b"") if host.startswith(b"*.") else (b"", host)
        self._exact = (route.exact or "").encode()
        self._prefix = (route.path or "").encode().rstrip(b"/")
        self._any_path = not route.exact and not self._prefix
        self._methods = frozenset(method.encode() for method in route.methods)
        self._headers = [(name.lower().encode(), value.encode()) for name, value in route.headers.items()]

    def fits_host(self, host: bytes) -> bool:
        if self._host:
            return host == self._host
        return not self._below or (host.endswith(self._below) and len(host) > len(self._below))

    def fits(self, host: bytes, path: bytes, method: bytes, header: Header) -> bool:
        return (
            self.fits_host(host)
            and (self._any_path or self._fits_path(path))
            and (not self._methods or method in self._methods)
            and all(header(name) == value for name, value in self._headers)
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


def _rank(route: Route) -> tuple[int, int, int, int, int, int]:
    host = 0 if route.host is None else 1 if route.host.startswith("*.") else 2
    return (
        -host, -len(route.host or ""), -(100_000 if route.exact else len(route.path or "")),
        -bool(route.methods), -len(route.headers), -(route.priority or _UNNUMBERED),
    )  # fmt: skip
