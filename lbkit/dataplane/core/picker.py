"""What every algorithm is: a set of nodes with room, and the choice among them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection

from lbkit.dataplane.core.node import NodeState


class Picker(ABC):
    """Nodes that may be picked now."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def add(self, node: NodeState) -> None: ...

    @abstractmethod
    def remove(self, node: NodeState) -> None: ...

    @abstractmethod
    def pick(self, key: bytes, avoid: Collection[NodeState]) -> NodeState | None:
        """The best node that is not to be avoided. `key` is the client's address.

        With nothing to avoid the node counts from now on as having one more; else its new load is told by `changed`.
        """

    def changed(self, node: NodeState) -> None:  # noqa: B027
        """The node's load or share is another."""

    def renew(self) -> None:  # noqa: B027
        """Nodes came into or left the set that counts, whether they have room or not."""
