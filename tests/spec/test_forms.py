"""One spec in Python, YAML and JSON; the schema; late leaves."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from lbkit.cli import main
from lbkit.errors import Belated, LbkitError, SpecError
from lbkit.load import load
from lbkit.spec import HealthCheck, Listener, Node, Pool, Spec
from lbkit.spec.inputs import origin
from tests.laws.leaves import BASE
from tests.mocks import registered

PYTHON = Spec(
    pools={
        "p": Pool(
            port=8000,
            health_check=HealthCheck(path="/health"),
            nodes={"a": Node(address="10.0.0.1"), "b": Node(address="10.0.0.2")},
        )
    },
    listeners={"l": Listener(port=80, pool="p")},
)


def test_python_yaml_and_json_say_the_same(tmp_path: Path):
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(BASE))
    (tmp_path / "spec.json").write_text(json.dumps(BASE))
    source = f"from lbkit import Spec\nspec = Spec.load({BASE!r})\n"
    (tmp_path / "spec.py").write_text(source)
    assert [load(tmp_path / f"spec.{kind}") for kind in ("yaml", "json", "py")] == [PYTHON] * 3


def test_a_dump_with_defaults_loads_again():
    assert Spec.load(json.loads(PYTHON.model_dump_json())) == PYTHON


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "pools:\n  p:\n    port: 80\n    nodes:\n      a: {address: x}\nlisteners: {}\n",
            "spec.yaml:5: pools.p.nodes.a.address",
        ),
        ("pools: {}\npools: {}\n", "spec.yaml:2"),
        ("pools: [\n", "spec.yaml:2"),
        ("- a\n", "holds no mapping"),
    ],
)
def test_an_error_in_yaml_names_the_line(tmp_path: Path, text: str, expected: str):
    path = tmp_path / "spec.yaml"
    path.write_text(text)
    with pytest.raises(LbkitError, match=expected):
        load(path)


def test_check_prints_all_problems_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "spec.yaml"
    data = copy.deepcopy(BASE)
    path.write_text(yaml.safe_dump(data))
    assert main(["check", str(path), "--target", "native"]) == 0
    assert "native dataplane: ok" in capsys.readouterr().out
    data["pools"]["p"]["limits"] = {"hard": 1, "queue": {}}
    path.write_text(yaml.safe_dump(data))
    assert main(["check", str(path), "--target", "aws"]) == 1
    assert "pools.p.limits.queue" in capsys.readouterr().out
    assert main(["check", str(tmp_path / "missing.yaml")]) == 2
    assert "No such file" in capsys.readouterr().out


def test_the_schema_carries_the_docstrings(capsys: pytest.CaptureFixture[str]):
    assert main(["schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert set(schema["properties"]) == {"pools", "listeners"}
    assert "Below uvicorn's 5 s" in schema["$defs"]["Timeouts"]["properties"]["keep_alive"]["description"]
    port = schema["$defs"]["Listener"]["properties"]["port"]
    assert (port["minimum"], port["maximum"]) == (1, 65535)
    assert '"ge"' not in json.dumps(schema), "an editor knows no such word"


def test_check_works_without_pulumi(tmp_path: Path):
    path = tmp_path / "spec.json"
    path.write_text(json.dumps(BASE))
    code = "import sys; sys.modules['pulumi'] = None; from lbkit.cli import main; sys.exit(main(sys.argv[1:]))"
    found = subprocess.run([sys.executable, "-c", code, "check", path], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (0, "")
    assert "AWS ALB: ok" in found.stdout


@pytest.mark.parametrize("preview", [True, False])
def test_a_late_address_keeps_its_checks(preview: bool):  # LB-4
    import pulumi

    def program() -> None:
        Node(address=pulumi.Output.from_input("10.0.0.1"))
        bad = Node(address=pulumi.Output.secret("hunter2.local"))
        pulumi.ComponentResource("test:index:Holder", "holder", {"address": bad.address})

    with pytest.raises(Belated, match=r"(?s)address\n +This is a name") as caught:
        registered(program, preview=preview)
    assert isinstance(caught.value, pulumi.RunError), "text alone, no stack trace"
    assert "hunter2" not in str(caught.value)
    assert "While processing" not in str(caught.value), "Pulumi prints all inputs of the resource behind these words"


def test_one_output_in_two_places_is_known_for_one():
    import pulumi

    late = pulumi.Output.from_input("10.0.0.1")
    one, other = Node(address=late), Node(address=late)
    assert one.address is not other.address
    assert origin(one.address) is origin(other.address) is late
    assert origin("10.0.0.1") == "10.0.0.1"


@pytest.mark.parametrize("public", [True, False])
def test_a_late_public_address_needs_a_word_as_well(public: bool):  # CR-6
    import pulumi

    def program() -> None:
        node = Node(address=pulumi.Output.from_input("8.8.8.8"), public=public)
        pulumi.ComponentResource("test:index:Holder", "holder", {"address": node.address})

    if public:
        assert registered(program, preview=False).order
        return
    with pytest.raises(Belated, match=r"(?s)address\n +This is a public address"):
        registered(program, preview=False)


def test_one_output_given_twice_is_one_server():  # LB-4
    import pulumi

    def program() -> None:
        one = pulumi.Output.from_input("10.0.0.1")
        assert origin(Node(address=one).address) is origin(Node(address=one, public=True).address) is one
        Pool(port=80, nodes={"a": Node(address=one), "b": Node(address=pulumi.Output.from_input("10.0.0.1"))})
        with pytest.raises(SpecError, match=r"nodes\.b\.address\n +Node 'a' has the same address"):
            Pool(port=80, nodes={"a": Node(address=one), "b": Node(address=one)})

    registered(program, preview=True)


def test_a_late_value_is_refused_where_structure_must_be_known():
    import pulumi

    late: Any = pulumi.Output.from_input(80)
    with pytest.raises(
        SpecError, match=r"Pool\.port\n +This value arrives during the deployment only.*\n +Give a plain value"
    ):
        Pool(port=late, nodes={})
    with pytest.raises(
        SpecError, match=r"Listener\.allow\n +This value arrives.*\n +Give a plain list or mapping here; its entries"
    ):
        Listener(port=80, pool="p", allow=late)
