"""A server that a program starts beside its balancer, such as a demo engine: a Pulumi dynamic provider.

The classes' module and names stay for ever: they are in users' state.
"""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import Any

import pulumi
from pulumi import dynamic

from lbkit.dataplane.folders import home
from lbkit.errors import OperationError
from lbkit.targets.native import background, ports
from lbkit.targets.native.local import _readable, _text

_PATIENCE = 10.0


class ServerProvider(dynamic.ResourceProvider):
    """Props: `argv`, `address`, `port`. Outputs add `state`, the folder."""

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> dynamic.CheckResult:
        port = int(news["port"])
        problem = None if ports.ours(port, home()) else ports.taken("demo", news["address"], port)
        return dynamic.CheckResult(news, [dynamic.CheckFailure("port", _text(problem))] if problem else [])

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.DiffResult:
        changed = [key for key in ("argv", "address", "port") if olds.get(key) != news.get(key)]
        if not changed and background.running(Path(olds["state"])) is None:
            changed = ["argv"]  # it was killed, and is made again
        return dynamic.DiffResult(changes=bool(changed), replaces=changed, delete_before_replace=True)

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        with _readable():
            if problem := ports.taken("demo", props["address"], int(props["port"])):
                raise OperationError("The server can't listen", [problem])
            folder = background.new_folder("server")
            process = background.start(folder, sys.executable, *props["argv"], "--state", str(folder))
            background.wait(process.poll, folder, _PATIENCE, lambda: _unready(props))
            return dynamic.CreateResult(folder.name, {**props, "state": str(folder)})

    def read(self, id_: str, props: dict[str, Any]) -> dynamic.ReadResult:
        folder = Path(props["state"])
        if background.running(folder) is not None:
            return dynamic.ReadResult(id_, props)
        background.stop(folder, 0)
        return dynamic.ReadResult("", {})

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        background.stop(Path(props["state"]), _PATIENCE)


class Server(dynamic.Resource, module="lbkit", name="Server"):
    """A Python script that runs in the background and listens on one port. It gets `--state FOLDER` as last argument."""

    address: pulumi.Output[str]
    state: pulumi.Output[str]

    def __init__(
        self, name: str, argv: list[str], address: str, port: int, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(ServerProvider(), name, {"argv": argv, "address": address, "port": port, "state": None}, opts)


def _unready(props: dict[str, Any]) -> list[str]:
    try:
        socket.create_connection((props["address"], int(props["port"])), 1).close()
    except OSError as error:
        return [f"port {int(props['port'])}: {error.strerror or error}"]
    return []
