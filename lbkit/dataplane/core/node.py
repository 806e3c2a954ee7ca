"""One node: health, admin state and load are separate things; none of them ever rewrites another."""

from __future__ import annotations

from typing import Literal

from lbkit.dataplane.core.commands import Ticket
from lbkit.dataplane.core.health import Health
from lbkit.spec import Node, Pool

Admin = Literal["ready", "drain", "maintenance"]


class NodeState:
    """A node of a running pool."""

    __slots__ = (
        "address", "admin", "asked", "failures", "hard", "health", "last_error", "leaving", "name", "order", "port",
        "requests", "tickets", "turn", "weight",
    )  # fmt: skip

    def __init__(self, name: str, spec: Node, pool: Pool) -> None:
        self.name = name
        self.address = str(spec.address)
        self.port = spec.port or pool.port
        check = pool.health_check
        self.health = Health(check.rise, check.fall) if check else Health(1, 1, "up")
        self.admin: Admin = spec.admin_state
        self.asked: Admin = spec.admin_state
        self.leaving = False
        self.tickets: set[Ticket] = set()
        self.requests = self.failures = 0
        self.turn = 0
        self.order = 0
        self.last_error = ""
        self.configure(spec, pool)

    def configure(self, spec: Node, pool: Pool) -> None:
        """Take new settings; health, load and an admin state set by hand stay."""
        self.weight = spec.weight
        self.hard = pool.limits.hard
        if spec.admin_state != self.asked:
            self.admin = self.asked = spec.admin_state
        check = pool.health_check
        if check is None:
            self.health.state = "up"
        else:
            self.health.rise, self.health.fall = check.rise, check.fall

    @property
    def in_flight(self) -> int:
        return len(self.tickets)

    @property
    def eligible(self) -> bool:
        """Whether it may get new work, were there room."""
        return self.health.state == "up" and self.admin == "ready" and not self.leaving

    @property
    def open(self) -> bool:
        """Whether one more fits now."""
        return self.eligible and (self.hard is None or len(self.tickets) < self.hard)

    def is_still(self, spec: Node, pool: Pool) -> bool:
        """Whether the spec means this very server."""
        return self.address == str(spec.address) and self.port == (spec.port or pool.port)

    def __repr__(self) -> str:
        limit = f"/{self.hard}" if self.hard else ""
        return f"<{self.name} {self.health.state} {self.admin}{' leaving' if self.leaving else ''} {self.in_flight}{limit}>"
