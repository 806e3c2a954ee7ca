"""Programs under Pulumi's mocks: what they would register, as stable data."""

from __future__ import annotations

import asyncio
import json
import os
import runpy
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
from pulumi.runtime import mocks as pulumi_mocks
from pulumi.runtime import rpc

ROOT = Path(__file__).resolve().parents[1]
_SIGNATURE = "4dabf18193072939515e22adb298388d"
GOLDEN = Path(__file__).parent / "golden"
_LOOP = asyncio.new_event_loop()  # one for all: the SDK keeps the root stack, whose futures belong to a loop
_LOOP.set_exception_handler(lambda _loop, _context: None)  # of futures that a failed program leaves behind unasked


class Cloud(pulumi_mocks.Mocks):
    """Answers like a provider that made everything: outputs are inputs and what only the cloud knows."""

    def __init__(self, preview: bool, answers: dict[str, dict[str, str]] | None = None) -> None:
        self.preview, self.answers = preview, answers or {}
        self.asked: list[str] = []

    def new_resource(self, args: pulumi_mocks.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        if self.preview:
            return "", args.inputs
        made: dict[str, Any] = {
            "arn": f"arn:{args.name}",
            "arnSuffix": f"suffix/{args.name}",
            "dnsName": f"{args.name}.example.com",
        }
        made |= {"name": args.name, "latestVersion": 1, "state": f"/run/{args.name}", "publicIp": "198.51.100.7"}
        return f"{args.name}-id", {**made, **{k: v for k, v in args.inputs.items() if v is not None}}

    def call(self, args: pulumi_mocks.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        self.asked.append(args.provider or "")
        answer = dict(self.answers.get(str(args.args.get("id")), {}))
        return (answer, []) if "error" not in answer else ({}, [("id", answer["error"])])


@dataclass
class Registered:
    """What a program registered: by `type::name`, with inputs and options."""

    resources: dict[str, dict[str, Any]] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    """The provider of each question to the cloud; empty: the default one."""

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        return {
            key.partition("::")[2]: value for key, value in self.resources.items() if key.partition("::")[0] == kind
        }


class Recorder(pulumi_mocks.MockMonitor):
    def __init__(self, mocks: pulumi_mocks.Mocks, found: Registered) -> None:
        super().__init__(mocks)
        self.found = found

    def RegisterResource(self, request: Any) -> Any:
        inputs = rpc.deserialize_properties(request.object, keep_unknowns=True)
        assert not request.HasField("replacement_trigger"), "transforms fail with it"
        key = f"{request.type}::{request.name}"  # several threads register at once
        self.found.order.append(key)
        self.found.resources[key] = {
            "inputs": _plain(inputs),
            "parent": request.parent.rpartition("::")[2],
            "depends_on": _names(request.dependencies),
            **({"ignore_changes": list(request.ignoreChanges)} if request.ignoreChanges else {}),
            **({"delete_before_replace": True} if request.deleteBeforeReplace else {}),
            **({"replace_on_changes": list(request.replaceOnChanges)} if request.replaceOnChanges else {}),
            **({"replace_with": _names(request.replace_with)} if request.replace_with else {}),
        }
        return super().RegisterResource(request)

    def RegisterResourceOutputs(self, request: Any) -> Any:
        self.found.outputs[request.urn.rpartition("::")[2]] = _plain(
            rpc.deserialize_properties(request.outputs, keep_unknowns=True)
        )
        return super().RegisterResourceOutputs(request)


def _names(urns: Iterable[str]) -> list[str]:
    return sorted({urn.rpartition("::")[2] for urn in urns})


def registered(
    program: Callable[[], None],
    *,
    preview: bool,
    config: dict[str, str] | None = None,
    secrets: tuple[str, ...] = (),
    answers: dict[str, dict[str, str]] | None = None,
) -> Registered:
    """Run a program under mocks. Raises what it raises. `answers`: what the cloud says of an id."""
    found = Registered()
    asyncio.set_event_loop(_LOOP)
    mocks = Cloud(preview, answers)
    found.asked = mocks.asked
    pulumi_mocks.set_mocks(mocks, project="project", stack="stack", preview=preview, monitor=Recorder(mocks, found))
    pulumi.runtime.set_all_config(
        {f"project:{k}": v for k, v in (config or {}).items()}, [f"project:{k}" for k in secrets]
    )

    try:
        pulumi.runtime.test(program)()
    finally:
        _settle()
    return found


def _settle() -> None:
    """End what a program that failed left running: it would fail the next one."""
    left = asyncio.all_tasks(_LOOP)
    if not left:
        return
    _, stuck = _LOOP.run_until_complete(asyncio.wait(left, timeout=5))
    for task in stuck:
        task.cancel()


def run_program(name: str, *, preview: bool, config: dict[str, str], secrets: tuple[str, ...] = ()) -> Registered:
    """One of `programs/`, as the engine would run it."""
    path = str(ROOT / "programs" / name / "__main__.py")

    def program() -> None:
        runpy.run_path(path, run_name="__main__")

    return registered(program, preview=preview, config=config, secrets=secrets)


def golden(name: str, found: Any) -> None:
    """Compare with the golden file; LBKIT_GOLDEN=write makes it anew."""
    path = GOLDEN / f"{name}.json"
    found = {key: value for key, value in found.items() if not key.startswith("pulumi:pulumi:Stack")}
    text = json.dumps(found, indent=1, sort_keys=True) + "\n"
    if os.environ.get("LBKIT_GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert text == path.read_text(), (
        f"the plan changed; if it should, run the test with LBKIT_GOLDEN=write and read the diff of {path.name}"
    )


def _plain(value: Any) -> Any:
    """JSON-able: Outputs and unknowns as words."""
    if isinstance(value, dict) and _SIGNATURE in value:
        return "<secret>"
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items() if v is not None}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, str | int | float | bool) else "<unknown>"
