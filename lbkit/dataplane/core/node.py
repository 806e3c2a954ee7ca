"""One node: health, admin state, rest and load are separate things; none of them ever rewrites another."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Literal

from lbkit.dataplane.core.health import Health
from lbkit.dataplane.core.ticket import Ticket
from lbkit.spec import Node, Pool

if TYPE_CHECKING:
    from lbkit.dataplane.core.picker import Picker

Admin = Literal["ready", "drain", "maintenance"]
Rest = Literal["awake", "asleep", "waking", "resting"]


class NodeState:
    """A node of a running pool."""

    __slots__ = (
        "able", "address", "admin", "asked", "backup", "ejected", "errors", "failures", "hard", "health",
        "last_error", "leaving", "mark", "name", "order", "picker", "port", "requests", "rest", "rests", "score", "served", "share",
        "soft", "tickets", "turn", "wakes_by_traffic", "weight", "woken",
    )  # fmt: skip

    def __init__(self, name: str, spec: Node, pool: Pool) -> None:
        self.name = name
        self.address = str(spec.address)
        self.port = spec.port or pool.port
        self.rests = spec.standby
        self.rest: Rest = "asleep" if spec.standby else "awake"
        self.wakes_by_traffic = pool.standby.wake is None
        check = pool.health_check
        self.health = Health(check.rise, check.fall) if check else Health(1, 1, "up")
        if self.rests and self.wakes_by_traffic:
            self.health.state = "up"  # a probe would wake it: believed until traffic has woken it
        self.admin: Admin = spec.admin_state
        self.asked: Admin = spec.admin_state
        self.leaving = self.ejected = self.able = False
        self.tickets: set[Ticket] = set()
        self.requests = self.failures = self.errors = self.served = 0
        self.turn = self.order = 0
        self.woken = 0.0
        self.last_error = ""
        self.picker: Picker | None = None
        self.score = 0.0
        """Its row among those with the least connections."""
        self.configure(spec, pool)

    def configure(self, spec: Node, pool: Pool) -> None:
        """Take new settings; health, load, rest and an admin state set by hand stay."""
        self.mark = blake2b(self.name.encode(), digest_size=8).hexdigest().encode()
        self.weight = spec.weight
        self.share = float(spec.weight)
        self.backup = spec.backup
        self.soft, self.hard = pool.limits.soft, pool.limits.hard
        self.wakes_by_traffic = pool.standby.wake is None
        if spec.admin_state != self.asked:
            self.admin = self.asked = spec.admin_state
        if spec.standby != self.rests:
            self.rests, self.rest = spec.standby, "awake"
        check = pool.health_check
        if check is None:
            self.health.state = "up"
        else:
            self.health.rise, self.health.fall = check.rise, check.fall

    @property
    def in_flight(self) -> int:
        return len(self.tickets)

    @property
    def usable(self) -> bool:
        """Whether it may get work once it is awake and there is room."""
        return self.health.state == "up" and self.admin == "ready" and not self.leaving and not self.ejected

    @property
    def eligible(self) -> bool:
        """Whether it may get new work, were there room."""
        return self.usable and self.rest == "awake"

    @property
    def open(self) -> bool:
        """Whether one more fits now."""
        return self.eligible and (self.hard is None or len(self.tickets) < self.hard)

    @property
    def checking(self) -> bool:
        """Whether its first probe will decide if it may get work."""
        return self.health.state == "checking" and self.probed and self.admin == "ready"

    @property
    def probed(self) -> bool:
        """Whether probes may reach it: not in maintenance, and not while it rests."""
        return self.admin != "maintenance" and self.rest in ("awake", "waking")

    @property
    def state(self) -> str:
        """One word for people: what keeps it from getting work, or `up`."""
        if self.leaving:
            return "leaving"
        if self.admin != "ready":
            return self.admin
        if self.rest != "awake":
            return self.rest
        return "ejected" if self.ejected and self.health.state == "up" else self.health.state

    def __repr__(self) -> str:
        limit = f"/{self.hard}" if self.hard else ""
        return f"<{self.name} {self.state} {self.in_flight}{limit}>"
