"""The BIG-IP program under the real engine, against a provider that works on a device which refuses what a BIG-IP refuses."""

from __future__ import annotations

import json
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
LISTENERS = 'listeners={"http": listener(config)}'
POOLS = 'pools={"ml": pool(config)}'


def two(first: str, second: str) -> str:
    """Listeners for requests and for bytes, each on one of two ports."""
    return (
        f'listeners={{"web": Listener(port={first}, pool="ml"), "raw": Listener(port={second}, protocol="tcp", pool="raw"),'
        f' "api": Listener(port={first}0, pool="ml"), "old": Listener(port={second}0, pool="old")}}'
    )


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
    device = Device(partitions=("Team",))
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


def test_the_life_of_a_balancer(house: House):  # F5-1, F5-2, F5-3, F5-4, F5-5, LB-3
    made = house.up()
    assert before(made, "create cluster--ml--http--monitor", "create cluster--ml--pool")
    for node in ("10-0-0-1", "10-0-0-2"):
        assert before(made, f"create cluster--{node}--node", f"create {members(node)[0]}")
        assert before(made, f"create {members(node)[0]}", "create cluster--80--server")
    assert "hunter2" not in house.stack.state_file
    assert house.device.bash == ["-c 'tmsh save sys config'"]
    assert set(house.device.members["/Common/cluster--ml--pool"]) == {
        f"/Common/cluster--10-0-0-{n}--node:80" for n in (1, 2)
    }

    assert json.loads(house.stack.pulumi("stack", "output", "--json")) == {
        "pool_name": "/Common/cluster--ml--pool",
        "virtual_server_name": "/Common/cluster--80--server",
        "url": "http://192.0.2.80",
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
    assert before(ended, "delete renamed--80--server", "delete renamed--ml--pool")
    assert before(ended, "delete renamed--ml--10-0-0-8-80--member", "delete renamed--10-0-0-8--node")
    assert before(ended, "delete renamed--ml--pool", "delete renamed--ml--http--monitor")
    assert house.device.calls[-1] == "POST /mgmt/tm/util/bash", "saved behind the last removal"


def test_a_user_reaches_any_argument_of_any_child(house: House):
    house.stack.transform("target(config))", 'if kind.endswith(":Pool"): props["description"] = "ours"')
    house.up()
    assert house.device.objects["ltm/pool"]["/Common/cluster--ml--pool"]["description"] == "ours"
    assert len(house.device.bash) == 1, "saved"
    assert house.up() == []
    assert len(house.device.bash) == 1, "nothing changed"
    house.up(nodes=[*NODES, "10.0.0.3"])
    assert len(house.device.bash) == 3, "saved behind what was made and behind what was removed"


def test_changes_come_up_beside_what_runs(house: House, tmp_path: Path):  # F5-3, LB-2
    house.up()
    limited = house.up(hard=8, tmms=4)
    assert before(limited, "create cluster--ml--limited--pool", "update cluster--80--server")
    assert before(limited, "create cluster--ml--limited--10-0-0-1-80--member", "update cluster--80--server")
    assert before(limited, "update cluster--80--server", "delete cluster--ml--pool")
    pem, key = certificate(tmp_path, "site", "a.example")
    secured = house.up(certificate=str(pem), key=str(key))
    assert before(secured, "create cluster--80--clientssl", "update cluster--80--server")
    body = key.read_text().splitlines()[1]
    assert body not in house.stack.state_file, "the key is a secret in state"
    assert body not in house.text
    pem, key = certificate(tmp_path, "renewed", "a.example")
    renewed = house.up(certificate=str(pem), key=str(key))
    files = [call for call in renewed if not call.endswith("--clientssl")]
    assert [call.split()[0] for call in files] == ["create", "create", "delete", "delete"], "nothing else is touched"
    assert before(renewed, files[1], "update cluster--80--clientssl")
    assert before(renewed, "update cluster--80--clientssl", files[2])
    moved = house.up(port=443)
    assert before(moved, "create cluster--443--clientssl", "create cluster--443--server")
    assert before(moved, "create cluster--443--server", "delete cluster--80--server")
    assert before(moved, "delete cluster--80--server", "delete cluster--80--clientssl")


def test_source_addresses_change(house: House):
    again = ["delete cluster--80--server", "create cluster--80--server"]  # the device merges translations: made again
    house.up()
    assert house.up(snat=["10.9.0.1"]) == ["create cluster--addresses--snat", *again]
    assert house.up(snat=["10.9.0.1", "10.9.0.2"]) == ["update cluster--addresses--snat"]
    assert house.up(snat=["10.9.0.3"]) == ["update cluster--addresses--snat"]
    house.stack.edit('config.get_object("snat") or "automap"', '"none"')
    assert house.up() == ["update cluster--80--oneconnect", *again, "delete cluster--addresses--snat"]
    house.stack.edit('snat="none"', 'snat="automap"')
    assert house.up() == ["update cluster--80--oneconnect", *again]


def test_what_runs_is_changed_below_its_users(house: House):
    house.up()
    house.stack.edit('HealthCheck(path="/")', "HealthCheck()")
    assert house.up() == [
        "create cluster--ml--tcp--monitor",
        "update cluster--ml--pool",
        "delete cluster--ml--http--monitor",
    ]
    house.stack.edit("HealthCheck()", "HealthCheck(interval=10)")
    assert house.up() == ["update cluster--ml--tcp--monitor"]
    house.stack.edit("HealthCheck(interval=10))", "HealthCheck(interval=10), timeouts=Timeouts(idle=900))")
    assert house.up() == ["update cluster--80--tcp"]
    house.stack.edit("save=config", 'traffic_group="/Common/traffic-group-2", save=config')
    assert house.up() == ["update cluster--placement--address"]
    moved = house.up(address="192.0.2.81")
    assert moved == [
        "create cluster--placement--address",
        "update cluster--80--server",
        "delete cluster--placement--address",
    ]


def test_another_partition_is_refused_and_the_old_one_serves_on(house: House):
    house.up()
    refused = house.up(fails=True, partition="Team")
    assert "0107176c" in house.text, "the device knows each address once"
    assert not [call for call in refused if call.startswith("delete")]
    assert house.device.members["/Common/cluster--ml--pool"]
    assert [call for call in house.up(partition="Common") if not call.startswith("delete cluster--Team--")] == []


def test_a_listener_is_renamed_and_listeners_change_places(house: House):
    house.up()
    house.stack.edit(LISTENERS, 'listeners={"web": listener(config)}')
    assert house.up() == ["update cluster--80--server"], "the clients' connections live on"
    server = house.device.objects["ltm/virtual"]["/Common/cluster--80--server"]
    assert server["description"] == "listener web of cluster"

    pools = '"raw": Pool(port=9000, protocol="tcp", nodes={"a": Node(address="10.0.0.7")})'
    pools += ', "old": Pool(port=9000, nodes={"a": Node(address="10.0.0.8")})'
    house.stack.edit(POOLS, f"{POOLS[:-1]}, {pools}}}")
    house.stack.edit('listeners={"web": listener(config)}', two("80", "81"))
    house.up()
    house.stack.edit(two("80", "81"), two("81", "80"))
    swapped = house.up()
    calls = [call for call in swapped if call.endswith("--server")]
    in_place = [call for call in calls if call.startswith("update")]
    assert sorted(in_place) == ["update cluster--800--server", "update cluster--810--server"]
    for port in ("80", "81"):  # requests and bytes are two kinds of server, and a port is held once
        assert before(calls, f"delete cluster--{port}--server", f"create cluster--{port}--server")
    assert len(calls) == 6
    held = {name: item["pool"] for name, item in house.device.objects["ltm/virtual"].items()}
    leads = {"80": "raw", "81": "ml", "800": "old", "810": "ml"}
    assert held == {
        f"/Common/cluster--{port}--server": f"/Common/cluster--{pool}--pool" for port, pool in leads.items()
    }

    moved = house.up()
    assert moved == []
    house.stack.edit("port=81,", "port=8080,")
    moved = house.up()
    assert before(moved, "create cluster--8080--server", "delete cluster--81--server"), (
        "the new port before the old goes"
    )


def test_one_output_is_one_node_and_two_alike_are_refused_in_words(house: House):  # LB-4
    late = 'pulumi.Output.from_input("10.0.0.7")'
    house.stack.edit("config = Settings(", f"late = {late}\nconfig = Settings(")
    house.stack.edit(LISTENERS, LISTENERS[:-1] + ', "api": Listener(port=81, pool="api")}')
    house.stack.edit(POOLS, POOLS[:-1] + ', "api": Pool(port=9000, nodes={"a": Node(address=late)})}')
    house.stack.edit("nodes = {", 'nodes = {"late": Node(address=late)} | {')
    made = house.up()
    assert [call for call in made if call.startswith("create cluster--") and "late" in call] == [
        "create cluster--ml--late--node",
        "create cluster--ml--late--member",
    ]
    assert "create cluster--api--a--member" in made
    house.stack.edit("nodes = {", f'nodes = {{"other": Node(address={late})}} | {{')
    house.up(fails=True)
    assert "pools.ml.nodes.late.address" in house.text
    assert "a BIG-IP knows each address once" in house.text
    house.stack.edit(f'{{"other": Node(address={late})}} | ', "")


def test_an_up_that_failed_half_way_is_ended_by_the_next(house: House):
    house.device.fail_on = r"POST /mgmt/tm/ltm/virtual$"
    made = house.up(fails=True)
    assert "told to refuse" in house.text
    assert "hunter2" not in house.text
    assert f"create {members('10-0-0-1')[0]}" in made
    house.device.fail_on = ""
    assert house.up() == ["create cluster--80--server"]
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
