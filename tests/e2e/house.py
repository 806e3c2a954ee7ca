"""The real engine on the real programs, driven as a user does: through tools/up.py, in a folder of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.mocks import ROOT
from tools import engine, yaml_host

PATIENCE = 120
DOUBLES = {"aws": "aws.py", "f5bigip": "recording.py"}


class Stack:
    """A program's stack, with its own state, passphrase and configuration."""

    def __init__(self, program: str, place: Path) -> None:
        self.folder = place / "programs" / program
        shutil.copytree(
            ROOT / "programs" / program, self.folder, ignore=shutil.ignore_patterns(".pulumi-local", "Pulumi.*.yaml")
        )
        os.symlink(ROOT / "bench", place / "bench")
        self.program = program
        self.project = yaml.safe_load((self.folder / "Pulumi.yaml").read_text())["name"]
        self.calls_file = place / "calls"
        self.doubles = self._doubles(place / "bin")
        self.environment = {
            **os.environ,
            "PATH": f"{self.doubles}:{os.environ['PATH']}",
            "LBKIT_CALLS": str(self.calls_file),
            "LBKIT_WORLD": str(place / "world"),
        }
        self.environment["PULUMI_CONFIG_PASSPHRASE"] = "for-this-test-only"
        self._seen = 0

    def configure(self, **values: Any) -> None:
        """Write the stack's settings, as `pulumi config set` does."""
        path = self.folder / "Pulumi.dev.yaml"
        settings = yaml.safe_load(path.read_text()) if path.exists() else {}
        settings.setdefault("config", {}).update({f"{self.project}:{key}": value for key, value in values.items()})
        path.write_text(yaml.safe_dump(settings))

    def pulumi(self, *arguments: str, fails: bool = False) -> str:
        """The plain `pulumi` command on the same stack; what it printed."""
        local = self.folder / ".pulumi-local"
        local.mkdir(exist_ok=True)
        environment = {**self.environment, "PULUMI_BACKEND_URL": f"file://{local}", "PULUMI_PYTHON_CMD": sys.executable}
        found = subprocess.run(
            [engine.find().command, *arguments],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert (found.returncode != 0) is fails, found.stdout + found.stderr
        assert "Traceback" not in found.stdout, found.stdout
        return found.stdout

    def speak_yaml(self, program: str) -> None:
        """Put a program in YAML in the place of the one in Python, with what runs it on PATH."""
        (self.folder / "Pulumi.yaml").write_text(program)
        folders = [self.doubles, Path(sys.executable).parent, yaml_host.find(), engine.find().folder]
        self.environment["PATH"] = ":".join([*map(str, folders), os.environ["PATH"]])

    def speak_python(self) -> None:
        """Back to the program in Python, with the same stack and state."""
        shutil.copy(ROOT / "programs" / self.program / "Pulumi.yaml", self.folder)

    def run(self, action: str, *, fails: bool = False) -> str:
        """One action of tools/up.py; what it printed."""
        found = subprocess.run(
            [sys.executable, ROOT / "tools" / "up.py", action, self.program, "--programs", self.folder.parent],
            capture_output=True, text=True, timeout=PATIENCE, env=self.environment,
        )  # fmt: skip
        text = found.stdout + found.stderr
        assert (found.returncode != 0) is fails, text
        assert "Traceback" not in text, text
        return text

    @property
    def state_file(self) -> str:
        """Everything the engine keeps, as text."""
        return "".join(path.read_text() for path in (self.folder / ".pulumi-local").rglob("*.json"))

    def calls(self) -> list[dict[str, Any]]:
        """The provider calls since the last look."""
        lines = self.calls_file.read_text().splitlines() if self.calls_file.exists() else []
        new, self._seen = lines[self._seen :], len(lines)
        return [json.loads(line) for line in new]

    def edit(self, old: str, new: str) -> None:
        """Change the program's text."""
        main = self.folder / "__main__.py"
        assert old in main.read_text()
        main.write_text(main.read_text().replace(old, new))

    def transform(self, target: str, statement: str) -> None:
        """A transform of every child of the program's balancer: a statement that may change `props` of a `kind`."""
        self.edit(target, f"{target[:-1]}, pulumi.ResourceOptions(transforms=[transform]))")
        path = self.folder / "__main__.py"
        path.write_text(
            f"""import pulumi


def transform(args: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult:
    kind, props = args.type_, dict(args.props)
    {statement}
    return pulumi.ResourceTransformResult(props, args.opts)


{path.read_text().replace("from __future__ import annotations", "")}"""
        )

    def replace_program(self, text: str) -> None:
        """Another program in the same stack, one without settings."""
        path = self.folder / "Pulumi.yaml"
        project = yaml.safe_load(path.read_text())
        path.write_text(yaml.safe_dump({key: value for key, value in project.items() if key != "config"}))
        (self.folder / "__main__.py").write_text(text)

    def _doubles(self, folder: Path) -> Path:
        folder.mkdir()
        for package in ("aws", "f5bigip"):
            launcher = folder / f"pulumi-resource-{package}"
            double = Path(__file__).parent / "doubles" / DOUBLES[package]
            launcher.write_text(f'#!/bin/sh\nexec {sys.executable} {double} {package} "$@"\n')
            launcher.chmod(0o755)
        return folder


def brief(calls: list[dict[str, Any]]) -> list[str]:
    """`operation name` of each call."""
    return [f"{call['op']} {call['name']}" for call in calls]


def before(calls: list[str], first: str, second: str) -> bool:
    return calls.index(first) < calls.index(second)
