"""What the control API answers. A bad request changes nothing and says what is wrong, with the path in the spec."""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from lbkit.dataplane.config import BootConfig
from lbkit.dataplane.shell import exposition, openapi, page
from lbkit.dataplane.shell.server import Server
from lbkit.errors import LbkitError

_NAME = "[^/]+"
_NAMED = 10
ACTIONS = ("ready", "drain", "maintenance", "wake")


@dataclass(slots=True, frozen=True)
class Reply:
    """Status, content type and body of an answer."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: tuple[str, ...] = ()


def reply(status: int, value: Any) -> Reply:
    return Reply(status, json.dumps(value).encode() + b"\n")


def problem(status: int, title: str, *headers: str, **more: Any) -> Reply:
    """An error in the form of RFC 9457."""
    body = json.dumps({"type": "about:blank", "title": title, "status": status, **more}).encode() + b"\n"
    return Reply(status, body, "application/problem+json", headers)


Handler = Callable[..., Reply]


class Api:
    """The calls for one server, without a socket."""

    def __init__(self, server: Server) -> None:
        self._server = server
        calls: dict[str, dict[str, Handler]] = {
            "/": {"GET": self._page},
            "/metrics": {"GET": self._metrics},
            "/v1/openapi.json": {"GET": lambda body: reply(200, openapi.DESCRIPTION)},
            "/v1/live": {"GET": lambda body: reply(200, {"live": True, "pid": os.getpid()})},
            "/v1/ready": {"GET": self._ready},
            "/v1/status": {"GET": lambda body: reply(200, self._server.status())},
            "/v1/config": {"GET": self._config, "PUT": self._configure},
            f"/v1/pools/({_NAME})": {"GET": self._pool},
            f"/v1/pools/({_NAME})/nodes": {"GET": self._nodes, "PUT": self._put_nodes},
            f"/v1/pools/({_NAME})/nodes/({_NAME})": {
                "GET": self._node, "PUT": self._put_node, "DELETE": self._delete_node,
            },
            f"/v1/pools/({_NAME})/nodes/({_NAME})/({'|'.join(ACTIONS)})": {"POST": self._act},
        }  # fmt: skip
        self._calls = [(re.compile(path), methods) for path, methods in calls.items()]

    def answer(self, method: str, path: str, body: bytes) -> Reply:
        """One call."""
        for pattern, methods in self._calls:
            found = pattern.fullmatch(path)
            if found is None:
                continue
            if method not in methods:
                fit = list(methods)
                title = f"{method} is not for {path}; {' and '.join(fit)} {'are' if fit[1:] else 'is'}"
                return problem(405, title, f"Allow: {', '.join(fit)}")
            try:
                return methods[method](*found.groups(), body=body)
            except _NoSuch as error:
                return problem(404, str(error))
            except LbkitError as error:
                problems = [
                    {"path": p.path, "value": p.value, "reason": p.reason, "remedy": p.remedy} for p in error.problems
                ]
                return problem(422, error.title, problems=problems)
        return problem(404, f"There is no {path}", paths=list(openapi.DESCRIPTION["paths"]))

    # -- reading -----------------------------------------------------------------------------------------------------

    def _page(self, body: bytes) -> Reply:
        return Reply(200, page.body(), "text/html; charset=utf-8", page.headers())

    def _metrics(self, body: bytes) -> Reply:
        return Reply(200, exposition.text(self._server).encode(), "text/plain; version=0.0.4; charset=utf-8")

    def _ready(self, body: bytes) -> Reply:
        reasons = self._server.unready()
        return reply(503 if reasons else 200, {"ready": not reasons, "reasons": reasons})

    def _config(self, body: bytes) -> Reply:
        return reply(200, self._server.config.model_dump() if self._server.config else None)

    def _pool(self, pool: str, body: bytes) -> Reply:
        return reply(200, self._found(pool))

    def _nodes(self, pool: str, body: bytes) -> Reply:
        return reply(200, self._found(pool)["nodes"])

    def _node(self, pool: str, node: str, body: bytes) -> Reply:
        return reply(200, self._found_node(pool, node))

    # -- changing ----------------------------------------------------------------------------------------------------

    def _configure(self, body: bytes) -> Reply:
        data = _object(body)
        if isinstance(data, Reply):
            return data
        self._server.apply(BootConfig.load(data))
        return reply(200, {"revision": self._server.revision})

    def _put_nodes(self, pool: str, body: bytes) -> Reply:
        data = _object(body)
        return data if isinstance(data, Reply) else self._change(pool, lambda _: data)

    def _put_node(self, pool: str, node: str, body: bytes) -> Reply:
        data = _object(body)
        return data if isinstance(data, Reply) else self._change(pool, lambda nodes: {**nodes, node: data})

    def _delete_node(self, pool: str, node: str, body: bytes) -> Reply:
        self._commanded(pool, node)
        return self._change(pool, lambda nodes: {name: item for name, item in nodes.items() if name != node})

    def _change(self, pool: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Reply:
        """New membership of one pool: the running configuration with other nodes, applied as a whole (LB-6)."""
        self._found(pool)
        assert self._server.config is not None
        data = self._server.config.model_dump(exclude_unset=True)
        data["spec"]["pools"][pool]["nodes"] = change(data["spec"]["pools"][pool].get("nodes", {}))
        self._server.apply(BootConfig.load(data))
        return reply(200, {"revision": self._server.revision})

    def _act(self, pool: str, node: str, action: Any, body: bytes) -> Reply:
        self._commanded(pool, node)
        if body:
            return problem(400, f"{action} says all there is to say: send it without a body")
        dispatcher = self._server.pools[pool]
        if action == "wake":
            dispatcher.wake(node)
        else:
            dispatcher.set_admin(node, action)
        return reply(200, self._found_node(pool, node))

    # -- inside ------------------------------------------------------------------------------------------------------

    def _found(self, pool: str) -> dict[str, Any]:
        if pool not in self._server.pools:
            raise _NoSuch(f"There is no pool {pool}; there {_some(self._server.pools, pool)}")
        found: dict[str, Any] = self._server.status()["pools"][pool]
        return found

    def _found_node(self, pool: str, node: str) -> dict[str, Any]:
        nodes = self._found(pool)["nodes"]
        if node not in nodes:
            there = _some([f"{pool}/{name}" for name in nodes], f"{pool}/{node}")
            raise _NoSuch(f"There is no node {pool}/{node}; there {there}")
        found: dict[str, Any] = nodes[node]
        return found

    def _commanded(self, pool: str, node: str) -> dict[str, Any]:
        """A node that takes orders: one that is being removed can only be looked at."""
        found = self._found_node(pool, node)
        if node not in self._server.pools[pool].pool.nodes:
            raise _NoSuch(f"Node {pool}/{node} was removed; it only ends its running work")
        return found


def _some(names: Iterable[str], wanted: str) -> str:
    """What there is; of many the likeliest."""
    names = list(names)
    if len(names) <= _NAMED:
        return f"are {', '.join(names)}"
    near = difflib.get_close_matches(wanted, names, n=_NAMED, cutoff=0.0)
    return f"are {', '.join(near)} and {len(names) - len(near)} more"


class _NoSuch(Exception):
    """A pool or node that is not there."""


def _object(body: bytes) -> dict[str, Any] | Reply:
    try:
        data = json.loads(body)
    except ValueError as error:
        return problem(400, f"The body is not JSON: {error}")
    except RecursionError:
        return problem(400, "The body is nested too deeply")
    return data if isinstance(data, dict) else problem(400, "The body is not a JSON object")
