"""The control API's own description (OpenAPI 3.1), served at /v1/openapi.json."""

from __future__ import annotations

from typing import Any

from lbkit.dataplane.config import BootConfig
from lbkit.dataplane.shell.answers import SCHEMAS, keyed, ref
from lbkit.release import VERSION
from lbkit.spec import Node

_JSON, _PROBLEM = "application/json", "application/problem+json"


def _models() -> dict[str, Any]:
    """What may be sent: the spec's own classes, each once."""
    found: dict[str, Any] = {}
    for model in (BootConfig, Node):
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        found |= schema.pop("$defs", {})
        found[model.__name__] = schema
    return {**found, "Nodes": keyed(ref("Node"))}


def _call(name: str, text: str, answer: str | None = None, body: str | None = None, *errors: int) -> dict[str, Any]:
    """`answer` and `body` name schemas; an answer without one is JSON of any form."""
    content = {_JSON: {"schema": ref(answer)} if answer else {}}
    answers: dict[str, Any] = {"200": {"description": text, "content": content}}
    answers |= {str(code): {"$ref": "#/components/responses/Problem"} for code in errors}
    call = {"operationId": name, "summary": text, "responses": {**answers, **_ALWAYS}}
    return {**call, "requestBody": {"required": True, "content": {_JSON: {"schema": ref(body)}}}} if body else call


def _text(name: str, text: str, kind: str) -> dict[str, Any]:
    answer = {"description": text, "content": {kind: {"schema": {"type": "string"}}}}
    return {"operationId": name, "summary": text, "responses": {"200": answer, **_ALWAYS}}


def _parameters(*names: str) -> list[dict[str, Any]]:
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


_ALWAYS = {
    "401": {"description": "On TCP, without the bearer token", "content": {_PROBLEM: {"schema": ref("Problem")}}},
    "403": {"description": "Asked by a page of another origin", "content": {_PROBLEM: {"schema": ref("Problem")}}},
}
_POOL, _NODE = _parameters("pool"), _parameters("pool", "node")
_NODES = "/v1/pools/{pool}/nodes"
_NOT_READY = {"description": "Some pool can't serve", "content": {_JSON: {"schema": ref("Ready")}}}
_READY = _call("ready", "Whether every pool can serve, and the reasons where not", "Ready")


def _act(name: str, text: str) -> dict[str, Any]:
    return {"parameters": _NODE, "post": _call(name, text, "NodeStatus", None, 400, 404)}


DESCRIPTION: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "lbkit control API", "version": VERSION},
    "security": [{}, {"bearer": []}],
    "paths": {
        "/": {"get": {**_text("page", "The status page; it carries no data", "text/html"), "security": [{}]}},
        "/metrics": {"get": _text("metrics", "Metrics in Prometheus' text form", "text/plain")},
        "/v1/openapi.json": {"get": _call("describe", "This description")},
        "/v1/live": {"get": _call("live", "The process answers", "Live")},
        "/v1/ready": {"get": {**_READY, "responses": {**_READY["responses"], "503": _NOT_READY}}},
        "/v1/status": {"get": _call("status", "Pools, nodes, listeners, counts and the last minutes", "Status")},
        "/v1/config": {
            "get": _call("config", "The running configuration", "BootConfig"),
            "put": _call(
                "configure", "Replace the configuration, in place and as a whole", "Revision", "BootConfig", 400, 422
            ),
        },
        "/v1/pools/{pool}": {"parameters": _POOL, "get": _call("pool", "One pool", "PoolStatus", None, 404)},
        _NODES: {
            "parameters": _POOL,
            "get": _call("nodes", "A pool's nodes", "NodeStatuses", None, 404),
            "put": _call("putNodes", "Replace a pool's membership", "Revision", "Nodes", 400, 404, 422),
        },
        _NODES + "/{node}": {
            "parameters": _NODE,
            "get": _call("node", "One node", "NodeStatus", None, 404),
            "put": _call("putNode", "Add or change a node", "Revision", "Node", 400, 404, 422),
            "delete": _call("deleteNode", "Remove a node: it drains, then is forgotten", "Revision", None, 404, 422),
        },
        _NODES + "/{node}/ready": _act("readyNode", "Take a node back into service"),
        _NODES + "/{node}/drain": _act("drainNode", "Nothing new for a node; running work ends"),
        _NODES + "/{node}/maintenance": _act("maintainNode", "Nothing new for a node; running work is cut"),
        _NODES + "/{node}/wake": _act("wakeNode", "Wake a standby node"),
    },
    "components": {
        "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        "responses": {
            "Problem": {"description": "What is wrong (RFC 9457)", "content": {_PROBLEM: {"schema": ref("Problem")}}}
        },
        "schemas": {**_models(), **SCHEMAS},
    },
}
