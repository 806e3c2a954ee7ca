"""The BIG-IP program under the real engine, against a provider that works on a device which refuses what a BIG-IP refuses."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.house import Stack, before, brief
from tests.mocks import ROOT
from tests.targets.bigip.double.device import Device
from tests.targets.bigip.double.server import certificate, serving

DOUBLE = ROOT / "tests" / "e2e" / "doubles" / "bigip.py"
NODES = ["10.0.0.1", "10.0.0.2"]
RENAME = ('LoadBalancer("cluster", spec, target(config))',
          'LoadBalancer("renamed", spec, target(config), pulumi.ResourceOptions(aliases=[pulumi.Alias(name="cluster")]))')  # fmt: skip
TRANSFORM = ('target(config))', """target(config), pulumi.ResourceOptions(transforms=[described]))"""), (
    'config = Settings(Path(__file__).with_name("Pulumi.yaml"))\n',
    """config = Settings(Path(__file__).with_name("Pulumi.yaml"))


def described(args: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult | None:
    if args.type_ != "f5bigip:ltm/pool:Pool":
        return None
    return pulumi.ResourceTransformResult({**args.props, "description": "ours"}, args.opts)

"""
)  # fmt: skip


@dataclass
class House:
    stack: Stack
    device: Device
    settings: dict[str, object]

    def up(self, *, fails: bool = False, **settings: object) -> list[str]:
        """Change settings, run `up`; the provider's calls, saving left out. No pool in use was ever empty."""
        self.settings |= settings
        self.stack.configure(**self.settings)
        self.stack.calls()
        self.text = self.stack.run("up", fails=fails)
        assert self.device.empty == []
        return self.calls()

    def calls(self) -> list[str]:
        return [call for call in brief(self.stack.calls()) if "saved" not in call]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    device = Device()
    with serving(device, tmp_path) as (address, _):
        stack = Stack("bigip_ltm", tmp_path)
        launcher = stack.doubles / "pulumi-resource-f5bigip"
        launcher.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} {DOUBLE} "$@"\n')
        stack.pulumi("stack", "init", "dev")
        stack.pulumi("config", "set", "--secret", "password", "hunter2-secret")
        yield House(stack, device, {"device": address, "address": "192.0.2.80", "nodes": NODES})
        stack.run("down")
        assert device.own() == [], "nothing is left on the device"


def members(*names: str) -> list[str]:
    return [f"cluster--ml--{name}-80--member" for name in names]


def test_the_life_of_a_balancer(house: House):  # F5-1..5, LB-3
    made = house.up()
    assert before(made, "create cluster--ml--http--monitor", "create cluster--ml--pool")
    for node in ("10-0-0-1", "10-0-0-2"):
        assert before(made, f"create cluster--{node}--node", f"create {members(node)[0]}")
        assert before(made, f"create {members(node)[0]}", "create cluster--http--server")
    assert "hunter2" not in house.stack.state_file
    assert house.device.bash == ["-c 'tmsh save sys config'"]
    assert set(house.device.members["/Common/cluster--ml--pool"]) == {
        f"/Common/cluster--10-0-0-{n}--node:80" for n in (1, 2)
    }

    assert "unchanged" in house.stack.run("preview")
    assert house.calls() == []

    assert house.up(nodes=["10.0.0.3", *NODES]) == [
        "create cluster--10-0-0-3--node",
        f"create {members('10-0-0-3')[0]}",
    ]
    every = house.up(nodes=["10.0.0.8", "10.0.0.9"])
    assert max(map(every.index, every[:4])) == 3
    assert all(call.startswith("create") for call in every[:4]), "the new ones come up before the old ones go"
    assert before(every, f"delete {members('10-0-0-1')[0]}", "delete cluster--10-0-0-1--node")

    house.stack.edit(*RENAME)
    assert not [call for call in house.up() if not call.startswith("update")], "a rename replaces nothing"
    house.stack.calls()

    house.stack.run("down")
    ended = house.calls()
    assert before(ended, "delete renamed--http--server", "delete renamed--ml--pool")
    assert before(ended, "delete renamed--ml--10-0-0-8-80--member", "delete renamed--10-0-0-8--node")
    assert before(ended, "delete renamed--ml--pool", "delete renamed--ml--http--monitor")
    assert house.device.calls[-1] == "POST /mgmt/tm/util/bash", "saved behind the last removal"


def test_a_user_reaches_any_argument_of_any_child(house: House):
    for old, new in TRANSFORM:
        house.stack.edit(old, new)
    house.up()
    assert house.device.objects["ltm/pool"]["/Common/cluster--ml--pool"]["description"] == "ours"


def test_changes_come_up_beside_what_runs(house: House, tmp_path: Path):  # F5-3, LB-2
    house.up()
    limited = house.up(hard=8, tmms=4)
    assert before(limited, "create cluster--ml--limited--pool", "update cluster--http--server")
    assert before(limited, "create cluster--ml--limited--10-0-0-1-80--member", "update cluster--http--server")
    assert before(limited, "update cluster--http--server", "delete cluster--ml--pool")
    pem, key = certificate(tmp_path, "site", "a.example")
    secured = house.up(certificate=str(pem), key=str(key), port=443)
    assert before(secured, "create cluster--http--clientssl", "update cluster--http--server")
    body = key.read_text().splitlines()[1]
    assert body not in house.stack.state_file, "the key is a secret in state"
    assert body not in house.text
    pem, key = certificate(tmp_path, "renewed", "a.example")
    renewed = house.up(certificate=str(pem), key=str(key))
    assert renewed[-1].startswith("delete")
    files = [call for call in renewed if "certificate" in call or "key" in call]
    assert [call.split()[0] for call in files] == ["create", "create", "delete", "delete"]
    sourced = house.up(snat=["10.9.0.1"])
    assert before(sourced, "delete cluster--http--server", "create cluster--http--server"), (
        "the one thing that is held once"
    )
    assert "create cluster--addresses--snat" in sourced
    back = house.up(snat=[])
    assert before(back, "create cluster--http--server", "delete cluster--addresses--snat")


def test_an_up_that_failed_half_way_is_ended_by_the_next(house: House):
    house.device.fail_on = r"POST /mgmt/tm/ltm/virtual$"
    made = house.up(fails=True)
    assert "told to refuse" in house.text
    assert "hunter2" not in house.text
    assert f"create {members('10-0-0-1')[0]}" in made
    house.device.fail_on = ""
    assert house.up() == ["create cluster--http--server"]
    house.device.fail_on = "POST .*/members$"
    house.up(fails=True, nodes=["10.0.0.9"])
    assert house.device.members["/Common/cluster--ml--pool"], "the old members serve on"
    house.device.fail_on = ""
    ended = house.up()
    assert before(ended, "create cluster--ml--10-0-0-9-80--member", f"delete {members('10-0-0-1')[0]}")


def test_a_device_that_lets_nobody_save_says_so(house: House):
    house.device.answer_to_bash = "01070734:3: Configuration error: not allowed"
    house.up(fails=True)
    assert "was not saved" in house.text
    assert "Ltm.save" in house.text
    house.device.answer_to_bash = ""
