"""When a node counts as healthy. The words are HAProxy's: interval, timeout, rise, fall."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from lbkit.errors import Problem
from lbkit.spec.base import Model, default, shown, wrong
from lbkit.spec.values import Codes, Count, Duration, HeaderName, HeaderValue, Host, Method, Path, Port

CREDENTIALS = frozenset({"authorization", "proxy-authorization", "cookie", "x-api-key", "api-key", "x-auth-token"})
_HTTP_ONLY = ("method", "host", "headers", "codes", "body")


class HealthCheck(Model):
    """A probe of every node: a TCP connect, or an HTTP request when `path` is given.

    A contrary result resets the count of `rise` or `fall`. The defaults are Crusoe Cloud's load balancer's.
    """

    path: Path | None = None
    """Path to ask for. Unset: the probe is a TCP connect."""
    protocol: Literal["tcp", "http", "https"] | None = None
    """Unset: `tcp` without a path; with one, `http`, or `https` where the pool speaks it."""
    port: Port | None = None
    """Port to probe. Unset: the node's own."""
    interval: Duration = 5
    """Seconds between two probes of one node."""
    timeout: Duration = 5
    """Seconds that one probe may take, at most `interval`. Equal to it, as in the defaults, which are Crusoe's, a slow node is
    probed without a pause: of values of yours that are equal a warning says so."""
    rise: Count = 3
    """Consecutive good probes that bring a node back."""
    fall: Count = 2
    """Consecutive bad probes that take a node out."""
    codes: Codes = "200-399"
    """Status codes of a good answer, such as `200` or `200-299,401`."""
    method: Method = "GET"
    """Request method."""
    host: Host | None = None
    """Host header. Unset: the node's address and port."""
    headers: dict[HeaderName, HeaderValue] = Field(default_factory=dict, repr=False)
    """Further headers. One that carries a credential is given as `file:/path`: the file is read at each probe."""
    body: str | None = Field(default=None, min_length=1, max_length=1024)
    """Text that the first 64 KiB of a good answer's body hold."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        problems = list(_http_only(self))
        if self.timeout > self.interval:
            problems.append(
                Problem(
                    "timeout", "A probe must end before the next begins.", "At most `interval`.", shown(self.timeout)
                )
            )
        for name, value in self.headers.items():
            if name.lower() in CREDENTIALS and not value.startswith("file:/"):
                problems.append(
                    Problem(f"headers.{name}", "A credential must not stand in a spec: specs are kept in state and logs.",
                            "Put it in a file on the balancer's machine and write file:/path/to/it.")
                )  # fmt: skip
        if problems:
            raise wrong(*problems)
        return self


def speaks(check: HealthCheck, protocol: str) -> Literal["tcp", "http", "https"]:
    """What the probes of a pool speak that itself speaks `protocol`."""
    return check.protocol or ("tcp" if check.path is None else "https" if protocol == "https" else "http")


def _http_only(check: HealthCheck) -> list[Problem]:
    if check.path is not None and check.protocol != "tcp":
        return []
    if check.protocol in ("http", "https"):
        return [
            Problem(
                "path", f"An {check.protocol} check asks for a path.", "Add path='/health', or leave `protocol` out."
            )
        ]
    asked = [name for name in ("path", *_HTTP_ONLY) if getattr(check, name) != default(check, name)]
    return [
        Problem(name, "A TCP check only connects; it can't see this.",
                "Leave `protocol` out." if check.path else "Add `path` to make it an HTTP check.", shown(getattr(check, name)))
        for name in asked
    ]  # fmt: skip


class PassiveCheck(Model):
    """Real traffic as a probe: connect failures and the given codes count against a node."""

    errors: Count = 5
    """Consecutive errors that take a node out."""
    codes: Codes | None = None
    """Status codes that count as errors. Unset: only failed connections do, for 429 and 503 are back-pressure."""
    eject: Duration = 30
    """Seconds that the node stays out."""
