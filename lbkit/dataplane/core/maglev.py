"""One client address, one node: Maglev's table over a prime number of slots (Eisenbud et al., NSDI 2016, section 3.4).

When one of n nodes leaves, its slots move and few others do. A node without room is passed over for the next slot's,
so that nobody waits while a slot that could serve him is free.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from hashlib import blake2b
from itertools import chain

from lbkit.dataplane.core.node import NodeState
from lbkit.dataplane.core.picker import Picker

SIZE = 16_381
"""A prime. The same for every set, or a change of size would move everybody; at most 2 % beside a leaving node's share move."""


def table(members: Sequence[tuple[str, int]]) -> list[int]:
    """The index of the owner of each slot. `members`: (name, weight); the same set gives the same table everywhere."""
    size = SIZE
    owners = [-1] * size
    top = max(weight for _, weight in members)
    starts = [(_hash(name.encode()) % size, _hash(b"+" + name.encode()) % (size - 1) + 1) for name, _ in members]
    nexts, steps = [start for start, _ in starts], [step for _, step in starts]
    credit = [0] * len(members)
    free = size
    while True:
        for index, (_, weight) in enumerate(members):
            credit[index] += weight
            if credit[index] < top:
                continue
            credit[index] -= top
            slot, step = nexts[index], steps[index]
            while owners[slot] >= 0:
                slot += step
                if slot >= size:
                    slot -= size
            owners[slot] = index
            nexts[index] = slot
            free -= 1
            if not free:
                return owners


class SourceHash(Picker):
    """The picker of `source_hash` (CR-14)."""

    def __init__(self, members: Callable[[], list[NodeState]]) -> None:
        self._members = members
        self._room: set[NodeState] = set()
        self._nodes: list[NodeState] = []
        self._slots: list[int] = []
        self._stale = True

    def __len__(self) -> int:
        return len(self._room)

    def add(self, node: NodeState) -> None:
        self._room.add(node)

    def remove(self, node: NodeState) -> None:
        self._room.discard(node)

    def renew(self) -> None:
        self._stale = True

    def pick(self, key: bytes, avoid: Collection[NodeState]) -> NodeState | None:
        if self._room.issubset(avoid):
            return None
        if self._stale:
            self._rebuild()
        nodes, slots = self._nodes, self._slots
        at = _hash(key) % SIZE
        for slot in chain(range(at, SIZE), range(at)):
            node: NodeState = nodes[slots[slot]]
            if node in self._room and node not in avoid:
                return node
        # so light beside the others that it has no slot
        return min(self._room.difference(avoid), key=lambda node: node.order)

    def _rebuild(self) -> None:
        """A table for the present set."""
        self._stale = False
        self._nodes = sorted(self._members(), key=lambda node: node.name)
        self._slots = table([(node.name, node.weight) for node in self._nodes])


def _hash(data: bytes) -> int:
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "big")
