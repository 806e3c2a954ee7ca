"""The machine carries no Pulumi; the spec loads with pydantic alone."""

from __future__ import annotations

import subprocess
import sys

import pytest

BAN = """
import sys
class Ban:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in {banned!r}:
            raise ImportError(f'{{name}} is banned here')
sys.meta_path.insert(0, Ban())
import {module}
"""


@pytest.mark.parametrize(
    ("module", "banned"),
    [
        ("lbkit.dataplane.__main__", {"pulumi", "pulumi_aws", "pulumi_f5bigip", "jinja2", "grpc", "yaml"}),
        ("lbkit.spec", {"pulumi", "jinja2", "grpc", "yaml"}),
        ("lbkit", {"pulumi", "jinja2", "grpc", "yaml"}),
        ("lbkit.targets.aws", {"pulumi", "pulumi_aws"}),
        ("lbkit.targets.bigip", {"pulumi", "pulumi_f5bigip"}),
        ("lbkit.targets.native", {"pulumi"}),
        ("lbkit.cli", {"pulumi", "yaml"}),
    ],
)
def test_a_room_loads_without_what_it_must_not_need(module: str, banned: set[str]):
    found = subprocess.run(
        [sys.executable, "-c", BAN.format(module=module, banned=banned)], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
