"""The forms of the control API's answers, as JSON Schema. Nothing optional: every field is always there."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]
STRING: Schema = {"type": "string"}
INTEGER: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
BOOLEAN: Schema = {"type": "boolean"}


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def words(*allowed: str) -> Schema:
    return {"type": "string", "enum": list(allowed)}


def maybe(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def many(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


def keyed(schema: Schema) -> Schema:
    """By the user's names."""
    return {"type": "object", "additionalProperties": schema}


def fields(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


_ADMIN = words("ready", "drain", "maintenance")
_REST = words("awake", "asleep", "waking", "resting")
_QUANTILES = fields(p50=maybe(NUMBER), p99=maybe(NUMBER))

SCHEMAS: dict[str, Schema] = {
    "Problem": {
        "type": "object",
        "properties": {
            "type": STRING, "title": STRING, "status": INTEGER, "paths": many(STRING),
            "problems": many(fields(path=STRING, value=STRING, reason=STRING, remedy=STRING)),
        },
        "required": ["type", "title", "status"],
        "additionalProperties": False,
    },
    "Live": fields(live=BOOLEAN, pid=INTEGER),
    "Ready": fields(ready=BOOLEAN, reasons=many(STRING)),
    "Revision": fields(revision=INTEGER),
    "Status": fields(
        name=STRING, version=STRING, pid=INTEGER, uptime=NUMBER, revision=INTEGER, stopping=BOOLEAN, unready=many(STRING),
        loop_lag=NUMBER, loop_lags=many(NUMBER), access_log_dropped=INTEGER, listeners=keyed(ref("ListenerStatus")),
        pools=keyed(ref("PoolStatus")),
    ),
    "ListenerStatus": fields(
        address=maybe(STRING), port=INTEGER, protocol=STRING, connections=INTEGER, most_connections=INTEGER,
        accepted=INTEGER, denied=INTEGER, bad_requests=INTEGER,
    ),
    "PoolStatus": fields(
        algorithm=STRING, soft=maybe(INTEGER), hard=maybe(INTEGER), in_flight=INTEGER, queued=INTEGER, queue_size=INTEGER,
        oldest_wait=NUMBER, requests=INTEGER, answers=keyed(INTEGER), refused=keyed(INTEGER), retries=INTEGER,
        cancelled=INTEGER, wait=_QUANTILES, first_byte=_QUANTILES, history=ref("History"),
        nodes=keyed(ref("NodeStatus")),
    ),
    "History": fields(
        every=NUMBER, requests=many(INTEGER), errors=many(INTEGER), in_flight=many(INTEGER), queued=many(INTEGER),
        first_byte_p50=many(maybe(NUMBER)), first_byte_p99=many(maybe(NUMBER)), wait_p99=many(maybe(NUMBER)),
    ),
    "NodeStatus": fields(
        address=STRING, port=INTEGER, state=STRING, health=words("checking", "up", "down"), admin_state=_ADMIN,
        standby=maybe(_REST), backup=BOOLEAN, ejected=BOOLEAN, leaving=BOOLEAN, weight=INTEGER, in_flight=INTEGER,
        soft=maybe(INTEGER), hard=maybe(INTEGER), requests=INTEGER, failures=INTEGER, last_error=STRING,
    ),
    "NodeStatuses": keyed(ref("NodeStatus")),
}  # fmt: skip
