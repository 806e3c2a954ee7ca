"""LB-2: `lbkit check` says all that a target can't do, without Pulumi: a table for people, JSON for CI."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

from lbkit.check import WIDTH
from lbkit.cli import main
from lbkit.errors import SpecError
from lbkit.targets.table import HOMES
from tests.laws.leaves import BASE
from tests.mocks import ROOT, run_program

PLACES = {"problem": {"path", "value", "reason", "remedy", "line"},
          "check": {"ok", "file", "target", "title", "problems", "notes", "warnings"}}  # fmt: skip


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "spec.yaml"


def written(file: Path, **pool: Any) -> Path:
    data = copy.deepcopy(BASE)
    data["pools"]["p"].update(pool)
    file.write_text(yaml.safe_dump(data, sort_keys=False))
    return file


def checked(*arguments: object, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    status = main(["check", *map(str, arguments)])
    out, err = capsys.readouterr()
    assert err == ""
    return status, out


@pytest.mark.parametrize("home", HOMES)
def test_a_right_spec_passes_or_is_told_why(home: str, file: Path, capsys: pytest.CaptureFixture[str]):
    status, out = checked(written(file), "--target", home, capsys=capsys)
    assert (status == 0) == (": ok" in out)
    assert (status == 1) == ("can't do what the spec asks" in out)


def test_the_table_has_path_value_reason_and_remedy(file: Path, capsys: pytest.CaptureFixture[str]):
    written(file, retries=3, limits={"hard": 3, "queue": {"size": 256}})
    status, out = checked(file, "--target", "aws", capsys=capsys)
    assert status == 1
    head, *rows = out.splitlines()[1:]
    columns = [head.index(word) for word in ("line", "path", "value", "reason", "remedy")]
    queue = next(row for row in rows if "limits.queue" in row)
    assert queue[columns[1] :].startswith("pools.p.limits.queue")
    assert queue[columns[2] :].startswith("256")
    assert queue[columns[3] :].startswith("AWS never queues")
    assert queue[columns[4] :].startswith("Use Native")
    number = int(queue[columns[0] : columns[1]])
    assert "queue" in file.read_text().splitlines()[number - 1]


def test_the_table_fits_its_width_whatever_the_names(file: Path, capsys: pytest.CaptureFixture[str]):
    data = copy.deepcopy(BASE)
    name = "a-name-of-forty-characters-and-no-more-x"
    data["pools"] = {name: {**data["pools"].pop("p"), "algorithm": "random_two", "retries": 3, "limits": {"hard": 3}}}
    data["pools"][name]["nodes"] = {name: {"address": "10.0.0.1", "backup": True}, "b": {"address": "10.0.0.2"}}
    data["listeners"]["l"]["pool"] = name
    file.write_text(yaml.safe_dump(data))
    out = checked(file, capsys=capsys)[1]
    assert max(len(line) for line in out.splitlines() if not line.startswith(str(file))) <= WIDTH
    assert "'least_connections'" in out, "no word is cut"


def test_the_json_has_stable_keys(file: Path, capsys: pytest.CaptureFixture[str]):
    written(file, retries=3)
    status, out = checked(file, "--json", capsys=capsys)
    found = json.loads(out)
    assert status == 0, "without a target only a wrong spec fails"
    assert set(found) == {"ok", "checks"}
    assert [check["target"] for check in found["checks"]] == list(HOMES)
    for check in found["checks"]:
        assert set(check) == PLACES["check"]
        assert check["ok"] is not bool(check["problems"])
        assert all(set(problem) == PLACES["problem"] for problem in check["problems"])
    retries = next(p for p in found["checks"][0]["problems"] if p["path"] == "pools.p.retries")
    assert (retries["value"], retries["remedy"]) == ("3", "Leave it out.")
    assert "retries" in file.read_text().splitlines()[retries["line"] - 1]


@pytest.mark.parametrize("how", [[], ["--json"], ["--target", "native"], ["--target", "aws", "--json"]])
def test_a_wrong_spec_is_status_1_with_all_its_problems(how: list[str], file: Path, capsys: pytest.CaptureFixture[str]):
    written(file, drain="5m", health_chek={})
    status, out = checked(file, *how, capsys=capsys)
    assert status == 1
    assert out.count("pools.p.drain") == out.count("pools.p.health_chek") == 1
    if "--json" in how:
        (check,) = json.loads(out)["checks"]
        assert check["target"] is None


def test_a_file_that_cannot_be_read_is_status_2(file: Path, capsys: pytest.CaptureFixture[str]):
    status, out = checked(file, written(file.with_name("good.yaml")), "--json", capsys=capsys)
    assert status == 2
    assert next(check["file"] for check in json.loads(out)["checks"] if not check["ok"]) == str(file)
    assert "No such file" in out


def test_notes_and_warnings_that_need_no_placement_are_told(file: Path, capsys: pytest.CaptureFixture[str]):
    written(file, nodes={"a": {"address": "10.0.0.1"}})
    out = checked(file, "--target", "bigip", capsys=capsys)[1]
    assert "note: pools.p.health_check: a probe has no timeout" in out
    assert "warning: pools.p.nodes: a single node" in out
    assert "Ltm" not in out, "nothing is said of a placement that nobody gave"
    check = json.loads(checked(file, "--target", "bigip", "--json", capsys=capsys)[1])["checks"][0]
    assert check["notes"]
    assert check["warnings"]


def test_a_boot_document_s_lines_are_found(file: Path, capsys: pytest.CaptureFixture[str]):
    written(file, retries=3)
    file.write_text(yaml.safe_dump({"name": "lb", "spec": yaml.safe_load(file.read_text())}))
    check = json.loads(checked(file, "--target", "aws", "--json", capsys=capsys)[1])["checks"][0]
    line = next(p["line"] for p in check["problems"] if p["path"] == "pools.p.retries")
    assert "retries" in file.read_text().splitlines()[line - 1]


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """The program of AWS, where no stack of the developer's lies beside it."""
    for name in ("__main__.py", "Pulumi.yaml"):
        (tmp_path / name).write_text((ROOT / "programs" / "aws_alb" / name).read_text())
    return tmp_path / "__main__.py"


def configured(program: Path, stack: str = "dev", **more: Any) -> None:
    ids = ["subnet-0a1b2c3d4e5f60718", "subnet-0f1e2d3c4b5a69788"]
    settings = {"vpcId": "vpc-0a1b2c3d4e5f60718", "subnetIds": ids, "image": "ami-0a1b2c3d4e5f60718", **more}
    config = {f"lbkit-aws-alb:{key}": value for key, value in settings.items()}
    program.with_name(f"Pulumi.{stack}.yaml").write_text(yaml.safe_dump({"config": config}))


def test_a_program_s_missing_configuration_is_named_all_at_once(program: Path, capsys: pytest.CaptureFixture[str]):
    status, out = checked(program, "--json", capsys=capsys)
    assert status == 2
    (check,) = json.loads(out)["checks"]
    assert [problem["path"] for problem in check["problems"]] == ["vpcId", "subnetIds", "image"]
    assert check["problems"][0]["remedy"].startswith("`pulumi config set vpcId VALUE`")
    assert check["problems"][1]["remedy"].startswith("`pulumi config set --path 'subnetIds[0]' VALUE`")
    assert "Traceback" not in checked(program, capsys=capsys)[1]


def test_a_program_is_checked_with_the_configuration_of_its_stack(program: Path, capsys: pytest.CaptureFixture[str]):
    configured(program)
    assert checked(program, "--target", "aws", capsys=capsys)[0] == 0
    configured(program, max=0)
    status, out = checked(program, "--target", "aws", capsys=capsys)
    assert status == 1
    assert "pools" not in out, "the program's own line raised it"
    assert "Fleet.min" in out


def test_a_program_s_own_home_does_not_decide_for_the_others(program: Path, capsys: pytest.CaptureFixture[str]):
    configured(program)
    program.write_text(program.read_text().replace("        port=80,\n", "        port=80, retries=3,\n"))
    status, out = checked(program, "--target", "aws", capsys=capsys)
    assert status == 1
    assert "pools.workers.retries" in out
    assert "retries" not in checked(program, "--target", "bigip", capsys=capsys)[1]


def test_of_several_stacks_one_is_named(
    program: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    configured(program)
    configured(program, "prod")
    assert "PULUMI_STACK" in checked(program, "--json", capsys=capsys)[1]
    monkeypatch.setenv("PULUMI_STACK", "prod")
    assert checked(program, "--target", "aws", capsys=capsys)[0] == 0


def test_a_secret_is_not_needed(program: Path, capsys: pytest.CaptureFixture[str]):
    configured(program, instanceProfile={"secure": "v1:aa:bb"})
    assert checked(program, "--target", "aws", capsys=capsys)[0] == 0


@pytest.mark.parametrize(
    ("key", "remedy"), [("instancetype", "`instanceType`?"), ("spots", "`spot`?"), ("zzz", "one of:")]
)
def test_a_setting_that_no_program_knows_is_refused(
    key: str, remedy: str, program: Path, capsys: pytest.CaptureFixture[str]
):
    configured(program, **{key: "1"})
    status, out = checked(program, "--json", capsys=capsys)
    assert status == 1
    (problem,) = json.loads(out)["checks"][0]["problems"]
    assert problem["path"] == f"lbkit-aws-alb:{key}"
    assert remedy in problem["remedy"]
    assert f"pulumi config rm {key}" in problem["remedy"]


def test_the_help_tells_the_exit_status(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["check", "--help"])
    assert "2  a file can't be read" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["native", "aws_alb", "bigip_ltm"])
def test_every_program_refuses_a_setting_with_a_slip_in_it(name: str):
    with pytest.raises(SpecError, match=r"project:prot\n +This program has no such setting") as caught:
        run_program(name, preview=True, config={"prot": "1"})
    assert isinstance(caught.value, pulumi.RunError), "text alone, no stack trace"
