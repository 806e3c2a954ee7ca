"""LB-5: docs/languages.md shows one balancer three times, and it is one."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import entry_points
from typing import Any

import pulumi
import pytest
import yaml

from lbkit.package.provider import Package
from lbkit.package.schema import TOKEN, schema
from tests.mocks import ROOT, registered

PAGE = (ROOT / "docs" / "languages.md").read_text()


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


def in_python() -> None:
    exec(compile(block("python"), "languages.md", "exec"), {"__name__": "__main__"})


def in_yaml() -> None:
    (resource,) = yaml.safe_load(block("yaml"))["resources"].items()
    name, body = resource
    assert body["type"] == TOKEN.replace(":index:", ":")
    Package().construct(name, TOKEN, body["properties"])


def plan(program: Any) -> dict[str, Any]:
    found = registered(program, preview=True).resources
    return {key: value for key, value in found.items() if not key.startswith("pulumi:")}


def test_python_and_yaml_make_the_same():
    assert plan(in_python) == plan(in_yaml)


def test_typescript_gives_what_yaml_gives():
    text = block("typescript")
    name, arguments = re.search(r'new lbkit\.LoadBalancer\("(\w+)", (\{.*\})\);', text, re.DOTALL).groups()  # type: ignore[union-attr]
    given = yaml.safe_load(arguments)  # an object literal without functions is YAML as well
    assert {name: given} == {
        key: body["properties"] for key, body in yaml.safe_load(block("yaml"))["resources"].items()
    }
    assert re.findall(r"inference\.(\w+)", text) == ["url"]
    assert "url" in schema()["resources"][TOKEN]["properties"]


def test_the_error_reads_as_shown():
    (shown,) = re.findall(r"has a problem: (.*?)```", PAGE, re.DOTALL)
    properties = yaml.safe_load(block("yaml"))["resources"]["inference"]["properties"]
    properties["spec"]["pools"]["llm"]["healthCheck"]["rise"] = 0.0
    del properties["native"]
    properties["aws"] = {"vpcId": "vpc-12345678", "subnetIds": ["subnet-0a1b2c3d4e5f60718", "subnet-0f1e2d3c4b5a69788"]}
    with pytest.raises(pulumi.InputPropertiesError) as caught:
        Package().construct("inference", TOKEN, properties)
    assert str(caught.value.message) == shown.strip()


def test_pulumi_s_python_host_starts_it():
    argv = [sys.executable, "-m", "pulumi.run.plugin", "lbkit", "127.0.0.1:9"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as plugin:
        try:
            assert plugin.stdout
            assert plugin.stdout.readline().strip().isdigit(), "it tells its port"
        finally:
            plugin.kill()


def test_the_plugin_is_where_the_page_says():
    (found,) = entry_points(group="console_scripts", name="pulumi-resource-lbkit")
    assert found.load().__module__ == "lbkit.package.provider"
    assert yaml.safe_load((ROOT / "PulumiPlugin.yaml").read_text())["runtime"]["name"] == "python"
