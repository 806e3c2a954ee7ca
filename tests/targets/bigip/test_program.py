"""The program of seed 004, under mocks: what it makes with the seed's own values, in preview as in up."""

from __future__ import annotations

import json

import pytest

from lbkit import LoadBalancer, Spec
from lbkit.targets.bigip import Device, Ltm
from tests.mocks import Registered, golden, registered, run_program
from tests.targets.bigip.house import BASE

CONFIG = {
    "device": "192.0.2.10", "user": "admin", "password": "hunter2-secret", "address": "192.0.2.80", "port": "80",
    "nodes": '["192.168.1.1", "192.168.1.2", "192.168.1.3"]', "nodePort": "80", "partition": "Common", "save": "true",
    "fleet": "web",
}  # fmt: skip
GPU = {"fleet": "gpu", "nodePort": "8000", "hard": "8", "tmms": "4", "peer": "192.0.2.11", "group": "both"}


def run(preview: bool = False, settings: dict[str, str] | None = None) -> Registered:
    return run_program("bigip_ltm", preview=preview, config=CONFIG | (settings or {}), secrets=("password",))


@pytest.fixture(scope="module")
def made() -> Registered:
    return run()


@pytest.mark.parametrize("preview", [True, False], ids=["preview", "up"])
def test_the_plan_is_the_golden_one(preview: bool):  # F5-2, F5-3, F5-4
    golden(f"bigip_ltm-{'preview' if preview else 'up'}", run(preview).resources)


def test_the_gpu_plan_is_the_golden_one():
    found = run(settings=GPU)
    golden("bigip_ltm-gpu", found.resources)
    (pool,) = found.of("f5bigip:ltm/pool:Pool").values()
    assert pool["inputs"]["loadBalancingMode"] == "least-connections-member"
    (tcp,) = found.of("f5bigip:ltm/profileTcp:ProfileTcp").values()
    assert tcp["inputs"]["idleTimeout"] == 900
    commands = [c["inputs"]["commands"] for c in found.of("f5bigip:index/command:Command").values()]
    assert [saved.partition(" && true ")[0] for saved, _ in commands] == ["save sys config"] * 2
    assert [synchronised for _, synchronised in commands] == ["run cm config-sync to-group both"] * 2


def test_the_password_is_a_secret(made: Registered):  # F5-1
    assert "hunter2" not in json.dumps(made.resources)
    (provider,) = made.of("pulumi:providers:f5bigip").values()
    assert (provider["inputs"]["address"], provider["inputs"]["username"]) == ("192.0.2.10", "admin")
    assert provider["inputs"]["password"] == "<secret>"
    assert provider["inputs"]["teemDisable"] == "true"


def test_every_node_joins_the_pool(made: Registered):  # F5-3
    members = [m["inputs"] for m in made.of("f5bigip:ltm/poolAttachment:PoolAttachment").values()]
    assert {m["node"] for m in members} == {f"/Common/cluster--192-168-1-{n}--node:80" for n in (1, 2, 3)}
    assert {m["pool"] for m in members} == {"/Common/cluster--ml--pool"}


def test_the_virtual_server_speaks_http_and_waits_for_the_members(made: Registered):  # F5-4
    (server,) = made.of("f5bigip:ltm/virtualServer:VirtualServer").values()
    assert server["inputs"]["profiles"] == [f"/Common/cluster--80--{kind}" for kind in ("tcp", "http", "oneconnect")]
    assert server["inputs"]["sourceAddressTranslation"] == "automap"
    assert (server["inputs"]["destination"], server["inputs"]["port"]) == ("192.0.2.80", 80)
    assert sum(name.endswith("--member") for name in server["depends_on"]) == 3


def test_the_exports_name_pool_and_virtual_server(made: Registered):  # F5-5
    names = {"pool": "/Common/cluster--ml--pool", "virtual_servers": ["/Common/cluster--80--server"]}
    assert made.outputs["cluster"]["pools"] == {"ml": names}


@pytest.mark.parametrize(
    "device",
    [
        Device(address="192.0.2.10", user="admin", password="hunter2-secret"),
        Device(address="192.0.2.10", token="hunter2-secret", ca="/ca.pem"),
    ],
    ids=["password", "token"],
)
def test_a_secret_in_clear_becomes_a_secret(device: Device, monkeypatch: pytest.MonkeyPatch):  # F5-1
    monkeypatch.setattr("lbkit.targets.bigip.placement.read", lambda path: None)

    def run() -> None:
        LoadBalancer("lb", Spec.load(BASE), Ltm(address="192.0.2.80", device=device))

    found = registered(run, preview=False)
    assert "hunter2" not in json.dumps(found.resources)
    (provider,) = found.of("pulumi:providers:f5bigip").values()
    assert provider["inputs"]["validateCertsDisable"] == ("false" if device.ca else "true")


def test_a_provider_of_the_users_own_is_taken():
    def run() -> None:
        import pulumi_f5bigip

        own = pulumi_f5bigip.Provider("own", address="192.0.2.10", teem_disable=True)
        LoadBalancer("lb", Spec.load(BASE), Ltm(address="192.0.2.80", device=own))

    found = registered(run, preview=False)
    assert list(found.of("pulumi:providers:f5bigip")) == ["own"]
