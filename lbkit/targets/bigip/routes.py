"""Routes: an LTM policy where all of them forward, else the listener's rule, which can redirect and answer as well.

A policy can't answer, and its redirects know one status; so as soon as a route or the listener itself answers, all of
the listener's routes stand in the rule, in the spec's order of precedence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from lbkit.spec import Answer, Listener, Redirect, Route
from lbkit.spec.listener import DEFAULT_PORTS, precedence
from lbkit.targets.bigip.parts import Args, Ref, Text
from lbkit.targets.bigip.tcl import escaped, event, quoted, within

PoolRef = Callable[[str], Ref]
_FORWARDED = ("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host")


def in_order(listener: Listener) -> list[tuple[str, Route]]:
    """The most specific first, as the spec has it."""
    return sorted(listener.routes.items(), key=lambda item: precedence(*item))


def by_policy(listener: Listener) -> bool:
    """Whether a policy can do all of it."""
    routes = listener.routes.values()
    return bool(routes and listener.pool) and all(route.pool and not route.query for route in routes)


def policy(listener: Listener, pool: PoolRef) -> Args:
    """The arguments of a policy: its rules in order. The last says where the others go, for a connection keeps the pool
    of its request before."""
    forward = {"forward": True, "request": True, "connection": False}
    return {
        "strategy": "first-match",
        "requires": ["http"],
        "controls": ["forwarding"],
        "rules": [
            {"name": f"{name}{suffix}", "conditions": conditions,
             "actions": [{**forward, "pool": pool(str(route.pool))}]}
            for name, route in in_order(listener)
            for suffix, conditions in _alternatives(route)
        ] + [{"name": "all--others", "conditions": [], "actions": [{**forward, "pool": pool(str(listener.pool))}]}],
    }  # fmt: skip


def _alternatives(route: Route) -> Iterator[tuple[str, list[Args]]]:
    """A prefix of whole segments is two conditions, of which one must hold: the path itself, and all below it."""
    prefix = (route.path or "").rstrip("/")
    common = [*_host(route.host), *_others(route)]
    if route.exact:
        yield "", [*common, _path("equals", route.exact)]
    elif prefix:
        yield "", [*common, _path("equals", prefix)]
        yield "--below", [*common, _path("starts_with", f"{prefix}/")]
    else:
        yield "", common


def _host(host: str | None) -> Iterator[Args]:
    if host:
        how, value = ("ends_with", host[1:]) if host.startswith("*.") else ("equals", host)
        yield {"http_host": True, "host": True, how: True, "request": True, "case_insensitive": True, "values": [value]}


def _path(how: str, value: str) -> Args:
    return {"http_uri": True, "path": True, how: True, "request": True, "case_sensitive": True, "values": [value]}


def _others(route: Route) -> Iterator[Args]:
    exact = {"equals": True, "request": True, "case_sensitive": True}
    if route.methods:
        yield {"http_method": True, "all": True, **exact, "values": list(route.methods)}
    for name, value in route.headers.items():
        yield {"http_header": True, "all": True, "tm_name": name, **exact, "values": [value]}


def rule(listener: Listener, pool: PoolRef) -> Text:
    """The listener's rule: headers of peers that are not trusted go, and what a policy can't do."""
    lines: list[Any] = list(_forwarded(listener))
    if not by_policy(listener) and (listener.routes or listener.redirect):
        lines += _asked(listener)
        lines += _chain(listener, pool)
    return Text(tuple(_joined(lines)))


def _forwarded(listener: Listener) -> Iterator[Any]:
    """X-Forwarded-* of trusted peers stay. The HTTP profile adds the client's address behind this event."""
    remove = [f"HTTP::header remove {name}" for name in _FORWARDED]
    if listener.trust_forwarded:
        yield ("if { !", *within("IP::client_addr", listener.trust_forwarded), " } {")
        yield from (f"    {line}" for line in remove)
        yield "}"
    else:
        yield from remove
    for name, value in (("X-Forwarded-Proto", quoted(listener.protocol)), ("X-Forwarded-Host", "[HTTP::host]")):
        yield f"if {{ ![HTTP::header exists {name}] }} {{ HTTP::header insert {name} {value} }}"


def _asked(listener: Listener) -> Iterator[str]:
    default = f":{DEFAULT_PORTS[listener.protocol]}"
    yield "set host [HTTP::host]"
    yield 'set port ""'
    yield "regexp {:[0-9]+$} $host port"
    yield 'regsub {:[0-9]+$} $host "" host'
    if listener.port != DEFAULT_PORTS[listener.protocol]:
        yield f'if {{ $port eq "" }} {{ set port ":{listener.port}" }}'
    yield f'if {{ $port eq "{default}" }} {{ set port "" }}'
    yield "set name [string tolower $host]"
    yield "set path [HTTP::path]"


def _chain(listener: Listener, pool: PoolRef) -> Iterator[Any]:
    """One branch for each route; the last for what fits none, because a connection keeps the pool of its request before."""
    word = "if"
    for _, route in in_order(listener):
        yield f"{word} {{ {' && '.join(_tests(route))} }} {{"
        yield ("    ", *_does(route, listener, pool))
        word = "} elseif"
    default = _default(listener, pool)
    if word == "if":
        yield default
    else:
        yield from ("} else {", ("    ", *default), "}")


def _tests(route: Route) -> Iterator[str]:
    if route.host and route.host.startswith("*."):
        yield f"$name ends_with {quoted(route.host[1:])}"
    elif route.host:
        yield f"$name eq {quoted(route.host)}"
    prefix = (route.path or "").rstrip("/")
    if route.exact:
        yield f"$path eq {quoted(route.exact)}"
    elif prefix:
        yield f"($path eq {quoted(prefix)} || $path starts_with {quoted(prefix + '/')})"
    if route.methods:
        yield "(" + " || ".join(f"[HTTP::method] eq {quoted(method)}" for method in route.methods) + ")"
    for name, value in route.headers.items():
        yield f"[HTTP::header {quoted(name)}] eq {quoted(value)}"
    for name, value in route.query.items():
        yield f"[URI::query [HTTP::uri] {quoted(name)}] eq {quoted(value)}"
    if not (route.host or route.exact or prefix or route.methods or route.headers or route.query):
        yield "1"  # the prefix `/` is every path


def _does(route: Route, listener: Listener, pool: PoolRef) -> tuple[Any, ...]:
    if route.pool:
        return ("pool ", pool(route.pool))
    if route.pools:
        return tuple(_shared(route, pool))
    return (_answer(route.answer),) if route.answer else _redirect(route.redirect, listener)


def _shared(route: Route, pool: PoolRef) -> Iterator[Any]:
    """One of several pools, by chance and share."""
    shares = {name: share for name, share in route.pools.items() if share}
    yield f"set share [expr {{ int(rand() * {sum(shares.values())}) }}]; "
    word, upto = "if", 0
    for name, share in shares.items():
        upto += share
        yield from (f"{word} {{ $share < {upto} }} {{ pool ", pool(name), " }")
        word = " elseif"


def _default(listener: Listener, pool: PoolRef) -> tuple[Any, ...]:
    if listener.redirect:
        return _redirect(listener.redirect, listener)
    if listener.pool:
        return ("pool ", pool(listener.pool))
    return (_answer(Answer(status=404, body="No route fits this request.\n")),)


def _answer(answer: Answer) -> str:
    kind = f'"Content-Type" {quoted(answer.content_type)}'
    return f"HTTP::respond {answer.status} content {quoted(answer.body)} noserver {kind}"


def _redirect(redirect: Redirect | None, listener: Listener) -> tuple[Any, ...]:
    """What is unset stays as it was asked; a new scheme brings its own port. A late host holds nothing to be escaped."""
    assert redirect is not None
    scheme = redirect.scheme or listener.protocol
    host: Any = redirect.host or "$host"
    if redirect.port is not None:
        port = "" if redirect.port == DEFAULT_PORTS[scheme] else f":{redirect.port}"
    else:
        port = "$port" if scheme == listener.protocol else ""
    target = escaped(redirect.path) if redirect.path else "[HTTP::uri]"
    return (f'HTTP::respond {redirect.status} noserver "Location" "{scheme}://', host, f'{port}{target}"')


def _joined(lines: list[Any]) -> list[Any]:
    """The event's text, in as few parts as the names in it allow."""
    before, after = event("HTTP_REQUEST", ["\0"]).split("    \0")
    parts: list[Any] = [before]
    for line in lines:
        for part in ("    ", *((line,) if isinstance(line, str) else line), "\n"):
            if isinstance(part, str) and isinstance(parts[-1], str) and not isinstance(part, Ref):
                parts[-1] += part
            else:
                parts.append(part)
    parts[-1] = parts[-1].removesuffix("\n")
    return [*parts[:-1], parts[-1] + after]
