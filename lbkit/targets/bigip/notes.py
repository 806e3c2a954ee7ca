"""Where a BIG-IP deviates from defaults that nobody set, and choices that are legal and dangerous."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from lbkit.spec import Pool, Spec
from lbkit.spec.health import speaks
from lbkit.spec.inputs import is_output
from lbkit.targets.bigip.device import Device, Pair
from lbkit.targets.bigip.health import down_after

if TYPE_CHECKING:
    from lbkit.targets.bigip import Ltm


def notes(spec: Spec) -> Iterator[str]:
    """Deviations."""
    for name, pool in spec.pools.items():
        yield from _probes(f"pools.{name}.health_check", pool)
        yield from _limited(f"pools.{name}.limits.hard", pool)
        yield f"pools.{name}.drain: a BIG-IP lets the work of a node that leaves end, however long it takes."
        if pool.protocol != "tcp":
            yield f"pools.{name}.timeouts: a BIG-IP decides how long it tries to connect, and has no timer for the first byte but `idle`."
            if pool.retries:
                yield f"pools.{name}.retries: a BIG-IP tries another node only when one can't be connected to."
        if pool.tls and pool.tls.verify:
            yield f"pools.{name}.tls: the device checks that the authority signed the node's certificate, not the name in it."
    for name, listener in spec.listeners.items():
        if listener.protocol in ("http", "https"):
            yield f"listeners.{name}: a BIG-IP has its own limits and timers for a client's request."
        if len(set(listener.allow)) > 1:
            yield f"listeners.{name}.allow: one virtual server for each range, each with its own connections and statistics."


def dangers(spec: Spec) -> Iterator[str]:
    """Dangers of the spec."""
    for name, pool in spec.pools.items():
        yield from _pool(f"pools.{name}", pool)


def _probes(at: str, pool: Pool) -> Iterator[str]:
    check = pool.health_check
    if check is None:
        return
    if "timeout" not in check.model_fields_set:
        yield f"{at}: a probe has no timeout of its own; the node goes down after {down_after(check)} s without a good one."
    if speaks(check, pool.protocol) != "tcp" and check.host is None:
        yield f"{at}.host: the probe's Host header is empty, because a monitor does not know the node's address."
    if check.body:
        yield f"{at}.body: a BIG-IP looks for it in the first 5120 bytes of the whole answer, headers included."


def _limited(at: str, pool: Pool) -> Iterator[str]:
    if not pool.limits.hard:
        return
    bytes_only = pool.protocol == "tcp"
    unit = "connections" if bytes_only else "connections to a node, which carry one request each at a time"
    answer = "closes the connection" if bytes_only else "closes the client's connection instead of answering 503"
    yield f"{at}: a BIG-IP counts {unit}, and each traffic process has its share, so it can refuse early; it {answer}."


def _pool(at: str, pool: Pool) -> Iterator[str]:
    if pool.health_check is None:
        yield f"{at}.health_check: without one a dead node keeps its share of the clients."
    elif pool.health_check.fall == 1:
        yield f"{at}.health_check.fall: one lost probe takes a node out; a short pause of the nodes takes all of them."
    if pool.tls and not pool.tls.verify:
        yield f"{at}.tls.verify: nobody checks whom the device talks to; whoever holds a node's address reads along."
    if sum(not node.backup for node in pool.nodes.values()) == 1:
        yield f"{at}.nodes: a single node; when it is down, everything is."
    if all(node.admin_state != "ready" for node in pool.nodes.values()):
        yield f"{at}.nodes: no node is ready, so the pool serves nobody."
    if "idle" in pool.timeouts.model_fields_set and pool.timeouts.idle < 60:
        yield f"{at}.timeouts.idle: an answer that takes longer than {pool.timeouts.idle:g} s to begin is cut."


def placement(ltm: Ltm) -> Iterator[str]:
    """Dangers of where it stands."""
    if ltm.snat == "none":
        yield "Ltm.snat: without it, nodes must send their answers through the BIG-IP, or clients never see them."
    if not ltm.save:
        yield "Ltm.save: nothing is saved; a restart of the device loses this balancer."
    if ltm.device is None:
        yield "Ltm.device: the default provider calls F5's telemetry without a time limit, unless f5bigip:teemDisable is true."
    devices: dict[str, Any] = ltm.device.devices if isinstance(ltm.device, Pair) else {"": ltm.device}
    for name, device in devices.items():
        at = f"Pair.devices.{name}" if name else "Device"
        if isinstance(device, Device):
            yield from _device(at, device)


def _device(at: str, device: Device) -> Iterator[str]:
    for field in ("password", "token"):
        if isinstance(getattr(device, field), str):
            yield f"{at}.{field}: it stands in clear in the program; take it from config.require_secret(...)."
    if device.ca is None:
        yield f"{at}.ca: the device's certificate is not checked, so whoever answers there gets the password."
    if not is_output(device.address) and str(device.address).startswith("http://"):
        yield f"{at}.address: over plain http, password and configuration can be read on the way."
