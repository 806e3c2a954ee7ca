"""The BIG-IP provider as a plugin: it does on the device at $configured address what the real one does, and records it.

The device is the model in tests/targets/bigip/double, over HTTPS, inside the test's own process.
"""

from __future__ import annotations

import sys
from typing import Any

from pulumi.provider.experimental import provider, server
from pulumi.provider.experimental.property_value import PropertyValue

from tests.e2e.doubles.recording import Recording, plain, record
from tests.targets.bigip.double.provider import REPLACES, Provider


class BigIp(Recording):
    """Creates, updates and deletes by REST; everything else is the recording double's."""

    device: Provider | None = None

    async def configure(self, request: provider.ConfigureRequest) -> provider.ConfigureResponse:
        known = {key: plain(value) for key, value in request.args.items()}
        if known.get("address"):
            self.device = Provider(known["address"], known["username"], known["password"], None)
        return await super().configure(request)

    async def diff(self, request: provider.DiffRequest) -> provider.DiffResponse:
        keys = set(request.new_inputs) | set(request.old_state) - {"commandResults"}
        changed = sorted(k for k in keys if plain(request.old_state.get(k)) != plain(request.new_inputs.get(k)))
        replaces = [key for key in changed if key in REPLACES[kind(request.type)]]
        return provider.DiffResponse(changes=bool(changed), replaces=replaces, diffs=changed)

    async def create(self, request: provider.CreateRequest) -> provider.CreateResponse:
        if request.preview:
            return provider.CreateResponse(resource_id="", properties=request.properties)
        record("create", request.type, request.name, "", request.properties)
        identifier = self._device().create(kind(request.type), arguments(request.properties))
        told = {"commandResults": PropertyValue([PropertyValue(text) for text in self._device().results])}
        answered = told if kind(request.type) == "Command" else {}
        return provider.CreateResponse(resource_id=identifier, properties={**request.properties, **answered})

    async def update(self, request: provider.UpdateRequest) -> provider.UpdateResponse:
        if not request.preview:
            record("update", request.type, request.name, request.resource_id, request.news)
            self._device().update(kind(request.type), arguments(request.news))
        return provider.UpdateResponse(properties=request.news)

    async def delete(self, request: provider.DeleteRequest) -> None:
        record("delete", request.type, request.name, request.resource_id, request.properties)
        self._device().delete(kind(request.type), arguments(request.properties))

    def _device(self) -> Provider:
        assert self.device, "no address was configured"
        return self.device


def kind(token: str) -> str:
    return token.rpartition(":")[2]


def arguments(properties: dict[str, PropertyValue]) -> dict[str, Any]:
    return {key: whole(plain(value)) for key, value in properties.items()}


def whole(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: whole(item) for key, item in value.items()}
    return [whole(item) for item in value] if isinstance(value, list) else value


if __name__ == "__main__":
    server.main(sys.argv[1:], "3.0.0", BigIp())
