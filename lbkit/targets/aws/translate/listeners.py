"""Listeners, their certificates, and the rules of their routes.

A listener and its rules wait for everything that serves the pools they lead to, so that none ever leads to an empty
group: not at first, and not when a group is replaced.

AWS knows a listener by its port, so the Pulumi names say ports: a listener that gets another name stays, and two that
swap their ports change in place. One that moves to another port listens there before the old port is closed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from lbkit.spec import Listener, Pool, Redirect, Route, Spec, Tls
from lbkit.spec.inputs import is_output
from lbkit.targets.aws.alb_rules import certificate, late_authorities
from lbkit.targets.aws.placement import Placement
from lbkit.targets.aws.plan import BALANCER, Args, Plan, Planned, Ref, key
from lbkit.targets.aws.routes import conditions, numbers
from lbkit.targets.aws.rules import judged
from lbkit.targets.aws.translate.pools import attachment, sticky_seconds

POLICIES = {"1.2": "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09", "1.3": "ELBSecurityPolicy-TLS13-1-3-PQ-2025-09"}
"""By the oldest version allowed: AWS's current recommendations."""
_NOT_FOUND = {"type": "fixed-response", "fixed_response": {"content_type": "text/plain", "status_code": "404"}}
_PROTOCOLS = {"http": "HTTP", "https": "HTTPS", "tcp": "TCP", "tls": "TCP"}


def listeners(spec: Spec, home: Placement) -> Plan:
    plan: Plan = {}
    for name, listener in sorted(spec.listeners.items(), key=lambda item: item[1].redirect is not None):
        if listener.tls:
            plan |= _trust(listener.tls)
        plan[key("listener", name)] = Planned(
            "lb.Listener",
            _listener(name, listener, spec),
            after=_waits(listener, listener, spec),
            named=key("listener", listener.port),
        )
        if listener.tls:
            plan |= _certificates(name, listener.port, listener.tls)
    for name, listener in spec.listeners.items():
        numbered = numbers(listener)
        for label, route in listener.routes.items():
            plan[key("route", name, numbered[label])] = _rule(name, route, numbered[label], spec)
    return plan


def _waits(leads: Listener | Route, listener: Listener, spec: Spec) -> list[str]:
    """Keys of what must be there before anything leads there: nodes in the pools, or the listener that a redirect names."""
    pools = [leads.pool] if leads.pool else list(getattr(leads, "pools", ()))
    places = [place for pool in pools for place in serving(pool, spec.pools[pool])]
    if leads.redirect and not leads.redirect.host:
        port = _port(leads.redirect, listener) or listener.port
        others = [name for name, other in spec.listeners.items() if other.port == port and not other.redirect]
        places += [key("listener", name) for name in others if spec.listeners[name] is not listener]
    return places


def serving(name: str, pool: Pool) -> list[str]:
    """Keys of what puts nodes into a pool's target group."""
    return [key("join", name)] if pool.fleet else [attachment(name, label, pool) for label in pool.nodes]


def _listener(name: str, listener: Listener, spec: Spec) -> Args:
    args: Args = {
        "load_balancer_arn": Ref(BALANCER, "arn"),
        "port": listener.port,
        "protocol": _PROTOCOLS[listener.protocol],
        "default_actions": [_default(listener, spec)],
    }
    if listener.tls:
        args["ssl_policy"] = POLICIES[listener.tls.min_version]
        at = f"listeners.{name}.tls.default.certificate"
        args["certificate_arn"] = judged(at, listener.tls.default.certificate, certificate)
        args["mutual_authentication"] = _mutual(name, listener.tls)
    if listener.pool and listener.protocol in ("tcp", "tls"):
        args["tcp_idle_timeout_seconds"] = int(spec.pools[listener.pool].timeouts.idle)
    return args


def _default(listener: Listener, spec: Spec) -> Args:
    if listener.pool:
        return _forward(listener.pool)
    return _redirect(listener.redirect, listener) if listener.redirect else _NOT_FOUND


def _mutual(name: str, tls: Tls) -> Args:
    if tls.client_ca is None:
        return {"mode": "off"}
    given = judged(f"listeners.{name}.tls.client_ca", tls.client_ca, late_authorities)
    store = Ref(_store(tls), "arn") if bundle(tls) else given
    return {"mode": "verify", "trust_store_arn": store}


def bundle(tls: Tls) -> tuple[str, str] | None:
    """Bucket and key of the authorities' certificates, where they are given so and not as a trust store."""
    if not isinstance(tls.client_ca, str) or not tls.client_ca.startswith("s3://"):
        return None
    bucket, _, path = tls.client_ca.removeprefix("s3://").partition("/")
    return bucket, path


def _trust(tls: Tls) -> Plan:
    found = bundle(tls)
    if not found:
        return {}
    args = {"ca_certificates_bundle_s3_bucket": found[0], "ca_certificates_bundle_s3_key": found[1]}
    return {_store(tls): Planned("lb.TrustStore", args)}


def _store(tls: Tls) -> str:
    """Keyed by what it holds: a listener goes over to other authorities in one step with the rest of its change."""
    return key("trust", _digest(str(tls.client_ca)))


def _certificates(name: str, port: int, tls: Tls) -> Plan:
    """Each by its own id, not by the user's name: AWS holds it once, so if another resource came to stand for it, the old
    one's removal would take it away."""
    plan: Plan = {}
    for label, item in tls.names.items():
        part = label if is_output(item.certificate) else _id(str(item.certificate))
        at = f"listeners.{name}.tls.names.{label}.certificate"
        args = {
            "listener_arn": Ref(key("listener", name), "arn"),
            "certificate_arn": judged(at, item.certificate, certificate),
        }
        plan[key("certificate", name, part)] = Planned(
            "lb.ListenerCertificate", args, named=key("certificate", port, part), goes_with=key("listener", name)
        )
    return plan


def _id(arn: str) -> str:
    """The last part of an ARN, as part of a key. The name that IAM gives may hold what a key can't."""
    name = arn.rpartition("/")[2]
    plain = re.sub(r"[^A-Za-z0-9]+", "-", name)
    return plain if plain == name else f"{plain}-{_digest(name)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _rule(name: str, route: Route, number: int, spec: Spec) -> Planned:
    """A rule named by its number: routes that swap numbers change in place, where AWS refuses a number taken twice."""
    args = {
        "listener_arn": Ref(key("listener", name), "arn"),
        "priority": number,
        "conditions": conditions(route),
        "actions": [_action(route, spec.listeners[name], spec)],
    }
    after = _waits(route, spec.listeners[name], spec)
    named = key("route", spec.listeners[name].port, number)
    return Planned("lb.ListenerRule", args, after=after, named=named, goes_with=key("listener", name))


def _action(route: Route, listener: Listener, spec: Spec) -> Args:
    if route.redirect:
        return _redirect(route.redirect, listener)
    if route.answer:
        kind = route.answer.content_type.partition(";")[0]
        answer = {"status_code": str(route.answer.status), "content_type": kind, "message_body": route.answer.body}
        return {"type": "fixed-response", "fixed_response": answer}
    return _forward(route.pool) if route.pool else _shared(route.pools, spec)


def _forward(pool: str) -> Args:
    return {"type": "forward", "target_group_arn": Ref(pool, "arn")}


def _shared(to: dict[str, int], spec: Spec) -> Args:
    groups = [{"arn": Ref(name, "arn"), "weight": weight} for name, weight in to.items()]
    return {"type": "forward", "forward": {"target_groups": groups, "stickiness": _together(to, spec)}}


def _together(to: Iterable[str], spec: Spec) -> Args:
    """A client that returns to its node must be led to its pool first."""
    sticky = [pool for pool in (spec.pools[name] for name in to) if pool.sticky]
    return {"enabled": bool(sticky), "duration": max(map(sticky_seconds, sticky), default=1)}


def _redirect(redirect: Redirect, listener: Listener) -> Args:
    """What is unset stays as it was asked; a new path leaves the query behind."""
    to = {
        "protocol": redirect.scheme.upper() if redirect.scheme else "#{protocol}",
        "host": redirect.host or "#{host}",
        "port": str(_port(redirect, listener) or "#{port}"),
        "path": redirect.path.partition("?")[0] if redirect.path else "/#{path}",
        "query": redirect.path.partition("?")[2] if redirect.path else "#{query}",
        "status_code": f"HTTP_{redirect.status}",
    }
    return {"type": "redirect", "redirect": to}


def _port(redirect: Redirect, listener: Listener) -> int | None:
    """A new scheme brings its own port; None: the port that was asked."""
    if redirect.port or redirect.scheme in (None, listener.protocol):
        return redirect.port
    return {"https": 443, "http": 80}[str(redirect.scheme)]
