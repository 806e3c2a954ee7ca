"""`tools/up.py` without the engine: its environment, its refusals, its care for what is the user's."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tools import up


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"):
        monkeypatch.delenv(name, raising=False)
    found = tmp_path / "programs" / "mine"
    found.mkdir(parents=True)
    (found / "__main__.py").write_text("")
    (found / "Pulumi.yaml").write_text("name: mine\nruntime: python\n")
    return found


def test_state_and_passphrase_stay_in_the_programs_folder(folder: Path):
    first, second = up._environment(folder), up._environment(folder)
    assert first == second
    assert first["PULUMI_BACKEND_URL"] == f"file://{folder / '.pulumi-local'}"
    passphrase = Path(first["PULUMI_CONFIG_PASSPHRASE_FILE"])
    assert passphrase.stat().st_mode & 0o777 == 0o600
    assert len(passphrase.read_text()) >= 32
    assert (folder / ".pulumi-local").stat().st_mode & 0o777 == 0o700


def test_what_the_user_set_stays(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PULUMI_BACKEND_URL", "file:///elsewhere")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "mine")
    environment = up._environment(folder)
    assert "PULUMI_BACKEND_URL" not in environment
    assert "PULUMI_CONFIG_PASSPHRASE_FILE" not in environment
    assert not (folder / ".pulumi-local").exists()


def test_an_unknown_program_is_refused_with_the_known_ones(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert up.main(["up", "other", "--programs", str(folder.parent)]) == 1
    assert capsys.readouterr().err == "There is no program 'other'. Programs are: mine.\n"


def test_a_missing_sdk_is_named_with_its_extra(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    folder.rename(folder.parent / "aws_alb")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert up.main(["up", "aws_alb", "--programs", str(folder.parent)]) == 1
    assert "pip install -e '.[aws]'" in capsys.readouterr().err


def test_down_is_fine_when_nothing_is_up(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert up.main(["down", "mine", "--programs", str(folder.parent)]) == 0
    assert capsys.readouterr().out == "Nothing is up.\n"


def test_an_error_of_an_inline_program_is_shown_once(capsys: pytest.CaptureFixture[str]):
    show = up._printer()
    for line in (
        "Diagnostics:",
        "  error: wrong",
        "    error: an unhandled error occurred:",
        "    wrong again",
        "",
        "Resources:",
    ):
        show(line)
    assert capsys.readouterr().out == "Diagnostics:\n  error: wrong\n\nResources:\n"


def test_missing_settings_are_named_with_the_commands_that_set_them(folder: Path, capsys: pytest.CaptureFixture[str]):
    (folder / "Pulumi.yaml").write_text(
        "name: mine\nruntime: python\nconfig:\n  at: {type: string, description: Where}\n  port: {type: integer}\n"
        "  password: {type: string, secret: true}\n  nodes: {type: array, description: All}\n"
    )
    said = "code: 255\n stdout: \n stderr: error: validating stack config: Stack 'dev' is missing configuration values"
    up._explain(f"{said} 'at', 'nodes' and 'password'\n", folder)
    assert capsys.readouterr().err.splitlines()[1:] == [
        "Set what is missing:",
        f'  eval "$({sys.executable} {up.__file__} env mine)"; cd {folder}',
        "  pulumi config set at VALUE                 Where",
        "  pulumi config set --secret password",
        "  pulumi config set --path 'nodes[0]' VALUE  All",
    ]
    up._explain("stderr: error: Stack 'dev' with configuration key 'port' must be of type 'integer'", folder)
    told = [" ".join(line.split()) for line in capsys.readouterr().err.splitlines()]
    assert (told[1], told[-1]) == ("Set it anew:", "pulumi config set port VALUE")
    up._explain("stderr: error: invalid YAML file: yaml: line 2: found character", folder)
    assert f"Mend {folder}/Pulumi.dev.yaml, or take it away." in capsys.readouterr().err
    up._explain("stderr: error: something else about 'at'", folder)
    assert capsys.readouterr().err == "something else about 'at'\n"


def test_the_passphrase_is_kept_while_secrets_need_it(folder: Path):
    up._environment(folder)
    local = folder / ".pulumi-local"
    (local / ".pulumi").mkdir()
    up._clear(local, keep_passphrase=True)
    assert [path.name for path in local.iterdir()] == ["passphrase"]
    up._clear(local, keep_passphrase=False)
    assert not local.exists()
