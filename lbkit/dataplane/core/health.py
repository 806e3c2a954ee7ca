"""Health is a table of states and results. A contrary result resets the count (CR-8..11).

    state      good result                         bad result
    checking   up                                  down
    up         up                                  down after `fall` in a row
    down       up after `rise` in a row            down

A node that was never probed is `checking`: its first result decides alone, so that a start takes one probe.
"""

from __future__ import annotations

from typing import Literal

State = Literal["checking", "up", "down"]


class Health:
    """Health of one node. It knows nothing of admin state or load."""

    __slots__ = ("contrary", "fall", "rise", "state")

    def __init__(self, rise: int, fall: int, state: State = "checking") -> None:
        self.rise, self.fall, self.state = rise, fall, state
        self.contrary = 0

    def observe(self, good: bool) -> bool:
        """Count one result; whether the state changed."""
        if self.state == "checking":
            self.state = "up" if good else "down"
            return True
        if good == (self.state == "up"):
            self.contrary = 0
            return False
        self.contrary += 1
        if self.contrary < (self.rise if good else self.fall):
            return False
        self.state, self.contrary = ("up" if good else "down"), 0
        return True
