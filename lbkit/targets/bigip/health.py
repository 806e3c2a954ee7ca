"""A health check in F5's words: counts as times, a request and an answer as a send string and a pattern.

Down after `fall` misses, up after `rise` good probes (F5 K350); the request as in K13397.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from lbkit.spec import HealthCheck, Pool
from lbkit.spec.health import speaks
from lbkit.targets.bigip.parts import Args, Ref

_LINE = "\\r\\n"  # two characters each: the device reads them as CR and LF


def named(pool: Pool) -> bool:
    """Whether an https probe asks for a server name, which needs the pool's TLS profile."""
    assert pool.health_check is not None
    secured = speaks(pool.health_check, pool.protocol) == "https"
    return secured and pool.tls is not None and pool.tls.server_name is not None


def key(name: str, pool: Pool) -> str:
    """Type and port can't change while a pool uses the monitor, so they make another one."""
    check = pool.health_check
    assert check is not None
    port = f"-{check.port}" if check.port else ""
    return f"{name}--{speaks(check, pool.protocol)}{port}{'-named' if named(pool) else ''}"


def down_after(check: HealthCheck) -> int:
    """Seconds without a good probe that take a node out: `fall` misses."""
    return check.fall * int(check.interval) + 1


def up_after(check: HealthCheck) -> int:
    """Seconds of good probes that bring a node back: `rise` of them."""
    return (check.rise - 1) * int(check.interval)


def monitor(pool: Pool, tls: Ref | None) -> Args:
    """The arguments of a pool's monitor."""
    check = pool.health_check
    assert check is not None
    kind = speaks(check, pool.protocol)
    asks = kind != "tcp"
    return {
        "parent": f"/Common/{kind}",
        "interval": int(check.interval),
        "timeout": down_after(check),
        "time_until_up": up_after(check),
        "up_interval": 0,
        "destination": f"*:{check.port}" if check.port else "*:*",
        "send": _request(check) if asks else "",
        "receive": pattern(check.codes, check.body) if asks else "",
        "receive_disable": "",
        "adaptive": "disabled",
        "manual_resume": "disabled",
        "reverse": "disabled",
        "transparent": "disabled",
        **({"ssl_profile": tls} if named(pool) else {}),
    }


def _request(check: HealthCheck) -> str:
    fields = [f"Host: {check.host or ''}", *(f"{name}: {value}" for name, value in check.headers.items())]
    lines = [f"{check.method} {check.path} HTTP/1.1", *fields, "Connection: Close", "", ""]
    return _LINE.join(line.replace("\\", "\\\\") for line in lines)


def pattern(codes: str, body: str | None = None) -> str:
    """A regular expression for an answer with one of the codes, and the text somewhere behind them."""
    choices = [choice for part in codes.split(",") for choice in _choices(part)]
    text = ".*" + re.sub(r"([\\^$.\[\]|()?*+{}])", r"\\\1", body) if body else ""
    return f"^HTTP/1\\.[01] ({'|'.join(choices)}){text}"


def _choices(part: str) -> Iterator[str]:
    """Patterns that together fit the codes of a range and no other: hundreds, tens, single ones."""
    low, _, high = part.partition("-")
    at, end = int(low), int(high or low)
    while at <= end:
        for step, rest in ((100, "[0-9][0-9]"), (10, "[0-9]"), (1, "")):
            most = _run(at, end, step)
            if most:
                first, last = at // step, (at + most * step - 1) // step
                yield f"{_digits(first, last)}{rest}"
                at += most * step
                break


def _run(at: int, end: int, step: int) -> int:
    """How many whole steps follow each other from here without a change of the digits in front."""
    if at % step:
        return 0
    before_carry = 10 - at // step % 10
    return min((end + 1 - at) // step, before_carry)


def _digits(first: int, last: int) -> str:
    front = str(first)[:-1]
    return front + (str(first)[-1] if first == last else f"[{str(first)[-1]}-{str(last)[-1]}]")
