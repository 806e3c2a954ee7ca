"""The engine's order, without the engine: makes and changes in order of registration, removals last and the other way round.

A change of what the provider can't change in place, or of what the program says, is a replacement; deleted first only
where the program says so.
"""

from __future__ import annotations

from typing import Any

from tests.mocks import Registered
from tests.targets.bigip.double.provider import REPLACES, Provider

Resource = dict[str, Any]


class Engine:
    """One stack on one device."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self.state: dict[str, Resource] = {}
        self.leaving: list[tuple[str, Resource]] = []
        self.did: list[str] = []
        self.kept: dict[str, str] = {}

    def up(self, wanted: Registered) -> list[str]:
        """Bring the device to what a program registered; what was done. Raises what the provider says, and goes on next time."""
        self.did = []
        new = {urn: item for urn, item in wanted.resources.items() if urn.startswith("f5bigip:")}
        for urn, item in new.items():
            self._arrange(urn, item)
        gone = [(urn, self.state[urn]) for urn in self.state if urn not in new]
        self._remove([*self.leaving, *gone])
        return self.did

    def destroy(self) -> list[str]:
        self.did = []
        self._remove([*self.leaving, *self.state.items()])
        return self.did

    def _arrange(self, urn: str, item: Resource) -> None:
        old = self.state.get(urn)
        if old is None:
            return self._create(urn, item)
        for key in item.get("ignore_changes", ()):
            self.kept[item["inputs"][key]] = old["inputs"][key]
        inputs = self._named(item["inputs"])
        item = {**item, "inputs": inputs}
        changed = {key for key in {*inputs, *old["inputs"]} if inputs.get(key) != old["inputs"].get(key)}
        forced = REPLACES[_kind(urn)] | set(item.get("replace_on_changes", ()))
        if changed & forced:
            if item.get("delete_before_replace"):
                self._delete(urn, old)
            else:
                self.leaving.append((urn, old))
            return self._create(urn, item)
        assert set(old["inputs"]) <= set(inputs), f"{urn}: what is left out keeps its old value"
        if changed:
            self.did.append(f"update {_name(urn)}")
            self.provider.update(_kind(urn), inputs)
        self.state[urn] = item
        return None

    def _named(self, value: Any) -> Any:
        """With the names that objects kept, wherever they are told."""
        if isinstance(value, dict):
            return {key: self._named(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._named(item) for item in value]
        for new, old in self.kept.items() if isinstance(value, str) else ():
            value = value.replace(new, old)
        return value

    def _create(self, urn: str, item: Resource) -> None:
        self.did.append(f"create {_name(urn)}")
        self.provider.create(_kind(urn), item["inputs"])
        self.state.pop(urn, None)
        self.state[urn] = item

    def _remove(self, going: list[tuple[str, Resource]]) -> None:
        """Who depends on something goes before it. Registration is an order that fits; replaced things keep their place."""
        place = {urn: index for index, urn in enumerate(self.order())}
        for urn, item in sorted(going, key=lambda pair: -place.get(pair[0], len(place))):
            self._delete(urn, item)

    def order(self) -> list[str]:
        """All that is, dependencies first."""
        known = {**dict(self.leaving), **self.state}
        by_name = {_name(urn): urn for urn in known}
        found: dict[str, None] = {}

        def visit(urn: str) -> None:
            if urn not in found:
                for name in known[urn]["depends_on"]:
                    other = by_name.get(name.partition("--")[2], urn)
                    if other != urn:
                        visit(other)
                found[urn] = None

        for urn in known:
            visit(urn)
        return list(found)

    def _delete(self, urn: str, item: Resource) -> None:
        self.did.append(f"delete {_name(urn)}")
        self.provider.delete(_kind(urn), item["inputs"])
        self.leaving = [pair for pair in self.leaving if pair[1] is not item]
        if self.state.get(urn) is item:
            del self.state[urn]


def _kind(urn: str) -> str:
    return urn.partition("::")[0].rpartition(":")[2]


def _name(urn: str) -> str:
    return urn.partition("::")[2].partition("--")[2]
