"""What AWS refuses for reasons that lie in several fields, and where it deviates from defaults that nobody set."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from lbkit.errors import Problem
from lbkit.spec import Fleet, Pool, Spec
from lbkit.spec.base import shown
from lbkit.spec.inputs import is_output
from lbkit.targets.aws.ids import placeholder, well_formed

LONGEST_PATH = 1024
MOST_USER_DATA = 16_384
"""Bytes, before they are encoded."""


def problems(spec: Spec) -> Iterator[Problem]:
    """Everything that fails at AWS, or would mean something else there."""
    for name, pool in spec.pools.items():
        at = f"pools.{name}"
        yield from _health(at, pool)
        yield from _first_byte(at, pool)
        yield from _addresses(at, pool)
        yield from _scaling(at, pool)
        if pool.fleet:
            yield from _machines(f"{at}.fleet", pool.fleet)
    yield from _one_value(spec, "timeouts.idle", {f"pools.{n}": p.timeouts.idle for n, p in spec.pools.items()})
    keep = {f"listeners.{n}": item.timeouts.keep_alive for n, item in spec.listeners.items()}
    yield from _one_value(spec, "timeouts.keep_alive", keep)


def health_timeout(pool: Pool) -> float:
    """The set timeout, or a default below the interval, for AWS takes no other."""
    check = pool.health_check
    assert check is not None
    if "timeout" in check.model_fields_set or check.timeout < check.interval:
        return check.timeout
    return check.interval - 1


def notes(spec: Spec) -> Iterator[str]:
    """What differs from defaults that nobody set; the same values are refused where they are set."""
    for name, pool in spec.pools.items():
        if pool.health_check and health_timeout(pool) != pool.health_check.timeout:
            yield f"pools.{name}.health_check.timeout: {health_timeout(pool):g} s, for AWS wants it below the interval."
        if "first_byte" not in pool.timeouts.model_fields_set and pool.timeouts.first_byte != pool.timeouts.idle:
            yield f"pools.{name}.timeouts.first_byte: {pool.timeouts.idle:g} s as `idle`, for ALB has one timer for both."
        yield (f"pools.{name}: ALB waits 10 s for a node to accept, and decides by itself what it tries again "
               "and how long it keeps connections to nodes.")  # fmt: skip
    for name in spec.listeners:
        yield (f"listeners.{name}: ALB has its own limits and timers for a client's request, and keeps the X-Forwarded-For "
               "that a client sends: only its last entry is true.")  # fmt: skip


def _health(at: str, pool: Pool) -> Iterator[Problem]:
    check = pool.health_check
    if check is None:
        yield Problem(f"{at}.health_check", "ALB always checks its nodes.", "Leave it out or give a path.", "None")
        return
    if check.path is None:
        yield Problem(
            f"{at}.health_check.path", "ALB can't check by a TCP connect.", "Give a path, such as path='/health'."
        )
    elif len(check.path) > LONGEST_PATH:
        yield Problem(f"{at}.health_check.path", f"AWS takes a path of at most {LONGEST_PATH} characters.",
                      "Choose a shorter one.", shown(check.path))  # fmt: skip
    timeout = health_timeout(pool)
    if not (2 <= timeout <= 120 and float(timeout).is_integer() and timeout < check.interval):
        yield Problem(f"{at}.health_check.timeout", "AWS wants whole seconds from 2 to 120, and the timeout below the interval.",
                      "A whole number from 2 to 120, below `interval`.", shown(check.timeout))  # fmt: skip
    if any(not 200 <= int(code) <= 499 for part in check.codes.split(",") for code in part.split("-")):
        yield Problem(
            f"{at}.health_check.codes", "ALB takes codes from 200 to 499.", "Choose from those.", shown(check.codes)
        )


def _addresses(at: str, pool: Pool) -> Iterator[Problem]:
    for name, node in pool.nodes.items():
        if is_output(node.address):
            continue
        path, address = f"{at}.nodes.{name}.address", ipaddress.ip_address(str(node.address))
        if address.version == 6:
            yield Problem(path, "lbkit renders IPv4 target groups only.", "Use its IPv4 address.", shown(node.address))
        elif address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast:
            yield Problem(path, "This address has a meaning only on one machine or link, so ALB can't reach it.",
                          "Use the node's address in its VPC.", shown(node.address))  # fmt: skip


def _first_byte(at: str, pool: Pool) -> Iterator[Problem]:
    if "first_byte" in pool.timeouts.model_fields_set and pool.timeouts.first_byte != pool.timeouts.idle:
        yield Problem(f"{at}.timeouts.first_byte", "ALB has one timer for the first byte and for those after it.",
                      "Leave it out, or make it equal to `idle`.", shown(pool.timeouts.first_byte))  # fmt: skip


def _scaling(at: str, pool: Pool) -> Iterator[Problem]:
    fleet, soft = pool.fleet, pool.limits.soft
    if fleet is None:
        if soft is not None:
            yield Problem(
                f"{at}.limits.soft", "Without a fleet nothing scales on it.", "Use Native, or a `fleet`.", shown(soft)
            )
        return
    if soft is None and fleet.min < fleet.max:
        yield Problem(f"{at}.limits.soft", "The fleet scales on the requests in flight per machine, and no number is given.",
                      "Add limits=Limits(soft=...), or make `min` and `max` equal.")  # fmt: skip
    if fleet.min == 0 and fleet.max > 0:
        yield Problem(
            f"{at}.fleet.min", "An empty group has no traffic to measure, so nothing would wake it.", "At least 1.", "0"
        )


def _machines(at: str, fleet: Fleet) -> Iterator[Problem]:
    if not is_output(fleet.image):
        yield from _image(f"{at}.image", str(fleet.image))
    if fleet.user_data is not None and not is_output(fleet.user_data):
        size = len(str(fleet.user_data).encode())
        if size > MOST_USER_DATA:
            yield Problem(f"{at}.user_data", f"AWS takes {MOST_USER_DATA} bytes, and this is {size}.",
                          "Let a short script fetch the rest, or build it into the image.")  # fmt: skip


def _image(at: str, image: str) -> Iterator[Problem]:
    if placeholder(image):
        yield Problem(at, "This is a placeholder from an example.", "Give the id of your image.", shown(image))
    elif not (well_formed(image, "ami") or image.startswith("resolve:ssm:")):
        yield Problem(
            at, "An image on AWS is an AMI id: 'ami-' and 8 or 17 hexadecimal digits.",
            "ami-..., or resolve:ssm:/path.", shown(image),
        )  # fmt: skip


def _one_value(spec: Spec, field: str, found: dict[str, float]) -> Iterator[Problem]:
    """ALB has one value for the whole balancer."""
    first, *others = found.items()
    for path, value in others:
        if value != first[1]:
            yield Problem(f"{path}.{field}", f"ALB has one value for the whole balancer, and {first[0]} says {first[1]:g}.",
                          "Make them equal, or use two balancers.", shown(value))  # fmt: skip
