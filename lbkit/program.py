"""A Pulumi program run for what it defines: with the configuration that its folder holds, and under mocks, so that nothing
is made and no engine is needed. What is secret is not known here; a word stands in its place.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from lbkit.errors import OperationError, Problem, Unsupported, of_system
from lbkit.unreadable import of_yaml

_SECRET = "[secret]"


def is_program(path: Path) -> bool:
    """Whether it belongs to a Pulumi project."""
    return path.with_name("Pulumi.yaml").is_file()


def defined_by(path: Path) -> dict[str, Any]:
    """The names that the program defines. Raises OperationError for configuration that is missing, and what it raises."""
    project = _mapping(path.with_name("Pulumi.yaml"))
    name, block = str(project.get("name", "project")), project.get("config") or {}
    stack = _stack(path.parent)
    config = dict(_defaults(name, block)) | dict(_set(stack))
    missing = [key for key, item in block.items() if _required(item) and _full(name, key) not in config]
    if missing:
        raise OperationError("The program can't be run", [_missing(path, key, block[key]) for key in missing])
    return _run(path, name, stack, config)


def _run(path: Path, project: str, stack: Path | None, config: dict[str, str]) -> dict[str, Any]:
    from pulumi import ConfigMissingError, runtime

    names: dict[str, Any] = {"__name__": "__main__", "__file__": str(path)}
    with _no_engine(path, project, stack.name.split(".")[1] if stack else "check"):
        runtime.set_all_config(config, [key for key, value in config.items() if value == _SECRET])
        try:
            exec(compile(path.read_bytes(), str(path), "exec"), names)
        except ConfigMissingError as error:
            problem = _missing(path, error.key.removeprefix(f"{project}:"), {"secret": error.secret})
            raise OperationError("The program can't be run", [problem]) from None
        except Unsupported:  # its own home can't do it; which homes can is the question
            pass
    return names


@contextmanager
def _no_engine(path: Path, project: str, stack: str) -> Iterator[None]:
    """Mocks in the engine's place, and no word of theirs."""
    from pulumi.runtime import mocks, settings

    class Nothing(mocks.Mocks):
        def call(self, args: mocks.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]]]:
            return dict(args.args), []

        def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[Any, Any]]:
            return "", args.inputs

    silent = logging.Logger("mocks")
    silent.addHandler(logging.NullHandler())
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda _loop, _context: None)
    asyncio.set_event_loop(loop)
    before = settings.get_root_resource()
    settings.ROOT.set(None)  # so that this program gets one of its own
    mocks.set_mocks(Nothing(), project=project, stack=stack, preview=True, logger=silent)
    sys.path.insert(0, str(path.parent))
    try:
        yield
    finally:
        sys.path.remove(str(path.parent))
        settings.ROOT.set(before)
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.close()


def _stack(folder: Path) -> Path | None:
    """The stack's file: the one that PULUMI_STACK names, or the only one."""
    chosen = os.environ.get("PULUMI_STACK")
    found = sorted(folder.glob("Pulumi.*.yaml"))
    if chosen:
        found = [path for path in found if path.name == f"Pulumi.{chosen.rpartition('/')[2]}.yaml"]
    return found[0] if len(found) == 1 else None


def _defaults(name: str, block: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for key, item in block.items():
        given = item.get("default", item.get("value")) if isinstance(item, dict) else item
        if given is not None:
            yield _full(name, key), _text(given)


def _set(stack: Path | None) -> Iterator[tuple[str, str]]:
    values = _mapping(stack).get("config") if stack else None
    for key, value in (values or {}).items():
        yield str(key), _text(value)


def _required(item: Any) -> bool:
    return isinstance(item, dict) and item.get("default", item.get("value")) is None


def _full(name: str, key: str) -> str:
    return key if ":" in key else f"{name}:{key}"


def _text(value: Any) -> str:
    """As Pulumi hands it to a program."""
    if isinstance(value, dict) and set(value) == {"secure"}:
        return _SECRET
    return value if isinstance(value, str) else json.dumps(value)


def setting(key: str, item: dict[str, Any]) -> str:
    """The command that sets it. `item` is its entry in Pulumi.yaml. A secret is asked for, and never stands in a command."""
    if item.get("type") == "array":
        return f"pulumi config set --path '{key}[0]' VALUE"
    return f"pulumi config set --secret {key}" if item.get("secret") else f"pulumi config set {key} VALUE"


def _missing(path: Path, key: str, item: dict[str, Any]) -> Problem:
    remedy = f"`{setting(key, item)}` puts it into Pulumi.STACK.yaml, which is read here."
    if len(list(path.parent.glob("Pulumi.*.yaml"))) > 1 and "PULUMI_STACK" not in os.environ:
        remedy += " There are several: PULUMI_STACK says which."
    return Problem(key, f"{path.name} wants this setting, and nothing gives it.", remedy)


def _mapping(path: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(path.read_text())
    except OSError as error:
        raise OperationError("The program can't be run", [of_system(path, error)]) from None
    except (yaml.YAMLError, ValueError) as error:
        raise OperationError("The program can't be run", [of_yaml(path, error)]) from None
    return found if isinstance(found, dict) else {}
