"""A listener: a port, what it speaks, and which pool gets what arrives."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lbkit.errors import Belated, Problem
from lbkit.spec.base import Model, default, shown, wrong
from lbkit.spec.inputs import Input, Inputs, arriving, is_output
from lbkit.spec.values import (
    Address,
    Cidr,
    Count,
    Duration,
    HeaderName,
    HeaderValue,
    Host,
    HostPattern,
    Method,
    Name,
    Number,
    Path,
    Port,
    QueryText,
    Reference,
    RoutePath,
    Seconds,
    Status,
)

DEFAULT_PORTS = {"http": 80, "https": 443}
Share = Annotated[Number, Field(ge=0, le=256)]


class Certificate(Model):
    """Where a certificate and its key lie: never the key itself, for a spec is kept in state."""

    certificate: Input[Reference]
    """On the native target and BIG-IP the path of a PEM chain; on AWS the ARN of an ACM certificate."""
    key: Input[Reference] | None = None
    """Path of the PEM key. Unset: it is in the same file, or the service keeps it (ACM)."""


class Tls(Model):
    """TLS that ends at the balancer."""

    default: Certificate
    """For clients that name no host, or one that no certificate of `names` fits."""
    names: dict[Name, Certificate] = Field(default_factory=dict)
    """Further certificates; the client's host name (SNI) chooses among them."""
    min_version: Literal["1.2", "1.3"] = "1.2"
    """Oldest protocol version."""
    client_ca: Input[Reference] | None = None
    """Authorities that must have signed the client's certificate (mutual TLS). Unset: none is asked for."""


class Redirect(Model):
    """An answer that sends the client elsewhere; what is unset stays as it was asked."""

    scheme: Literal["http", "https"] | None = None
    host: Input[Host] | None = None
    port: Port | None = None
    path: Path | None = None
    status: Literal[301, 302, 307, 308] = 308
    """307 and 308 keep the method and the body."""

    @model_validator(mode="after")
    def _elsewhere(self) -> Self:
        if not (self.scheme or self.host or self.port or self.path):
            raise wrong(
                Problem("", "This redirect leads back to where it came from.", "Set scheme, host, port or path.")
            )
        return self


class Answer(Model):
    """A fixed answer of the balancer's own."""

    status: Status = 200
    body: str = Field(default="", max_length=1024)
    content_type: HeaderValue = "text/plain; charset=utf-8"

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.body and self.status in (204, 205, 304):
            raise wrong(Problem("body", f"An answer with status {self.status} has no body.", "Leave it out."))
        return self


class Route(Model):
    """A condition, all parts of which must hold, and where such requests go.

    The most specific route wins: more of host, exact path, longer prefix, methods, headers and query; then `priority`,
    then the name.
    """

    host: HostPattern | None = None
    """Host asked for; `*.example.com` for any below. On a `tls` listener the SNI name."""
    path: RoutePath | None = None
    """Prefix of whole path segments: `/v1` fits `/v1` and `/v1/models`, not `/v1beta`."""
    exact: RoutePath | None = None
    """The whole path, without the query."""
    methods: list[Method] = Field(default_factory=list)
    headers: dict[HeaderName, HeaderValue] = Field(default_factory=dict)
    """Headers with exactly these values."""
    query: dict[QueryText, QueryText] = Field(default_factory=dict)
    """Query parameters with exactly these values."""
    priority: Number | None = Field(default=None, ge=1, le=50_000)
    """Higher first among equally specific routes. Unset: after those that have one. On AWS 50001 less this is the rule's number."""
    pool: Name | None = None
    pools: dict[Name, Share] = Field(default_factory=dict)
    """Instead of `pool`: pools with their shares of the requests, 0 to 256, to move traffic step by step."""
    redirect: Redirect | None = None
    answer: Answer | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        problems = []
        if not (self.host or self.path or self.exact or self.methods or self.headers or self.query):
            problems.append(
                Problem("", "A route without a condition fits everything.", "Use the listener's own `pool`.")
            )
        if self.path and self.exact:
            problems.append(
                Problem("exact", "A route has either a prefix or an exact path.", "Leave one out.", shown(self.exact))
            )
        if sum(bool(target) for target in (self.pool, self.pools, self.redirect, self.answer)) != 1:
            remedy = "Give one of `pool`, `pools`, `redirect` and `answer`."
            problems.append(Problem("", "A route leads to one place.", remedy))
        if self.pools and not any(self.pools.values()):
            problems.append(Problem("pools", "No pool has a share.", "Give one a weight above 0.", shown(self.pools)))
        if problems:
            raise wrong(*problems)
        return self


def precedence(name: str, route: Route) -> tuple[int, int, int, int, int, int, str]:
    """The order in which a listener's routes are tried: the lowest first."""
    host = 0 if route.host is None else 1 if route.host.startswith("*.") else 2
    return (
        -host, -len(route.host or ""), -(100_000 if route.exact else len(route.path or "")),
        -bool(route.methods), -len(route.headers) - len(route.query), -(route.priority or 0), name,
    )  # fmt: skip


class ClientTimeouts(Model):
    """Timers of the client's side."""

    header: Duration = 10
    """Seconds for the whole request head, from its first byte."""
    body: Duration = 60
    """Seconds without a byte while a request's body arrives."""
    keep_alive: Seconds = 75
    """Seconds an idle connection is kept for its next request; 0: never kept. nginx's default."""


class RequestLimits(Model):
    """Sizes of what a client may send. HAProxy and AWS ALB are the precedents of the defaults."""

    target: Count = 16_384
    """Octets of the request target; above: 414."""
    headers: Count = 65_536
    """Octets of the whole head; above: 431."""
    fields: Count = 100
    """Header fields; above: 431."""
    body: Number | None = Field(default=None, ge=0)
    """Octets of a body; above: 413. Unset: no limit."""
    connections: Count = 10_000
    """Open client connections; further ones wait to be accepted."""


class Listener(Model):
    """One port of the balancer."""

    port: Port
    protocol: Literal["http", "https", "tcp", "tls"] = "http"
    """`https` ends TLS here. `tcp` carries bytes. `tls` passes TLS on unopened and routes by the name asked for."""
    pool: Name | None = None
    """Where requests go that no route fits. Unset: they get 404; a `tls` connection is closed."""
    routes: dict[Name, Route] = Field(default_factory=dict)
    redirect: Redirect | None = None
    """Instead of a pool: send every client elsewhere, such as to https."""
    tls: Tls | None = None
    """Certificates; with protocol `https` only, and always there."""
    address: Address | None = None
    """Address of the balancer's machine to listen on. Unset: all of them."""
    allow: Inputs[Cidr] = Field(default_factory=list)
    """Ranges that clients may come from. Empty: everywhere."""
    timeouts: ClientTimeouts = ClientTimeouts()
    limits: RequestLimits = RequestLimits()
    proxy_protocol: Inputs[Cidr] = Field(default_factory=list)
    """Peers that send a PROXY protocol header first; connections of all others are refused. Empty: nobody sends one."""
    trust_forwarded: Inputs[Cidr] = Field(default_factory=list)
    """Peers whose X-Forwarded-*, Forwarded and X-Real-IP headers are believed and added to; those of others are replaced."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        problems = [*_tls(self), *_targets(self)]
        if problems:
            raise wrong(*problems)
        plain = [item for item in self.allow if not is_output(item)]
        self.__dict__["allow"] = [
            arriving(item, partial(_another, plain), "allow") if is_output(item) else item for item in self.allow
        ]
        return self


def url(listener: Listener, host: str) -> str:
    """Where clients reach the listener: without a port that goes without saying, an IPv6 address in brackets."""
    port = "" if DEFAULT_PORTS.get(listener.protocol) == listener.port else f":{listener.port}"
    return f"{listener.protocol}://{f'[{host}]' if ':' in host else host}{port}"


def _another(plain: Sequence[object], arrived: str) -> str:
    """A late range. Some homes hold each range once, and refuse a second one in words of their own."""
    if arrived in plain:
        raise Belated(Problem("", "This range stands here as text as well.", "Leave one of both out."))
    return arrived


def _tls(listener: Listener) -> list[Problem]:
    if listener.protocol == "https" and not listener.tls:
        return [Problem("tls", "An https listener needs a certificate.", "Add tls=Tls(default=Certificate(...)).")]
    if listener.tls and listener.protocol != "https":
        hint = (
            "Leave `tls` out: the nodes hold the certificate."
            if listener.protocol == "tls"
            else "Use protocol='https'."
        )
        return [Problem("tls", f"A listener with protocol '{listener.protocol}' doesn't end TLS.", hint)]
    return []


def _targets(listener: Listener) -> list[Problem]:
    problems = []
    carries_http = listener.protocol in ("http", "https")
    if listener.redirect and (listener.pool or listener.routes):
        problems.append(
            Problem("redirect", "A listener either redirects everything or serves.", "Put the redirect on a route.")
        )
    if not (listener.pool or listener.routes or listener.redirect):
        problems.append(Problem("pool", "Nothing would ever be answered.", "Name a pool."))
    if carries_http:
        return problems
    if listener.redirect:
        problems.append(Problem("redirect", "Only an HTTP listener can redirect.", "Use protocol http or https."))
    if listener.routes and listener.protocol == "tcp":
        problems.append(
            Problem("routes", "A TCP listener sees only bytes.", "Use protocol http, or tls to route by host.")
        )
    if listener.trust_forwarded:
        problems.append(Problem("trust_forwarded", "Only HTTP has such headers.", "Use `proxy_protocol`."))
    for name, route in listener.routes.items():
        seen = [part for part in type(route).model_fields if getattr(route, part) != default(route, part)]
        problems += [
            Problem(
                f"routes.{name}.{part}", "Inside passed-on TLS only the host name can be seen.", "Use protocol https."
            )
            for part in seen
            if listener.protocol == "tls" and part not in ("host", "pool", "pools", "priority")
        ]
    return [*problems, *_without_requests(listener)]


def _without_requests(listener: Listener) -> list[Problem]:
    """What would have no effect on a listener that only carries bytes."""
    named = listener.protocol == "tls" or bool(listener.proxy_protocol)
    fields = ["limits.target", "limits.headers", "limits.fields", "limits.body", "timeouts.body", "timeouts.keep_alive"]
    problems = []
    for path in fields if named else [*fields, "timeouts.header"]:
        part, name = path.split(".")
        owner = getattr(listener, part)
        if (value := getattr(owner, name)) != default(owner, name):
            reason = f"A {listener.protocol} listener carries bytes and sees no request."
            problems.append(Problem(path, reason, "Leave it out.", shown(value)))
    return problems
