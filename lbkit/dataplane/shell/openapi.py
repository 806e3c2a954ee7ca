"""The control API's own description (OpenAPI 3.1), served at /v1/openapi.json."""

from __future__ import annotations

from typing import Any

from lbkit.dataplane.config import BootConfig
from lbkit.release import VERSION
from lbkit.spec import Node

_JSON = "application/json"


def _answer(text: str, kind: str = _JSON) -> dict[str, Any]:
    return {"description": text, "content": {kind: {}}}


def _body(reference: str) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{reference}"}
    return {"required": True, "content": {_JSON: {"schema": schema}}}


def _call(name: str, text: str, body: str | None = None, kind: str = _JSON, **errors: str) -> dict[str, Any]:
    answers = {"200": _answer(text, kind)} | {
        code.lstrip("_"): {"$ref": "#/components/responses/Problem"} for code in errors
    }
    call = {"operationId": name, "summary": text, "responses": answers}
    return {**call, "requestBody": _body(body)} if body else call


def _parameters(*names: str) -> list[dict[str, Any]]:
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


_POOL, _NODE = _parameters("pool"), _parameters("pool", "node")
_WRONG = {"_400": "", "_422": ""}

DESCRIPTION: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "lbkit control API", "version": VERSION},
    "security": [{}, {"bearer": []}],
    "paths": {
        "/": {"get": _call("page", "The status page", kind="text/html")},
        "/metrics": {"get": _call("metrics", "Metrics in Prometheus' text form", kind="text/plain")},
        "/v1/openapi.json": {"get": _call("describe", "This description")},
        "/v1/live": {"get": _call("live", "The process answers")},
        "/v1/ready": {"get": _call("ready", "Every pool can serve; 503 with the reasons where not", _503="")},
        "/v1/status": {"get": _call("status", "Pools, nodes, listeners, counts and the last minutes")},
        "/v1/config": {
            "get": _call("config", "The running configuration"),
            "put": _call("configure", "Replace the configuration, in place and as a whole", "BootConfig", **_WRONG),
        },
        "/v1/pools/{pool}": {"parameters": _POOL, "get": _call("pool", "One pool", _404="")},
        "/v1/pools/{pool}/nodes": {
            "parameters": _POOL,
            "get": _call("nodes", "A pool's nodes", _404=""),
            "put": _call("putNodes", "Replace a pool's membership", "Nodes", _404="", **_WRONG),
        },
        "/v1/pools/{pool}/nodes/{node}": {
            "parameters": _NODE,
            "get": _call("node", "One node", _404=""),
            "put": _call("putNode", "Add or change a node", "Node", _404="", **_WRONG),
            "delete": _call("deleteNode", "Remove a node: it drains, then is forgotten", _404="", _422=""),
        },
        "/v1/pools/{pool}/nodes/{node}/ready": {
            "parameters": _NODE, "post": _call("readyNode", "Take a node back into service", _404=""),
        },
        "/v1/pools/{pool}/nodes/{node}/drain": {
            "parameters": _NODE, "post": _call("drainNode", "Nothing new for a node; running work ends", _404=""),
        },
        "/v1/pools/{pool}/nodes/{node}/maintenance": {
            "parameters": _NODE, "post": _call("maintainNode", "Nothing new for a node; running work is cut", _404=""),
        },
        "/v1/pools/{pool}/nodes/{node}/wake": {
            "parameters": _NODE, "post": _call("wakeNode", "Wake a standby node", _404=""),
        },
    },
    "components": {
        "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        "responses": {"Problem": _answer("What is wrong (RFC 9457)", "application/problem+json")},
        "schemas": {
            "BootConfig": BootConfig.model_json_schema(),
            "Node": Node.model_json_schema(),
            "Nodes": {"type": "object", "additionalProperties": {"$ref": "#/components/schemas/Node"}},
        },
    },
}  # fmt: skip
