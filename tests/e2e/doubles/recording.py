"""Provider doubles for the real engine: they make nothing, record every call, and know what forces a replacement.

`python recording.py aws|f5bigip ...` is the plugin. Calls go as JSON lines to the file $LBKIT_CALLS names. A call whose
`operation type` is in $LBKIT_FAIL fails once the call was recorded.
"""

from __future__ import annotations

import json
import os
import sys
import uuid
from typing import Any

from pulumi.provider.experimental import provider, server
from pulumi.provider.experimental.property_value import Computed, PropertyValue

# What replaces what: measured on the real providers.
REPLACES = {
    "aws:lb/loadBalancer:LoadBalancer": {"internal", "loadBalancerType", "name"},
    "aws:lb/targetGroup:TargetGroup": {"port", "protocol", "vpcId", "targetType", "protocolVersion", "name"},
    "aws:lb/listener:Listener": {"loadBalancerArn"},
    "aws:lb/targetGroupAttachment:TargetGroupAttachment": {"targetId", "port", "targetGroupArn", "availabilityZone"},
    "aws:autoscaling/group:Group": {"name"},
    "aws:autoscaling/policy:Policy": {"autoscalingGroupName", "name"},
    "aws:lb/listenerRule:ListenerRule": {"listenerArn"},
    "aws:lb/listenerCertificate:ListenerCertificate": {"listenerArn", "certificateArn"},
    "aws:lb/trustStore:TrustStore": {"name"},
    "aws:autoscaling/attachment:Attachment": {"autoscalingGroupName", "lbTargetGroupArn"},
    "aws:autoscaling/lifecycleHook:LifecycleHook": {"autoscalingGroupName", "name"},
    "aws:ec2/eip:Eip": {"domain"},
    "aws:ec2/launchTemplate:LaunchTemplate": {"name"},
    "aws:ec2/securityGroup:SecurityGroup": {"description", "name", "vpcId"},
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": {"securityGroupId"},
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": {"securityGroupId"},
    "f5bigip:ltm/node:Node": {"name", "address"},
    "f5bigip:ltm/pool:Pool": {"name"},
    "f5bigip:ltm/monitor:Monitor": {"name", "parent"},
    "f5bigip:ltm/poolAttachment:PoolAttachment": {"pool", "node"},
    "f5bigip:ltm/virtualServer:VirtualServer": {"name"},
}
AUTONAMED = {"aws:lb/loadBalancer:LoadBalancer", "aws:lb/targetGroup:TargetGroup", "aws:autoscaling/group:Group"}
Properties = dict[str, PropertyValue]


class Recording(provider.Provider):
    """Every resource of every type."""

    async def get_schema(self, request: provider.GetSchemaRequest) -> provider.GetSchemaResponse:
        return provider.GetSchemaResponse("{}")

    async def check_config(self, request: provider.CheckRequest) -> provider.CheckResponse:
        return provider.CheckResponse(inputs=request.new_inputs)

    async def diff_config(self, request: provider.DiffRequest) -> provider.DiffResponse:
        return provider.DiffResponse(changes=False)

    async def configure(self, request: provider.ConfigureRequest) -> provider.ConfigureResponse:
        return provider.ConfigureResponse(
            accept_secrets=True, supports_preview=True, accept_resources=True, accept_outputs=True
        )

    async def invoke(self, request: provider.InvokeRequest) -> provider.InvokeResponse:
        return provider.InvokeResponse({}, [])

    async def check(self, request: provider.CheckRequest) -> provider.CheckResponse:
        inputs = dict(request.new_inputs)
        if own_type(request.type) in AUTONAMED and "name" not in inputs:
            # A name is kept only if it was chosen here, as the real provider does: an imported one was not.
            kept = request.old_inputs.get("name") if DEFAULTS in request.old_inputs else None
            inputs["name"] = kept or PropertyValue(f"{request.name}-{uuid.uuid4().hex[:7]}")
            inputs[DEFAULTS] = PropertyValue([PropertyValue("name")])
        return provider.CheckResponse(inputs=inputs)

    async def diff(self, request: provider.DiffRequest) -> provider.DiffResponse:
        known = (set(request.new_inputs) | (set(request.old_state) - MADE)) - {DEFAULTS}
        changed = sorted(k for k in known if plain(request.old_state.get(k)) != plain(request.new_inputs.get(k)))
        replaces = [
            key for key in changed if key in REPLACES.get(own_type(request.type), ()) or self.forces(key, request)
        ]
        return provider.DiffResponse(changes=bool(changed), replaces=replaces, diffs=changed)

    def forces(self, key: str, request: provider.DiffRequest) -> bool:
        """Whether this change of an argument, though not every one, replaces the resource."""
        return False

    async def create(self, request: provider.CreateRequest) -> provider.CreateResponse:
        if request.preview:
            return provider.CreateResponse(resource_id="", properties=request.properties)  # the rest is unknown
        made = identity(own_type(request.type), request.name, request.properties)
        record("create", own_type(request.type), request.name, made["id"], request.properties)
        outputs = {key: PropertyValue(value) for key, value in made.items() if key not in request.properties}
        return provider.CreateResponse(resource_id=made["id"], properties={**outputs, **request.properties})

    async def update(self, request: provider.UpdateRequest) -> provider.UpdateResponse:
        if not request.preview:
            record("update", own_type(request.type), request.name, request.resource_id, request.news)
        told = {key: value for key, value in request.olds.items() if key in MADE}
        if own_type(request.type) == "aws:ec2/launchTemplate:LaunchTemplate":
            number = plain(told.pop("latestVersion"))
            if not request.preview:
                told["latestVersion"] = PropertyValue(number + 1)
        return provider.UpdateResponse(properties={**told, **request.news})

    async def read(self, request: provider.ReadRequest) -> provider.ReadResponse:
        return provider.ReadResponse(request.resource_id, request.properties, request.inputs)

    async def delete(self, request: provider.DeleteRequest) -> None:
        record("delete", own_type(request.type), request.name, request.resource_id, request.properties)


DEFAULTS = "__defaults"
"""Which inputs the provider chose."""
MADE = {"id", "arn", "arnSuffix", "dnsName", "name", "latestVersion", "publicIp"}
"""What the cloud tells of a made object."""


def own_type(chain: str) -> str:
    """The resource's type: the engine sends those of its parents before it."""
    return chain.rpartition("$")[2]


def identity(kind: str, name: str, properties: Properties) -> dict[str, Any]:
    if kind.startswith("f5bigip:"):
        named = properties.get("name")
        return {"id": plain(named) if named else f"{plain(properties['pool'])}-{plain(properties['node'])}"}
    unique = f"{name}-{uuid.uuid4().hex[:7]}"
    made = {"id": unique, "arn": f"arn:{unique}", "arnSuffix": f"suffix/{unique}", "dnsName": f"{unique}.example.com"}
    return {**made, "name": unique, "latestVersion": 1.0, "publicIp": "198.51.100.7"}


def record(operation: str, kind: str, name: str, identifier: str, properties: Properties) -> None:
    call: dict[str, Any] = {"op": operation, "type": kind, "name": name, "id": identifier}
    call["inputs"] = {k: plain(v) for k, v in properties.items() if not v.is_secret}
    with open(os.environ["LBKIT_CALLS"], "a") as file:
        file.write(json.dumps(call, default=str) + "\n")
    if f"{operation} {name}" in os.environ.get("LBKIT_FAIL", "").split(","):
        raise RuntimeError(f"the double was told to fail: {operation} {name}")


def plain(value: PropertyValue | None) -> Any:
    """The Python value, without secretness."""
    if value is None or isinstance(value.value, Computed):
        return None
    if isinstance(value.value, dict) or hasattr(value.value, "items"):
        return {key: plain(item) for key, item in value.value.items()}  # type: ignore[union-attr]
    if isinstance(value.value, list | tuple):
        return [plain(item) for item in value.value]
    return value.value


if __name__ == "__main__":
    package = sys.argv.pop(1)
    server.main(sys.argv[1:], "7.0.0" if package == "aws" else "3.0.0", Recording())
