"""Run a program of `programs/` under the real engine: `python tools/up.py up|preview|refresh|down|env [PROGRAM]`.

The program runs inside this process (Pulumi's Automation API), so no language host is needed. Project, stack `dev`,
state and configuration are those of `pulumi up` in the program's folder. `Pulumi.yaml` is never written.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import runpy
import secrets
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import yaml
from pulumi import automation as auto

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lbkit.program import setting
from tools import engine

PROGRAMS = Path(__file__).resolve().parents[1] / "programs"
STACK = "dev"
LOCAL = ".pulumi-local"
_UNREADABLE = ("invalid YAML", "expected project to be an object", "mapping key")
"""What the engine says of a configuration that is no YAML, without its file's name."""
_NEEDS = {"aws_alb": ("pulumi_aws", "aws"), "bigip_ltm": ("pulumi_f5bigip", "bigip")}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="up.py", description="Run one of the programs under the real engine.")
    parser.add_argument("action", choices=["up", "preview", "refresh", "down", "env"])
    parser.add_argument("program", nargs="?", default="native", help="folder below programs/")
    parser.add_argument("--programs", type=Path, default=PROGRAMS, help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    folder = (arguments.programs / arguments.program).resolve()
    try:
        _check(folder)
        return {"up": up, "preview": preview, "refresh": refresh, "down": down, "env": env}[arguments.action](folder)
    except (engine.NoEngine, Refused) as error:
        print(error, file=sys.stderr)
    except auto.errors.CommandError as error:
        _explain(str(error), folder)
    return 1


class Refused(Exception):
    """The text says what is wrong and what to do."""


def up(folder: Path) -> int:
    """Make it real, then say how to use it."""
    outputs = _stack(folder).up(on_output=_printer(), color=_color(), suppress_outputs=True).outputs
    print()
    for line in outputs["next_steps"].value if "next_steps" in outputs else _exports(outputs):
        print(line)
    return 0


def preview(folder: Path) -> int:
    _stack(folder).preview(on_output=_printer(), color=_color(), diff=False)
    return 0


def refresh(folder: Path) -> int:
    _stack(folder).refresh(on_output=_printer(), color=_color())
    return 0


def down(folder: Path) -> int:
    """Take it down and remove the stack's state. Configuration that the user set stays."""
    if not (folder / LOCAL).exists() and "PULUMI_BACKEND_URL" not in os.environ:
        print("Nothing is up.")
        return 0
    stack = _stack(folder)
    stack.destroy(on_output=_printer(until="The resources in the stack have been deleted"), color=_color())
    stack.workspace.remove_stack(STACK, preserve_config=True)
    settings = folder / f"Pulumi.{STACK}.yaml"
    if settings.exists() and "config:" not in settings.read_text():
        settings.unlink()
    if "PULUMI_BACKEND_URL" not in os.environ and "PULUMI_CONFIG_PASSPHRASE" not in os.environ:
        _clear(folder / LOCAL, keep_passphrase=settings.exists())  # its salt belongs to the passphrase
    if settings.exists():
        print(f"Your configuration is kept in {settings.name}.")
    return 0


def env(folder: Path) -> int:
    """Shell lines after which the plain `pulumi` command works on the same stack, which is made if there is none."""
    found = engine.find()
    _stack(folder)
    for name, value in _environment(folder).items():
        if name.startswith("PULUMI_"):
            print(f"export {name}={shlex.quote(value)}")
    print(f"export PATH={shlex.quote(str(found.folder))}:{shlex.quote(str(Path(sys.executable).parent))}:$PATH")
    return 0


def _check(folder: Path) -> None:
    if not (folder / "__main__.py").exists():
        known = ", ".join(sorted(p.parent.name for p in folder.parent.glob("*/__main__.py")))
        raise Refused(f"There is no program {folder.name!r}. Programs are: {known}.")
    module, extra = _NEEDS.get(folder.name, ("pulumi", ""))
    if importlib.util.find_spec(module) is None:
        raise Refused(f"This program needs {module}: pip install -e '.[{extra}]'")


def _stack(folder: Path) -> auto.Stack:
    found = engine.find()
    environment = _environment(folder)
    environment["PATH"] = os.pathsep.join(
        [str(found.folder), str(Path(sys.executable).parent), os.environ.get("PATH", "")]
    )
    os.environ["PATH"] = environment["PATH"]
    project = re.search(r"^name:\s*(\S+)", (folder / "Pulumi.yaml").read_text(), re.MULTILINE)
    assert project is not None
    return auto.create_or_select_stack(
        STACK,
        project_name=project[1],
        program=lambda: _run(folder),
        opts=auto.LocalWorkspaceOptions(work_dir=str(folder), env_vars=environment),
    )


def _run(folder: Path) -> None:
    """In the program's folder, as `pulumi up` does it: files that settings name are found from there."""
    os.chdir(folder)
    runpy.run_path(str(folder / "__main__.py"), run_name="__main__")


def _environment(folder: Path) -> dict[str, str]:
    """What makes the engine work without account and questions; what the user set himself stays."""
    local = folder / LOCAL
    environment = {"PULUMI_SKIP_UPDATE_CHECK": "1", "PULUMI_PYTHON_CMD": sys.executable}
    if "PULUMI_BACKEND_URL" not in os.environ:
        local.mkdir(mode=0o700, exist_ok=True)
        environment["PULUMI_BACKEND_URL"] = f"file://{local}"
    if not {"PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"} & set(os.environ):
        environment["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(_passphrase(local))
    return environment


def _passphrase(local: Path) -> Path:
    path = local / "passphrase"
    if not path.exists():
        local.mkdir(mode=0o700, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(32))
    return path


def _clear(local: Path, keep_passphrase: bool) -> None:
    if not keep_passphrase:
        shutil.rmtree(local, ignore_errors=True)
        return
    for item in local.iterdir():
        if item.name != "passphrase":
            shutil.rmtree(item) if item.is_dir() else item.unlink()


def _exports(outputs: auto.OutputMap) -> list[str]:
    return [f"{name} = {'[secret]' if item.secret else item.value}" for name, item in outputs.items()]


def _color() -> str:
    return "always" if sys.stdout.isatty() and not os.environ.get("NO_COLOR") else "never"


def _printer(until: str = "") -> Callable[[str], None]:
    """Prints the engine's words, without the repetition that an inline program's error gets, up to the text `until`."""
    skipping = over = False

    def show(text: str) -> None:
        nonlocal skipping, over
        over = over or bool(until and text.startswith(until))
        if over:
            return
        if "an unhandled error occurred:" in text:
            skipping = True
        elif not text.strip() or not text.startswith((" ", "\t")):
            skipping = False
        if not skipping:
            print(text, flush=True)

    return show


def _explain(text: str, folder: Path) -> None:
    """The engine's last words, where it printed nothing of them itself, and how to set what it misses or can't take."""
    _, _, said = text.partition("stderr:")
    if said.strip():
        print(said.strip().removeprefix("error: "), file=sys.stderr)
    known = yaml.safe_load((folder / "Pulumi.yaml").read_text()).get("config", {})
    wanted = said.partition("missing configuration value")[2]
    wrong = said.partition("configuration key")[2] if "must be of type" in said else ""
    missing = [key for key in known if f"'{key}'" in wanted or f"'{key}'" in wrong]
    if any(word in said for word in _UNREADABLE):
        print(f"Mend {folder / f'Pulumi.{STACK}.yaml'}, or take it away.", file=sys.stderr)
    if missing:
        ready = f'eval "$({sys.executable} {Path(__file__).resolve()} env {folder.name})"; '
        print(
            f"Set {'it anew' if wrong else 'what is missing'}:\n  {'' if 'PULUMI_BACKEND_URL' in os.environ else ready}cd {folder}",
            file=sys.stderr,
        )
    commands = {setting(key, known[key]): known[key].get("description", "") for key in missing}
    wide = max(map(len, commands), default=0)
    for command, meaning in commands.items():
        print(f"  {command:<{wide}}  {meaning}".rstrip(), file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
