"""Which of the nodes that have room gets the next piece of work. Every choice is fair among equals and follows weights.

A picker holds the nodes that may be picked now. A change or a choice costs O(log n) at most, whatever the pool's size;
only a further attempt, which avoids the nodes that failed, may look at all of them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection
from heapq import heappop, heappush, heapreplace

from lbkit.dataplane.core.maglev import SourceHash
from lbkit.dataplane.core.node import NodeState
from lbkit.dataplane.core.picker import Picker

Random = Callable[[], float]
Row = OrderedDict[NodeState, None]
_STRIDE = 1 << 40


class RoundRobin(Picker):
    """In turn, smoothly when weights differ; blind to load (SA-2). Each node's next turn is its stride after its last."""

    def __init__(self) -> None:
        self._turns: dict[NodeState, int] = {}
        self._heap: list[tuple[int, int, int, NodeState]] = []
        self._now = 0

    def __len__(self) -> int:
        return len(self._turns)

    def add(self, node: NodeState) -> None:
        stride = int(_STRIDE / node.share)
        kept = node.turn > 0 and self._now <= node.turn <= self._now + stride
        self._turns[node] = node.turn = node.turn if kept else self._now + stride // 2
        heappush(self._heap, (node.turn, node.weight, node.order, node))

    def remove(self, node: NodeState) -> None:
        node.turn = self._turns.pop(node)

    def pick(self, key: bytes, avoid: Collection[NodeState]) -> NodeState | None:
        heap, turns = self._heap, self._turns
        passed = []
        found = None
        while heap:
            turn, _, _, node = heap[0]
            if turns.get(node) != turn:
                heappop(heap)
            elif node in avoid:
                passed.append(heappop(heap))
            else:
                found, self._now = node, turn
                turns[node] = node.turn = turn + int(_STRIDE / node.share)
                heapreplace(heap, (node.turn, node.weight, node.order, node))
                break
        for entry in passed:
            heappush(heap, entry)
        return found


class LeastConnections(Picker):
    """Fewest in flight for its weight; equals take turns, so that none is favoured (UK-14..16).

    Nodes stand in rows of equal score, a row in the order in which they came to it. The scores that have a row are in a heap.
    """

    def __init__(self) -> None:
        self._rows: dict[float, Row] = {}
        self._scores: list[float] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, node: NodeState) -> None:
        self._count += 1
        self._put(node, len(node.tickets) / node.share)

    def remove(self, node: NodeState) -> None:
        self._count -= 1
        del self._rows[node.score][node]

    def changed(self, node: NodeState) -> None:
        score = len(node.tickets) / node.share
        if score != node.score:
            del self._rows[node.score][node]
            self._put(node, score)

    def pick(self, key: bytes, avoid: Collection[NodeState]) -> NodeState | None:
        rows, scores = self._rows, self._scores
        while scores:
            row = rows[scores[0]]
            if not row:
                del rows[heappop(scores)]
            elif avoid:
                return self._pick_other(avoid)
            else:
                node, _ = row.popitem(last=False)
                # where it stands with one more, which is what follows
                self._put(node, (len(node.tickets) + 1) / node.share)
                return node
        return None

    def _put(self, node: NodeState, score: float) -> None:
        node.score = score
        row = self._rows.get(score)
        if row is None:
            if len(self._scores) > 2 * self._count + 64:
                self._close_ranks()
            row = self._rows[score] = OrderedDict()
            heappush(self._scores, score)
        row[node] = None

    def _close_ranks(self) -> None:
        """Forget the rows in which nobody stands: shares that change leave scores behind that don't come again."""
        self._rows = {score: row for score, row in self._rows.items() if row}
        self._scores = sorted(self._rows)

    def _pick_other(self, avoid: Collection[NodeState]) -> NodeState | None:
        for score in sorted(self._scores):
            row = self._rows[score]
            for node in row:
                if node not in avoid:
                    row.move_to_end(node)
                    return node
        return None


class RandomTwo(Picker):
    """Two nodes drawn by weight, and the one with fewer in flight for its weight."""

    _TRIES = 32

    def __init__(self, random: Random) -> None:
        self._random = random
        self._nodes: list[NodeState] = []
        self._seats: dict[NodeState, int] = {}
        self._top = 1.0

    def __len__(self) -> int:
        return len(self._nodes)

    def add(self, node: NodeState) -> None:
        self._seats[node] = len(self._nodes)
        self._nodes.append(node)
        self._top = max(self._top, node.share)

    def remove(self, node: NodeState) -> None:
        seat, last = self._seats.pop(node), self._nodes.pop()
        if last is not node:
            self._nodes[seat] = last
            self._seats[last] = seat

    def changed(self, node: NodeState) -> None:
        self._top = max(self._top, node.share)

    def pick(self, key: bytes, avoid: Collection[NodeState]) -> NodeState | None:
        nodes = [node for node in self._nodes if node not in avoid] if avoid else self._nodes
        if len(nodes) < 2:
            return nodes[0] if nodes else None
        first = self._draw(nodes, None)
        return min(first, self._draw(nodes, first), key=lambda node: len(node.tickets) / node.share)

    def _draw(self, nodes: list[NodeState], other: NodeState | None) -> NodeState:
        """By rejection: a node is taken with a chance in proportion to its share."""
        for _ in range(self._TRIES):
            node = nodes[int(self._random() * len(nodes))]
            if node is not other and self._random() * self._top <= node.share:
                return node
        return next(node for node in nodes if node is not other)


class InOrder(Picker):
    """The first one with room in the order of the spec: packs work, so that the last nodes run empty and may rest."""

    def __init__(self) -> None:
        self._nodes: dict[int, NodeState] = {}
        self._orders: list[int] = []
        self._queued: set[int] = set()

    def __len__(self) -> int:
        return len(self._nodes)

    def add(self, node: NodeState) -> None:
        self._nodes[node.order] = node
        if node.order not in self._queued:
            self._queued.add(node.order)
            heappush(self._orders, node.order)

    def remove(self, node: NodeState) -> None:
        del self._nodes[node.order]

    def pick(self, key: bytes, avoid: Collection[NodeState]) -> NodeState | None:
        orders, nodes = self._orders, self._nodes
        while orders and orders[0] not in nodes:
            self._queued.discard(heappop(orders))
        if avoid:
            return min((n for n in nodes.values() if n not in avoid), key=lambda node: node.order, default=None)
        return nodes[orders[0]] if orders else None


def picker(name: str, random: Random, members: Callable[[], list[NodeState]]) -> Picker:
    """A fresh picker. `members`: the nodes that count for a hash, whether they have room or not."""
    if name == "round_robin":
        return RoundRobin()
    if name == "least_connections":
        return LeastConnections()
    if name == "random_two":
        return RandomTwo(random)
    if name == "source_hash":
        return SourceHash(members)
    raise ValueError(f"no algorithm {name!r}")
