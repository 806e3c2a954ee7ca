"""An AWS that makes nothing but keeps a world: it refuses what AWS refuses while something is in use, and says when a
listener leads to an empty group, or when a removal took away what another resource stands for.

The world lies in the file that $LBKIT_WORLD names, for each run of the engine starts a provider of its own. $LBKIT_ANSWERS
holds what is said of subnets.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
from pulumi.provider.experimental import provider, server
from pulumi.provider.experimental.property_value import PropertyValue

from tests.e2e.doubles.recording import MADE, Properties, Recording, own_type, plain, record

LISTENER, RULE = "aws:lb/listener:Listener", "aws:lb/listenerRule:ListenerRule"
GROUP, BALANCER = "aws:lb/targetGroup:TargetGroup", "aws:lb/loadBalancer:LoadBalancer"
ATTACHMENT, JOIN = "aws:lb/targetGroupAttachment:TargetGroupAttachment", "aws:autoscaling/attachment:Attachment"
SECURITY, MACHINES = "aws:ec2/securityGroup:SecurityGroup", "aws:autoscaling/group:Group"
CERTIFICATE = "aws:lb/listenerCertificate:ListenerCertificate"
WAYS = {
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
}
Thing = dict[str, Any]


class Refused(Exception):
    """AWS's answer 400."""


class World:
    """What exists, by id."""

    def __init__(self) -> None:
        self.path = Path(os.environ["LBKIT_WORLD"])
        self.things: dict[str, Thing] = json.loads(self.path.read_text()) if self.path.exists() else {}
        self.answers: Thing = json.loads(os.environ.get("LBKIT_ANSWERS", "{}"))

    def put(self, identifier: str, kind: str, inputs: Thing, outputs: Thing) -> None:
        self.things[identifier] = {"type": kind, **outputs, **inputs, "id": identifier}
        self.save()

    def drop(self, identifier: str) -> None:
        gone = self.things.pop(identifier, {})
        if gone.get("type") in HELD_ONCE:  # however many stood for it
            for _, other in self.of(gone["type"]):
                other["lost"] = other.get("lost") or _held(other) == _held(gone)
        for key, item in list(self.things.items()):  # a balancer's listeners go with it, and a listener's rules
            if gone.get("arn") and gone["arn"] in (item.get("loadBalancerArn"), item.get("listenerArn")):
                self.drop(key)
        self.save()

    def save(self) -> None:
        self.path.write_text(json.dumps(self.things, default=str))

    def of(self, *kinds: str) -> list[tuple[str, Thing]]:
        return [(key, item) for key, item in self.things.items() if item["type"] in kinds]

    def balancer_of(self, item: Thing) -> str:
        if item["type"] == LISTENER:
            return str(item["loadBalancerArn"])
        return next(
            (other["loadBalancerArn"] for _, other in self.of(LISTENER) if other["arn"] == item["listenerArn"]), ""
        )

    def check(self, identifier: str, item: Thing) -> None:
        """Raise what AWS answers to such a thing, made or changed."""
        others = [(key, other) for key, other in self.of(item["type"]) if key != identifier]
        if item["type"] in (LISTENER, RULE):
            self._associated(identifier, item)
        if item["type"] in (BALANCER, MACHINES) and identifier in self.things:
            old = self.things[identifier]
            if self._networks(old) and self._networks(old) != self._networks(item):
                raise Refused("InvalidConfigurationRequest: security groups and subnets lie in another VPC")
        if item["type"] == LISTENER and self._same(others, item, "loadBalancerArn", "port"):
            raise Refused("DuplicateListener")
        if item["type"] == BALANCER and identifier in self.things:
            old, new = _mappings(self.things[identifier]), _mappings(item)
            if any(new[subnet] != address for subnet, address in old.items()):
                raise Refused("InvalidConfigurationRequest: the mapping of a zone can't change")
        if item["type"] == RULE and self._same(others, item, "listenerArn", "priority"):
            raise Refused(f"PriorityInUse: {item['priority']}")
        if item["type"] in WAYS and any(_meaning(other) == _meaning(item) for _, other in others):
            raise Refused("InvalidPermission.Duplicate")
        if item["type"] == BALANCER:
            taken = {address for _, other in others for address in _addresses(other)}
            if taken & set(_addresses(item)):
                raise Refused("AllocationIdNotFound: The allocation IDs are not available for use")

    def _associated(self, identifier: str, item: Thing) -> None:
        mine = self.balancer_of(item)
        for key, other in self.of(LISTENER, RULE):
            if key != identifier and set(_groups(item)) & set(_groups(other)) and self.balancer_of(other) != mine:
                raise Refused("TargetGroupAssociationLimit: a target group serves one load balancer")
        networks = {each["vpcId"] for _, each in self.of(GROUP) if each["arn"] in _groups(item)}
        if networks - {vpc for _, each in self.of(BALANCER) if each["arn"] == mine for vpc in self._networks(each)}:
            raise Refused("InvalidConfigurationRequest: the target group lies in another VPC than the balancer")

    def _networks(self, item: Thing) -> set[str]:
        """Where a thing lies, as far as its groups and the answers about its subnets say."""
        groups = [self.things.get(key, {}) for key in item.get("securityGroups") or []]
        subnets = [self.answers.get(key, {}) for key in item.get("vpcZoneIdentifiers") or []]
        return {str(each["vpcId"]) for each in (*groups, *subnets) if "vpcId" in each}

    @staticmethod
    def _same(others: list[tuple[str, Thing]], item: Thing, *fields: str) -> bool:
        return any(all(other[name] == item[name] for name in fields) for _, other in others)

    def check_free(self, identifier: str) -> None:
        """Raise what AWS answers when this is to go and something uses it."""
        item = self.things.get(identifier)
        if item is None:
            return
        if item["type"] == GROUP and any(item["arn"] in _groups(user) for _, user in self.of(LISTENER, RULE)):
            raise Refused("ResourceInUse: target group is in use by a listener or a rule")
        if item["type"] == SECURITY:
            for key, user in self.things.items():
                holds = [*(user.get("securityGroups") or []), *(user.get("vpcSecurityGroupIds") or [])]
                if key != identifier and (identifier in holds or user.get("referencedSecurityGroupId") == identifier):
                    raise Refused("DependencyViolation: security group has a dependent object")

    def empty(self) -> list[str]:
        """Groups that a listener or a rule leads to and that hold nothing."""
        held = {item["targetGroupArn"] for _, item in self.of(ATTACHMENT)} | {
            item["lbTargetGroupArn"] for _, item in self.of(JOIN)
        }
        return sorted({arn for _, user in self.of(LISTENER, RULE) for arn in _groups(user)} - held)

    def lost(self) -> list[str]:
        """What a resource stands for that is not there any more."""
        return sorted(key for key, item in self.of(*HELD_ONCE) if item.get("lost"))


def _groups(item: Thing) -> list[str]:
    actions = item.get("defaultActions") or item.get("actions") or []
    found = [action["targetGroupArn"] for action in actions if action.get("targetGroupArn")]
    return found + [each["arn"] for action in actions for each in (action.get("forward") or {}).get("targetGroups", [])]


def _mappings(item: Thing) -> dict[str, Any]:
    return {each["subnetId"]: each.get("allocationId") for each in item.get("subnetMappings") or []}


def _addresses(item: Thing) -> list[str]:
    return [each["allocationId"] for each in item.get("subnetMappings") or [] if each.get("allocationId")]


HELD_ONCE = {ATTACHMENT: ("targetGroupArn", "targetId", "port"), CERTIFICATE: ("listenerArn", "certificateArn")}
"""What AWS holds once, by what it knows it by."""


def _held(item: Thing) -> Any:
    return tuple(item.get(name) for name in HELD_ONCE[item["type"]])


def _meaning(item: Thing) -> Any:
    named = ("securityGroupId", "ipProtocol", "fromPort", "toPort", "cidrIpv4", "cidrIpv6", "referencedSecurityGroupId")
    return tuple(item.get(name) for name in named)


class Aws(Recording):
    """Recording, with a world behind it."""

    def __init__(self) -> None:
        self.world = World()

    async def invoke(self, request: provider.InvokeRequest) -> provider.InvokeResponse:
        found = self.world.answers.get(plain(request.args.get("id")), {})
        return provider.InvokeResponse({key: PropertyValue(value) for key, value in found.items()}, [])

    def forces(self, key: str, request: provider.DiffRequest) -> bool:
        """A zone may come to an NLB; one that goes replaces it."""
        if key != "subnetMappings":
            return False
        old, new = (
            {each["subnetId"] for each in plain(of.get(key)) or []} for of in (request.old_state, request.new_inputs)
        )
        return not old <= new

    async def create(self, request: provider.CreateRequest) -> provider.CreateResponse:
        if request.preview:
            return await super().create(request)
        inputs = _inputs(request.properties)
        self.world.check("", {"type": own_type(request.type), **inputs})
        made = await super().create(request)
        self.world.put(str(made.resource_id), own_type(request.type), inputs, _inputs(made.properties))
        self._watch()
        return made

    async def update(self, request: provider.UpdateRequest) -> provider.UpdateResponse:
        if not request.preview:
            inputs = _inputs(request.news)
            known = self.world.things.get(request.resource_id, {})
            self.world.check(request.resource_id, {**known, "type": own_type(request.type), **inputs})
            self.world.put(request.resource_id, own_type(request.type), inputs, known)
        updated = await super().update(request)
        self._watch()
        return updated

    async def read(self, request: provider.ReadRequest) -> provider.ReadResponse:
        """For an import: what the object is, as inputs."""
        thing = self.world.things.get(request.resource_id)
        if thing is None or request.properties:
            return await super().read(request)
        found = {key: _value(value) for key, value in thing.items() if key != "type"}
        inputs = {key: value for key, value in found.items() if key == "name" or key not in MADE}
        return provider.ReadResponse(request.resource_id, found, inputs)

    async def delete(self, request: provider.DeleteRequest) -> None:
        self.world.check_free(request.resource_id)
        await super().delete(request)
        self.world.drop(request.resource_id)
        self._watch()

    def _watch(self) -> None:
        for arn in self.world.empty():
            record("empty", GROUP, arn, arn, {})
        for key in self.world.lost():
            record("lost", self.world.things[key]["type"], key, key, {})


def _value(plainly: Any) -> PropertyValue:
    if isinstance(plainly, dict):
        return PropertyValue({key: _value(item) for key, item in plainly.items()})
    if isinstance(plainly, list):
        return PropertyValue([_value(item) for item in plainly])
    return PropertyValue(float(plainly) if isinstance(plainly, int) and not isinstance(plainly, bool) else plainly)


def _inputs(properties: Properties) -> Thing:
    return {key: plain(value) for key, value in properties.items()}


if __name__ == "__main__":
    sys.argv.pop(1)
    server.main(sys.argv[1:], "7.0.0", Aws())
