"""Legal but dangerous choices that mean the same in several homes. Each is a warning, never a refusal."""

from __future__ import annotations

from collections.abc import Iterator

from lbkit.spec import HealthCheck, Pool

_DEFAULTS = HealthCheck()


def slow_probe(at: str, pool: Pool) -> Iterator[str]:
    """A probe that may last until the next begins. The defaults do, as Crusoe's (CR-8, CR-9), and nobody chose them."""
    check = pool.health_check
    if check is None or (check.interval, check.timeout) == (_DEFAULTS.interval, _DEFAULTS.timeout):
        return
    if check.timeout >= check.interval:
        yield (f"{at}.health_check.timeout: {check.timeout:g} s is not below the interval, so a node that answers slowly is probed "
               "without a pause, and found out late. Choose less.")  # fmt: skip


def short_drain(at: str, pool: Pool) -> Iterator[str]:
    """A drain that ends before the longest request may."""
    timers = pool.timeouts
    field = "total" if timers.total is not None else "idle"
    if pool.protocol != "tcp" and timers.total is None and timers.first_byte > timers.idle:
        field = "first_byte"
    longest = getattr(timers, field)
    if pool.drain < longest:
        yield (f"{at}.drain: {pool.drain:g} s is less than timeouts.{field} = {longest:g}: when a node leaves, work that still "
               "waits for it is cut.")  # fmt: skip
