"""A message that can't be read one way only."""

from __future__ import annotations


class BadMessage(Exception):
    """Whose fault: the peer's. `status` is what a client is answered; the connection closes in any case."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason
