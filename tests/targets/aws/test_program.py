from tests.mocks import golden, run_program

CONFIG = {
    "vpcId": "vpc-0a1b2c3d4e5f60718",
    "subnetIds": '["subnet-0a1b2c3d4e5f60718", "subnet-0f1e2d3c4b5a69788"]',
    "image": "ami-0a1b2c3d4e5f60718",
    "instanceType": "t2.medium",
    "requestsPerMachine": "8",
    "min": "1",
    "desired": "2",
    "max": "10",
}


def test_x():
    for preview in (True, False):
        found = run_program("aws_alb", preview=preview, config=CONFIG)
        print(found.order)
        golden(f"aws_alb-{'preview' if preview else 'up'}", found.resources)
