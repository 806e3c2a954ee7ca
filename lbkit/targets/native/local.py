"""The balancer as a background process: a Pulumi dynamic provider.

The classes' module and names stay for ever: they are in users' state. What can be known before is said by `check`,
at preview already; later errors carry their own text and no stack trace.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
from pulumi import dynamic

from lbkit.dataplane.config import BootConfig
from lbkit.dataplane.control_client import call
from lbkit.dataplane.folders import home
from lbkit.errors import LbkitError, OperationError, Problem
from lbkit.release import VERSION
from lbkit.spec import Spec
from lbkit.spec.presets import settings_that_replace
from lbkit.targets.naming import child
from lbkit.targets.native import background, ports
from lbkit.targets.outputs import boot_document

_GRACE = 10.0
_START = 30.0
"""Seconds until a successor knows its nodes: as long as their first probes may take."""


class ProcessProvider(dynamic.ResourceProvider):
    """Props: `config` (JSON text), `listeners` (name, address, port), `wait`, `release`. Outputs add `state`, the folder."""

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> dynamic.CheckResult:
        problems = [p for p in (_taken(item, _olds) for item in news.get("listeners", [])) if p]
        failures = [dynamic.CheckFailure("listeners", _text(problem)) for problem in problems]
        try:
            if _known(news):
                _config(news)
        except LbkitError as error:
            failures.append(dynamic.CheckFailure("config", f"\n{error}"))
        return dynamic.CheckResult(news, failures)

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.DiffResult:
        changed = any(olds.get(key) != news.get(key) for key in ("config", "wait", "release"))
        changed = changed or not _lives(Path(olds["state"]))  # a process that was killed is made again
        replaces = ["config"] if _known(news) and _fixed(olds) != _fixed(news) else []
        return dynamic.DiffResult(changes=changed, replaces=replaces, delete_before_replace=True)

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        with _readable():
            folder = background.new_folder(_config(props).name)
            _start(folder, props)
            return dynamic.CreateResult(folder.name, {**props, "state": str(folder)})

    def read(self, id_: str, props: dict[str, Any]) -> dynamic.ReadResult:
        folder = Path(props["state"])
        if _lives(folder):
            return dynamic.ReadResult(id_, props)
        if background.running(folder) is None:
            background.stop(folder, 0)  # what a dead process left behind
        return dynamic.ReadResult("", {})

    def update(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.UpdateResult:
        folder = Path(olds["state"])
        with _readable():
            if not _lives(folder):
                background.stop(folder, _patience(olds))
                home().mkdir(mode=0o700, exist_ok=True)
                folder.mkdir(mode=0o700)
                _start(folder, news)
            elif olds.get("release") != news.get("release"):
                _succeed(folder, news)
            elif olds.get("config") != news.get("config"):
                _reconfigure(folder, news)
            return dynamic.UpdateResult({**news, "state": str(folder)})

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        with _readable():
            background.stop(Path(props["state"]), _patience(props))


class Process(dynamic.Resource, module="lbkit", name="Process"):
    """The running balancer. `state` is its private folder: control socket, log, configuration."""

    state: pulumi.Output[str]

    def __init__(self, name: str, props: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__(ProcessProvider(), name, {**props, "state": None}, opts)


def balancer_process(name: str, spec: Spec, wait: float, parent: pulumi.ComponentResource) -> Process:
    """The resource for a checked spec."""
    listeners = [{"name": key, "address": item.address, "port": item.port} for key, item in spec.listeners.items()]
    props = {"config": boot_document(name, spec), "listeners": listeners, "wait": wait, "release": VERSION}
    return Process(child(name, "process"), props, pulumi.ResourceOptions(parent=parent))


class Error(Exception):
    """Carries a text for people through the engine, which prints an exception's class and message."""

    __module__ = "builtins"


class _readable:
    """Turns errors for people into ones that the engine prints without a stack trace."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, LbkitError):
            sys.tracebacklimit = 0
            raise Error(str(error)) from None


def _config(props: dict[str, Any]) -> BootConfig:
    return BootConfig.load(json.loads(props["config"]))


def _known(props: dict[str, Any]) -> bool:
    """Whether the configuration has arrived: at preview an address may be missing."""
    config = props.get("config")
    return isinstance(config, str) and config.startswith("{")


def _fixed(props: dict[str, Any]) -> dict[str, Any]:
    """The settings that a preset does not let change in place (SA-1)."""
    pools = _config(props).spec.pools
    return {name: settings for name, pool in pools.items() if (settings := settings_that_replace(pool))}


def _taken(listener: dict[str, Any], olds: dict[str, Any]) -> Problem | None:
    at = (listener.get("address"), int(listener["port"]))
    held = [(item.get("address"), int(item["port"])) for item in olds.get("listeners", [])]
    return None if at in held or ports.ours(at[1], home()) else ports.taken(listener["name"], *at)


def _text(problem: Problem) -> str:
    return f"\n{problem}"


def _patience(props: dict[str, Any]) -> float:
    return max(pool.drain for pool in _config(props).spec.pools.values()) + _GRACE


def _socket(folder: Path) -> Path:
    return folder / "control.sock"


def _lives(folder: Path) -> bool:
    try:
        return background.running(folder) is not None and call(_socket(folder), "GET", "/v1/live")[0] == 200
    except LbkitError:
        return False


def _start(folder: Path, props: dict[str, Any]) -> None:
    """Start and wait; after a failure nothing is left."""
    boot = folder / "boot.json"
    boot.write_text(props["config"])
    try:
        found = [ports.taken(item["name"], item.get("address"), int(item["port"])) for item in props["listeners"]]
        if problems := [problem for problem in found if problem]:
            raise OperationError("The balancer can't listen", problems)
        process = _launch(folder)
        background.wait(process.poll, folder, _GRACE, lambda: _unready(folder, "/v1/live"))
        _await_nodes(folder, process.poll, props)
    except LbkitError:
        background.stop(folder, 0)
        raise


def _launch(folder: Path, *options: str) -> subprocess.Popen[bytes]:
    argv = [
        "-m",
        "lbkit.dataplane",
        "--config",
        str(folder / "boot.json"),
        "--state",
        str(folder),
        "--no-watch",
        *options,
    ]
    return background.start(folder, sys.executable, *argv)


def _succeed(folder: Path, props: dict[str, Any]) -> None:
    """A new release takes the sockets of the running one, which ends its work and goes. If it can't, the old one stays."""
    boot, pid = folder / "boot.json", folder / "pid"
    before = boot.read_text(), pid.read_text()
    boot.write_text(props["config"])
    try:
        process = _launch(folder, "--take-over")
        background.wait(process.poll, folder, _GRACE + _START, lambda: _other_than(folder, process.pid))
    except LbkitError:
        boot.write_text(before[0])
        pid.write_text(before[1])
        raise
    _await_nodes(folder, process.poll, props)


def _other_than(folder: Path, pid: int) -> list[str]:
    try:
        answers = call(_socket(folder), "GET", "/v1/live")[1]["pid"] == pid
    except OperationError as error:
        return [p.reason for p in error.problems]
    return [] if answers else ["The process of the release before still has the ports."]


def _await_nodes(folder: Path, ended: Callable[[], int | None], props: dict[str, Any]) -> None:
    """Until every pool has a healthy node. Raises OperationError with what was tried."""
    if props["wait"]:
        background.wait(ended, folder, float(props["wait"]), lambda: _unready(folder, "/v1/ready"))


def _unready(folder: Path, question: str) -> list[str]:
    try:
        status, answer = call(_socket(folder), "GET", question)
    except OperationError as error:
        return [p.reason for p in error.problems]
    return [] if status == 200 else list(answer["reasons"])


def _reconfigure(folder: Path, news: dict[str, Any]) -> None:
    status, answer = call(_socket(folder), "PUT", "/v1/config", json.loads(news["config"]))
    if status != 200:
        raise OperationError(answer["title"], [Problem(**problem) for problem in answer.get("problems", [])])
    (folder / "boot.json").write_text(news["config"])
    _await_nodes(folder, lambda: None if background.running(folder) else -1, news)
