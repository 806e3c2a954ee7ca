from tests.mocks import golden, run_program

CONFIG = {
    "device": "192.0.2.10",
    "user": "admin",
    "password": "hunter2-secret",
    "address": "192.0.2.80",
    "port": "80",
    "nodes": '["10.0.0.1", "10.0.0.2", "10.0.0.3"]',
    "nodePort": "80",
}


def test_x():
    for preview in (True, False):
        found = run_program("bigip_ltm", preview=preview, config=CONFIG, secrets=("password",))
        print(found.order)
        golden(f"bigip_ltm-{'preview' if preview else 'up'}", found.resources)
