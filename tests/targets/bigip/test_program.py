"""The program of seed 004, under mocks: what it makes, in preview as in up."""

from __future__ import annotations

import json

import pytest

from lbkit import LoadBalancer, Spec
from lbkit.targets.bigip import Device, Ltm
from tests.laws.leaves import BASE
from tests.mocks import Registered, golden, registered, run_program

CONFIG = {
    "device": "192.0.2.10",
    "user": "admin",
    "password": "hunter2-secret",
    "address": "192.0.2.80",
    "port": "80",
    "nodes": '["10.0.0.1", "10.0.0.2", "10.0.0.3"]',
    "nodePort": "80",
}


def run(preview: bool = False) -> Registered:
    return run_program("bigip_ltm", preview=preview, config=CONFIG, secrets=("password",))


@pytest.fixture(scope="module")
def made() -> Registered:
    return run()


@pytest.mark.parametrize("preview", [True, False], ids=["preview", "up"])
def test_the_plan_is_the_golden_one(preview: bool):  # F5-2, F5-3, F5-4
    golden(f"bigip_ltm-{'preview' if preview else 'up'}", run(preview).resources)


def test_the_password_is_a_secret(made: Registered):  # F5-1
    assert "hunter2" not in json.dumps(made.resources)
    (provider,) = made.of("pulumi:providers:f5bigip").values()
    assert provider["inputs"]["password"] == "<secret>"
    assert provider["inputs"]["teemDisable"] == "true"


def test_every_node_joins_the_pool(made: Registered):  # F5-3
    members = [m["inputs"] for m in made.of("f5bigip:ltm/poolAttachment:PoolAttachment").values()]
    assert {m["node"] for m in members} == {f"/Common/cluster-node-10-0-0-{n}:80" for n in (1, 2, 3)}
    assert {m["pool"] for m in members} == {"/Common/cluster-ml"}


def test_the_virtual_server_speaks_http_and_waits_for_the_members(made: Registered):  # F5-4
    (server,) = made.of("f5bigip:ltm/virtualServer:VirtualServer").values()
    assert server["inputs"]["profiles"] == ["/Common/tcp", "/Common/http"]
    assert server["inputs"]["sourceAddressTranslation"] == "automap"
    assert (server["inputs"]["destination"], server["inputs"]["port"]) == ("192.0.2.80", 80)
    assert sum(name.endswith("--member") for name in server["depends_on"]) == 3


def test_the_exports_name_pool_and_virtual_server(made: Registered):  # F5-5
    assert made.outputs["cluster"]["pools"] == {
        "ml": {"pool": "/Common/cluster-ml", "virtual_servers": ["/Common/cluster-http"]}
    }


def test_a_password_in_clear_becomes_a_secret():  # F5-1
    def program() -> None:
        device = Device(address="192.0.2.10", user="admin", password="hunter2-secret")
        LoadBalancer("lb", Spec.load(BASE), Ltm(address="192.0.2.80", device=device))

    found = registered(program, preview=False)
    assert "hunter2" not in json.dumps(found.resources)
