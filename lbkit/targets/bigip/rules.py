"""What a BIG-IP refuses for reasons that lie in several fields, and where it deviates from defaults that nobody set."""

from __future__ import annotations

from collections.abc import Iterator

from lbkit.errors import Problem
from lbkit.spec import Pool, Spec
from lbkit.spec.base import shown


def problems(spec: Spec) -> Iterator[Problem]:
    for name, pool in spec.pools.items():
        yield from _health(f"pools.{name}", pool)


def notes(spec: Spec) -> Iterator[str]:
    for name, pool in spec.pools.items():
        if pool.health_check and "timeout" not in pool.health_check.model_fields_set:
            window = down_after(pool)
            yield f"pools.{name}.health_check: a probe has no timeout of its own; the node goes down after {window} s without a good one."


def down_after(pool: Pool) -> int:
    """Seconds without a good probe: `fall` misses, as F5's own formula has it (K350)."""
    assert pool.health_check is not None
    return pool.health_check.fall * int(pool.health_check.interval) + 1


def _health(at: str, pool: Pool) -> Iterator[Problem]:
    check = pool.health_check
    if check is None:
        return
    if "timeout" in check.model_fields_set:
        yield Problem(f"{at}.health_check.timeout", "A BIG-IP has no timeout for one probe, only the time until a node is down.",
                      "Leave it out; `fall` misses take a node out.", shown(check.timeout))  # fmt: skip
    if down_after(pool) > 86_400:
        yield Problem(
            f"{at}.health_check.fall",
            "A BIG-IP takes at most 86400 s until a node is down.",
            "Lower it.",
            shown(check.fall),
        )
    if check.path and not all(_expressible(part) for part in check.codes.split(",")):
        yield Problem(f"{at}.health_check.codes", "A BIG-IP matches codes by a pattern, and this range is none.",
                      "Use whole hundreds such as 200-399, or single codes.", shown(check.codes))  # fmt: skip


def _expressible(codes: str) -> bool:
    low, _, high = codes.partition("-")
    return not high or (low.endswith("00") and high.endswith("99"))


def pattern(codes: str) -> str:
    """A regular expression for the first line of an answer with one of the codes."""
    parts = []
    for part in codes.split(","):
        low, _, high = part.partition("-")
        parts.append(
            low if not high else f"[{low[0]}-{high[0]}][0-9][0-9]" if low[0] != high[0] else f"{low[0]}[0-9][0-9]"
        )
    return f"^HTTP/1\\.[01] ({'|'.join(parts)})"
