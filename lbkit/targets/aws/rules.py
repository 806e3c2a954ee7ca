"""What AWS refuses for both kinds of balancers, for reasons that lie in several fields."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from typing import Any

from lbkit.errors import Belated, Problem
from lbkit.spec import HealthCheck, Pool, Spec
from lbkit.spec.base import shown
from lbkit.spec.inputs import is_output, origin
from lbkit.targets.aws.ids import placeholder, well_formed

LONGEST_PATH = 1024
MOST_USER_DATA = 16_384
"""Bytes, before they are encoded."""
MOST_RULES = 60
"""Rules of one security group and way, before AWS is asked for more."""
_SECRET = re.compile(r"AKIA[0-9A-Z]{16}|-----BEGIN [A-Z ]*PRIVATE KEY")


def health_protocol(pool: Pool, check: HealthCheck) -> str:
    """What the probes speak."""
    if check.protocol:
        return check.protocol
    return "tcp" if check.path is None else "https" if pool.protocol == "https" else "http"


def health_timeout(pool: Pool) -> float:
    """The set timeout, or a default below the interval where AWS takes no other: for HTTP pools."""
    check = pool.health_check
    assert check is not None
    if "timeout" in check.model_fields_set or check.timeout < check.interval or pool.protocol == "tcp":
        return check.timeout
    return check.interval - 1


def health(at: str, pool: Pool) -> Iterator[Problem]:
    check = pool.health_check
    if check is None:
        yield Problem(f"{at}.health_check", "AWS always checks its nodes.", "Leave it out or give a path.", "None")
        return
    if check.path is not None and len(check.path) > LONGEST_PATH:
        yield Problem(f"{at}.health_check.path", f"AWS takes a path of at most {LONGEST_PATH} characters.",
                      "Choose a shorter one.", shown(check.path))  # fmt: skip
    timeout, most = health_timeout(pool), min(120, check.interval if pool.protocol == "tcp" else check.interval - 1)
    if not (2 <= timeout <= most and float(timeout).is_integer()):
        below = "not above" if pool.protocol == "tcp" else "below"
        remedy = f"A whole number from 2 to {most:g}." if most >= 2 else "Raise `interval`, to 5 at least."
        yield Problem(f"{at}.health_check.timeout", f"AWS wants whole seconds from 2 to 120, and the timeout {below} the interval.",
                      remedy, shown(check.timeout))  # fmt: skip


def codes(at: str, pool: Pool, low: int, high: int) -> Iterator[Problem]:
    """Codes of a good answer, where there is an answer."""
    check = pool.health_check
    if check is None or check.path is None:
        return
    if any(not low <= int(code) <= high for part in check.codes.split(",") for code in part.split("-")):
        reason = f"This balancer takes codes from {low} to {high}."
        yield Problem(f"{at}.health_check.codes", reason, "Choose from those.", shown(check.codes))


def judged(at: str, value: Any, judge: Callable[[str, str], Iterator[Problem]]) -> Any:
    """A value that goes to AWS: a late one is judged when it arrives, as the others were before. It may be secret."""

    def arrived(known: Any) -> Any:
        if found := [Problem(item.path, item.reason, item.remedy) for item in judge(at, str(known))]:
            raise Belated(*found)
        return known

    return value.apply(arrived) if is_output(value) else value


def nodes(at: str, pool: Pool) -> Iterator[Problem]:
    """Addresses and instance ids that AWS could not reach."""
    by_id = [name for name, node in pool.nodes.items() if node.instance is not None]
    if by_id and len(by_id) < len(pool.nodes):
        reason = "A target group takes instance ids or addresses, not both."
        yield Problem(f"{at}.nodes.{by_id[0]}.instance", reason, "Make two pools, or give all nodes the same way.")
    late: dict[tuple[int, int], str] = {}
    for name, node in pool.nodes.items():
        path = f"{at}.nodes.{name}"
        field = "address" if node.instance is None else "instance"
        if is_output(given := getattr(node, field)):
            other = late.setdefault((id(origin(given)), node.port or pool.port), name)
            if other != name:
                yield Problem(f"{path}.{field}", f"Node '{other}' has the same {field} and port, and AWS registers it once.",
                              "One entry per server.")  # fmt: skip
        if node.instance is not None and not is_output(node.instance):
            yield from instance(f"{path}.instance", str(node.instance))
        if node.address is not None and not is_output(node.address):
            yield from address(f"{path}.address", str(node.address))


def instance(at: str, value: str) -> Iterator[Problem]:
    yield from _id(at, value, "i", "an EC2 instance")


def address(path: str, text: str) -> Iterator[Problem]:
    found = ipaddress.ip_address(text)
    if found.version == 6:
        yield Problem(path, "lbkit renders IPv4 target groups only.", "Use its IPv4 address.", shown(text))
    elif found.is_loopback or found.is_link_local or found.is_unspecified or found.is_multicast:
        yield Problem(path, "This address has a meaning only on one machine or link, so AWS can't reach it.",
                      "Use the node's address in its VPC.", shown(text))  # fmt: skip


def machines(at: str, pool: Pool) -> Iterator[Problem]:
    """A fleet's machines and how many there are."""
    if pool.fleet is None:
        return
    fleet, path = pool.fleet, f"{at}.fleet"
    if not is_output(fleet.image):
        yield from image(f"{path}.image", str(fleet.image))
    for field, size in (("size", fleet.size), *(("fallbacks", size) for size in fleet.fallbacks)):
        if not re.fullmatch(r"[a-z][a-z0-9-]*\.[a-z0-9-]+", size):
            reason = "A machine type of AWS is a family and a size with a dot between."
            yield Problem(f"{path}.{field}", reason, "Such as g5.2xlarge.", shown(size))
    if fleet.user_data is not None and not is_output(fleet.user_data):
        yield from user_data(f"{path}.user_data", str(fleet.user_data))
    if fleet.warm and (fleet.spot or fleet.fallbacks):
        yield Problem(f"{path}.warm", "AWS keeps no warm machines of mixed types or spot machines.",
                      "Leave out `warm`, or `spot` and `fallbacks`.", shown(fleet.warm))  # fmt: skip


def user_data(at: str, text: str) -> Iterator[Problem]:
    size = len(text.encode())
    if size > MOST_USER_DATA:
        yield Problem(at, f"AWS takes {MOST_USER_DATA} bytes, and this is {size}.",
                      "Let a short script fetch the rest, or build it into the image.")  # fmt: skip
    if _SECRET.search(text):
        yield Problem(at, "This holds a credential, and every program on the machine can read it.",
                      "Give the machines an instance profile, or let them fetch the secret.")  # fmt: skip


def image(at: str, value: str) -> Iterator[Problem]:
    if not value.startswith("resolve:ssm:"):
        yield from _id(at, value, "ami", "an image on AWS", " or resolve:ssm:/path")


def _id(at: str, value: str, kind: str, what: str, other: str = "") -> Iterator[Problem]:
    if placeholder(value):
        yield Problem(at, "This is a placeholder from an example.", f"Give the id of {what} of yours.", shown(value))
    elif not well_formed(value, kind):
        yield Problem(
            at, f"The id of {what} is '{kind}-' and 8 or 17 hexadecimal digits.", f"{kind}-...{other}.", shown(value)
        )


def one_value(field: str, found: dict[str, float]) -> Iterator[Problem]:
    """What the balancer has once."""
    if not found:
        return
    first, *others = found.items()
    for path, value in others:
        if value != first[1]:
            yield Problem(f"{path}.{field}", f"AWS has one value for the whole balancer, and {first[0]} says {first[1]:g}.",
                          "Make them equal, or use two balancers.", shown(value))  # fmt: skip


def warnings(spec: Spec) -> Iterator[str]:
    """Legal but dangerous choices of pools, wherever they are served."""
    for name, pool in spec.pools.items():
        if pool.drain < pool.timeouts.idle:
            yield (f"pools.{name}.drain: {pool.drain:g} s is less than timeouts.idle = {pool.timeouts.idle:g}: when a node "
                   "leaves, work that still waits for it is cut.")  # fmt: skip
        if pool.fleet and pool.fleet.spot == 100 and not pool.fleet.on_demand:
            yield f"pools.{name}.fleet.spot: AWS may take all machines at once. Keep some with `on_demand`."
        if pool.fleet and pool.fleet.rollout is not None and pool.fleet.rollout < 100 and pool.fleet.min == 1:
            yield f"pools.{name}.fleet.rollout: a fleet of one machine serves nothing while that one is replaced."
