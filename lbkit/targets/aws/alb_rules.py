"""What an Application Load Balancer refuses, or would mean otherwise, for reasons that lie in several fields."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lbkit.errors import Problem
from lbkit.spec import Answer, Listener, Pool, Redirect, Route, Spec, Tls
from lbkit.spec.base import shown
from lbkit.spec.inputs import is_output
from lbkit.targets.aws import rules
from lbkit.targets.aws.ids import arn_of
from lbkit.targets.aws.routes import evaluations, misnumbered, path_values, repeating
from lbkit.targets.aws.rules import health_timeout

CONTENT_TYPES = ("text/plain", "text/css", "text/html", "application/javascript", "application/json")
UTF8 = "text/plain; charset=utf-8"
_TRUST = ("elasticloadbalancing", "truststore/")
MOST_EVALUATIONS = 5
MOST_POOLS = 5
LONGEST_PATTERN = 128
QUOTAS = {"rules": 100, "certificates": 25, "target groups": 100, "listeners": 50}
"""Of one balancer, before AWS is asked for more."""


def problems(spec: Spec) -> Iterator[Problem]:
    """Everything that fails at AWS, or would mean something else there."""
    for name, pool in spec.pools.items():
        at = f"pools.{name}"
        yield from rules.health(at, pool)
        yield from rules.codes(at, pool, 200, 499)
        yield from rules.nodes(at, pool)
        yield from rules.machines(at, pool)
        yield from _pool(at, pool)
        yield from _scaling(at, pool)
    for name, listener in spec.listeners.items():
        yield from _listener(f"listeners.{name}", listener)
    yield from rules.one_value("timeouts.idle", {f"pools.{n}": p.timeouts.idle for n, p in spec.pools.items()})
    keep = {f"listeners.{n}": item.timeouts.keep_alive for n, item in spec.listeners.items()}
    yield from rules.one_value("timeouts.keep_alive", keep)


def _pool(at: str, pool: Pool) -> Iterator[Problem]:
    if pool.health_check is not None and pool.health_check.path is None and pool.protocol != "tcp":
        reason = "ALB can't check by a TCP connect."
        yield Problem(f"{at}.health_check.path", reason, "Give a path, such as path='/health'.")
    if "first_byte" in pool.timeouts.model_fields_set and pool.timeouts.first_byte != pool.timeouts.idle:
        yield Problem(f"{at}.timeouts.first_byte", "ALB has one timer for the first byte and for those after it.",
                      "Leave it out, or make it equal to `idle`.", shown(pool.timeouts.first_byte))  # fmt: skip
    if pool.protocol == "https" and (pool.tls is None or pool.tls.verify):
        yield Problem(f"{at}.tls.verify", "ALB never verifies the certificates of nodes.",
                      "Accept that with tls=NodeTls(verify=False), or use Native.", "true")  # fmt: skip
    if pool.slow_start and not (30 <= pool.slow_start <= 900 and float(pool.slow_start).is_integer()):
        yield Problem(f"{at}.slow_start", "Outside of what AWS takes.", "0, or a whole number from 30 to 900.",
                      shown(pool.slow_start))  # fmt: skip
    if pool.slow_start and pool.algorithm != "round_robin":
        yield Problem(f"{at}.slow_start", "ALB starts nodes slowly with round_robin only.",
                      "Leave it out, or use algorithm='round_robin'.", shown(pool.slow_start))  # fmt: skip


def _scaling(at: str, pool: Pool) -> Iterator[Problem]:
    fleet, soft = pool.fleet, pool.limits.soft
    if fleet is None:
        if soft is not None:
            reason = "Without a fleet nothing scales on it."
            yield Problem(f"{at}.limits.soft", reason, "Use Native, or a `fleet`.", shown(soft))
        return
    if soft is None and fleet.min < fleet.max:
        yield Problem(f"{at}.limits.soft", "The fleet scales on the requests in flight per machine, and no number is given.",
                      "Add limits=Limits(soft=...), or make `min` and `max` equal.")  # fmt: skip
    if fleet.min == 0 and fleet.max > 0:
        reason = "An empty group has no traffic to measure, so nothing would wake it."
        yield Problem(f"{at}.fleet.min", reason, "At least 1.", "0")


def _listener(at: str, listener: Listener) -> Iterator[Problem]:
    if listener.tls:
        yield from _tls(f"{at}.tls", listener.tls)
    if listener.redirect:
        yield from _redirect(f"{at}.redirect", listener.redirect, listener)
    for name, route in listener.routes.items():
        yield from _route(f"{at}.routes.{name}", route, listener)
    yield from misnumbered(f"{at}.routes", listener)


def _tls(at: str, tls: Tls) -> Iterator[Problem]:
    for path, item in (("default", tls.default), *((f"names.{name}", item) for name, item in tls.names.items())):
        if not is_output(item.certificate):
            yield from certificate(f"{at}.{path}.certificate", str(item.certificate))
        if item.key is not None:
            yield Problem(f"{at}.{path}.key", "The key is kept in ACM with its certificate.", "Leave it out.")
    text = "" if tls.client_ca is None or is_output(tls.client_ca) else str(tls.client_ca)
    if text and not arn_of(text, *_TRUST) and not re.fullmatch(r"s3://[a-z0-9.-]{3,63}/\S+", text):
        yield Problem(f"{at}.client_ca", "AWS takes the ARN of a trust store, or PEM certificates in a bucket.",
                      "arn:aws:elasticloadbalancing:...:truststore/..., or s3://BUCKET/KEY.", shown(text))  # fmt: skip


def certificate(at: str, text: str) -> Iterator[Problem]:
    if not (arn_of(text, "acm", "certificate/") or arn_of(text, "iam", "server-certificate/")):
        yield Problem(at, "AWS knows a certificate by the ARN it has in ACM or IAM.",
                      "arn:aws:acm:REGION:ACCOUNT:certificate/ID.", shown(text))  # fmt: skip


def late_authorities(at: str, text: str) -> Iterator[Problem]:
    """A late reference can't say whether a trust store is to be made."""
    if not arn_of(text, *_TRUST):
        yield Problem(at, "What comes late must be the ARN of a trust store.",
                      "Give s3://BUCKET/KEY as plain text, or make an aws.lb.TrustStore and pass its `arn`.")  # fmt: skip


def _redirect(at: str, redirect: Redirect, listener: Listener) -> Iterator[Problem]:
    if redirect.status not in (301, 302):
        yield Problem(
            f"{at}.status", "ALB redirects with 301 and 302 only.", "Choose 301 or 302.", shown(redirect.status)
        )
    if redirect.scheme == "http" and listener.protocol == "https":
        yield Problem(
            f"{at}.scheme", "AWS allows no redirect from https to http.", "Leave it out.", shown(redirect.scheme)
        )
    same = (redirect.scheme or listener.protocol) == listener.protocol and redirect.port in (None, listener.port)
    if same and not redirect.host and not redirect.path:
        reason = "This leads back to where it came from."
        yield Problem(at, reason, "Change scheme, host, port or path.", shown(redirect.scheme or redirect.port))
    if redirect.path and "#{" in redirect.path:
        yield Problem(
            f"{at}.path",
            "AWS would put a part of the request in place of #{...}.",
            "Leave it out.",
            shown(redirect.path),
        )
    if redirect.path and len(redirect.path) > LONGEST_PATTERN:
        reason = f"AWS takes at most {LONGEST_PATTERN} characters."
        yield Problem(f"{at}.path", reason, "Choose a shorter one.", shown(redirect.path))


def _route(at: str, route: Route, listener: Listener) -> Iterator[Problem]:
    yield from _host(at, route)
    for field in ("path", "exact"):
        value = getattr(route, field)
        if value and not re.fullmatch(r"/[A-Za-z0-9_.$/~\"'@:+&-]*", value):
            yield Problem(f"{at}.{field}", "AWS takes letters, digits and _-.$/~\"'@:+& in a path, and more would be a pattern.",
                          "Route by a shorter prefix, a host or a header.", shown(value))  # fmt: skip
        if value and max(map(len, path_values(route))) > LONGEST_PATTERN:
            reason = f"AWS takes patterns of at most {LONGEST_PATTERN} characters."
            yield Problem(f"{at}.{field}", reason, "Choose a shorter one.", shown(value))
    for method in route.methods:
        if not re.fullmatch(r"[A-Z_-]{1,40}", method):
            yield Problem(f"{at}.methods", "AWS compares methods in capital letters.", "Write them so.", shown(method))
    yield from _headers(at, route)
    if evaluations(route) > MOST_EVALUATIONS:
        yield Problem(at, f"AWS takes {MOST_EVALUATIONS} values in one rule, and this is {evaluations(route)}: each host, method, "
                      "header and query value is one, a prefix is two.", "Split the route.")  # fmt: skip
    if len(route.pools) > MOST_POOLS:
        yield Problem(
            f"{at}.pools", f"AWS shares a route among at most {MOST_POOLS} pools.", "Use fewer.", str(len(route.pools))
        )
    if route.redirect:
        yield from _redirect(f"{at}.redirect", route.redirect, listener)
    if route.answer:
        yield from _answer(f"{at}.answer", route.answer)


def _host(at: str, route: Route) -> Iterator[Problem]:
    if route.host and not re.fullmatch(r"(\*\.)?([a-z0-9-]+\.)*[a-z0-9-]+\.[a-z]+", route.host):
        reason = "AWS wants a dot in a host, and letters only after the last one."
        yield Problem(f"{at}.host", reason, "Such as api.example.com.", shown(route.host))
    if route.host and len(route.host) > LONGEST_PATTERN:
        reason = f"AWS takes at most {LONGEST_PATTERN} characters."
        yield Problem(f"{at}.host", reason, "Choose a shorter one.", shown(route.host))


def _headers(at: str, route: Route) -> Iterator[Problem]:
    for name, value in route.headers.items():
        path = f"{at}.headers.{name}"
        if name.lower() == "host":
            yield Problem(path, "AWS does not compare Host as a header.", "Use `host`.")
        if len(name) > 40 or len(value) > LONGEST_PATTERN:
            yield Problem(
                path,
                f"AWS takes names of at most 40 and values of at most {LONGEST_PATTERN} characters.",
                "Choose shorter ones.",
            )
        if re.search(r"[*?\\]", value):
            yield Problem(path, "In a header's value AWS takes *, ? and \\ for a pattern.", "Route by another value.")


def _answer(at: str, answer: Answer) -> Iterator[Problem]:
    if not (200 <= answer.status <= 299 or 400 <= answer.status <= 599):
        yield Problem(
            f"{at}.status", "ALB answers with 2xx, 4xx and 5xx.", "Use `redirect` for 3xx.", shown(answer.status)
        )
    if answer.content_type not in (*CONTENT_TYPES, UTF8):
        yield Problem(f"{at}.content_type", "ALB answers with five content types only.", f"{', '.join(CONTENT_TYPES)}.",
                      shown(answer.content_type))  # fmt: skip


def notes(spec: Spec) -> Iterator[str]:
    """What differs from defaults that nobody set; the same values are refused where they are set."""
    for name, pool in spec.pools.items():
        if pool.health_check and health_timeout(pool) != pool.health_check.timeout:
            yield f"pools.{name}.health_check.timeout: {health_timeout(pool):g} s, for AWS wants it below the interval."
        if "first_byte" not in pool.timeouts.model_fields_set and pool.timeouts.first_byte != pool.timeouts.idle:
            yield f"pools.{name}.timeouts.first_byte: {pool.timeouts.idle:g} s as `idle`, for ALB has one timer for both."
        yield (f"pools.{name}: ALB waits 10 s for a node to accept, and decides by itself what it tries again "
               "and how long it keeps connections to nodes.")  # fmt: skip
        if pool.sticky:
            kept = "" if pool.sticky.ttl else " and is kept for a day"
            yield f"pools.{name}.sticky: the cookie is AWS's own, AWSALB{kept}."
        if pool.limits.soft is not None and pool.fleet and pool.fleet.min < pool.fleet.max:
            yield (f"pools.{name}.limits.soft: ALB counts a request in flight until its answer begins, so streams count "
                   "less than they take.")  # fmt: skip
    for name, listener in spec.listeners.items():
        yield (f"listeners.{name}: ALB has its own limits and timers for a client's request, and keeps the X-Forwarded-For "
               "that a client sends: only its last entry is true. It drops headers whose name holds more than letters, digits "
               "and '-'.")  # fmt: skip
        yield from repeating(f"listeners.{name}.routes", listener)
        for label, route in listener.routes.items():
            if route.headers or route.query:
                yield f"listeners.{name}.routes.{label}: ALB compares headers and query without regard to case."
            if route.answer and route.answer.content_type == UTF8:
                yield f"listeners.{name}.routes.{label}.answer.content_type: text/plain, without the charset."


def warnings(spec: Spec) -> Iterator[str]:
    """Legal but dangerous choices."""
    yield from rules.warnings(spec)
    counts = {
        "rules": sum(len(listener.routes) for listener in spec.listeners.values()),
        "certificates": sum(len(listener.tls.names) for listener in spec.listeners.values() if listener.tls),
        "target groups": len(spec.pools),
        "listeners": len(spec.listeners),
    }
    for name, pool in spec.pools.items():
        if pool.fleet and pool.fleet.min == pool.fleet.max and pool.limits.soft is not None:
            yield (f"pools.{name}.limits.soft: nothing scales on it, for the fleet has always {pool.fleet.max} machines. Make "
                   "`max` larger, or leave `soft` out.")  # fmt: skip
    for what, count in counts.items():
        if count > QUOTAS[what]:
            yield f"{count} {what}: AWS allows {QUOTAS[what]} on one balancer until you ask for more."
