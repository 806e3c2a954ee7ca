"""The control API is what its description says, and its errors are readable and change nothing."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lbkit.dataplane.shell import openapi
from lbkit.dataplane.shell.api import Api
from lbkit.dataplane.shell.control import Control
from lbkit.dataplane.shell.server import Server
from lbkit.errors import OperationError
from tests.dataplane.shell.house import ask, balancer, free_port, nodes, run
from tests.dataplane.shell.test_page import fake_node, fake_status
from tests.dataplane.specs import spec

NODE = '{"address": "127.0.0.1", "port": 9}'
DESCRIBED = openapi.DESCRIPTION["paths"]
OPERATIONS = [
    (method.upper(), path) for path, item in DESCRIBED.items() for method in item if method in ("get", "put", "post", "delete")
]  # fmt: skip
BODIES = {"/v1/pools/{pool}/nodes": f'{{"b": {NODE}}}', "/v1/pools/{pool}/nodes/{node}": NODE}


def schema_of(response: dict[str, Any], kind: str) -> dict[str, Any]:
    if "$ref" in response:
        response = openapi.DESCRIPTION["components"]["responses"][response["$ref"].rpartition("/")[2]]
    found: dict[str, Any] = response["content"][kind].get("schema", {})
    return found


def fits(value: Any, schema: dict[str, Any], at: str = "") -> list[str]:
    """Where a value is not as the schema says: the part of JSON Schema that the answers use."""
    if "$ref" in schema:
        schema = openapi.DESCRIPTION["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        return min((fits(value, one, at) for one in schema["anyOf"]), key=len)
    kinds: dict[str, type | tuple[type, ...]] = {
        "object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool,
        "null": type(None),
    }  # fmt: skip
    kind = schema.get("type")
    if kind and (not isinstance(value, kinds[kind]) or (isinstance(value, bool) and kind != "boolean")):
        return [f"{at}: {value!r} is no {kind}"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{at}: {value!r}"]
    if isinstance(value, list):
        return [wrong for item in value for wrong in fits(item, schema.get("items", {}), f"{at}[]")]
    if not isinstance(value, dict):
        return []
    known, others = schema.get("properties", {}), schema.get("additionalProperties", {})
    wrong = [f"{at}.{name} is missing" for name in schema.get("required", []) if name not in value]
    for name, item in value.items():
        if name not in known and others is False:
            wrong.append(f"{at}.{name} is not described")
        else:
            wrong += fits(item, known.get(name, others), f"{at}.{name}")
    return wrong


@asynccontextmanager
async def served() -> AsyncIterator[Server]:
    async with nodes("a") as (a,):
        port = free_port()
        limits = {"soft": 1, "hard": 2, "queue": {}}
        async with balancer(spec(port, {"a": a.port}, limits=limits, health_check=None)) as server:
            assert (await ask(port)).status == 200
            server.history.sample()
            yield server


def checked(api: Api, method: str, path: str, body: bytes, template: str) -> int:
    """The status of a call whose answer is as described."""
    reply = api.answer(method, path, body)
    response = DESCRIBED[template][method.lower()]["responses"][str(reply.status)]
    kind = reply.content_type.partition(";")[0]
    schema = schema_of(response, kind)
    if kind.endswith("json"):
        assert fits(json.loads(reply.body), schema) == []
    if reply.status >= 400 and kind == "application/problem+json":
        assert len(json.loads(reply.body)["title"]) > 10
    return reply.status


def test_every_call_of_the_api_is_described_and_the_other_way_round():
    api = Api.__new__(Api)
    Api.__init__(api, None)  # type: ignore[arg-type]  # the table of calls needs no server
    there = {(method, pattern.pattern) for pattern, methods in api._calls for method in methods}
    for method, path in OPERATIONS:
        concrete = path.replace("{pool}", "p").replace("{node}", "n")
        assert any(method == m and re.fullmatch(p, concrete) for m, p in there), (
            f"{method} {path} is described and not there"
        )
    for method, pattern in there:
        fitting = [
            path for _, path in OPERATIONS if re.fullmatch(pattern, path.replace("{pool}", "p").replace("{node}", "n"))
        ]
        assert any((method, path) in OPERATIONS for path in fitting), f"{method} {pattern} is not described"
    ids = [item[m.lower()]["operationId"] for m, p in OPERATIONS if (item := DESCRIBED[p])]
    assert len(set(ids)) == len(ids)


def test_references_and_parameters_of_the_description_hold():
    text = json.dumps(openapi.DESCRIPTION)
    for reference in re.findall(r'"\$ref": "#/([^"]+)"', text):
        place = openapi.DESCRIPTION
        for part in reference.split("/"):
            place = place[part]
    for path, item in DESCRIBED.items():
        assert re.findall(r"{(\w+)}", path) == [parameter["name"] for parameter in item.get("parameters", [])]


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
@run
async def test_every_described_call_answers_as_described(method: str, path: str):
    async with served() as server:
        api = Api(server)
        body = (
            BODIES.get(path, server.config.model_dump_json() if server.config else "").encode()
            if method == "PUT"
            else b""
        )
        if method == "DELETE":
            api.answer("PUT", "/v1/pools/p/nodes/b", NODE.encode())
        name = "b" if method == "DELETE" else "a"
        called = path.replace("{pool}", "p").replace("{node}", name)
        assert checked(api, method, called, body, path) == 200


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
@run
async def test_every_described_error_happens_and_changes_nothing(method: str, path: str):
    async with served() as server:
        api = Api(server)
        operation = DESCRIBED[path][method.lower()]
        wanted = {int(code) for code in operation["responses"]} - {200, 401, 403}
        filled = path.replace("{pool}", "p").replace("{node}", "a")
        tries = [
            (filled, b"{"), (filled, b"[]"), (filled, b'{"a": 1}'), (filled, b""),
            (path.replace("{pool}", "zz").replace("{node}", "a"), b"{}"), (path.replace("{pool}", "p").replace("{node}", "zz"), b"{}"),
        ]  # fmt: skip
        if 503 in wanted:
            server.pools["p"].set_admin("a", "maintenance")
        before = steady(server)
        seen = set()
        for called, body in tries:
            if called == filled and method == "GET" and 503 not in wanted:
                continue
            if called == filled and method == "POST" and not body:
                continue  # which is right
            seen.add(checked(api, method, called, body, path))
            if max(seen) >= 400:
                assert steady(server) == before
        assert seen - {200} == wanted


def steady(server: Server) -> dict[str, Any]:
    """The parts of the status that a refused call could have changed."""
    found = server.status()
    return {
        "revision": found["revision"],
        "nodes": {k: v["admin_state"] for k, v in found["pools"]["p"]["nodes"].items()},
    }


@run
async def test_a_wrong_method_says_which_is_right():
    async with served() as server:
        reply = Api(server).answer("POST", "/v1/config", b"")
        assert (reply.status, reply.headers) == (405, ("Allow: GET, PUT",))


@run
async def test_a_thousand_names_are_not_listed_only_the_likeliest():
    members = {f"gpu-{i}": 9000 + i for i in range(1000)}
    async with balancer(spec(free_port(), members, health_check=None)) as server:
        title = json.loads(Api(server).answer("GET", "/v1/pools/p/nodes/gpu-7777", b"").body)["title"]
        assert "p/gpu-777," in title
        assert title.endswith("and 990 more")
        assert len(title) < 300


def test_what_the_pages_tests_show_is_what_the_api_answers():
    wrong = fits(fake_status({"a": fake_node()}), {"$ref": "#/components/schemas/Status"})
    assert [text for text in wrong if not re.match(r"\.pools\.p\.(wait|first_byte)\.", text)] == []


# -- the sockets -------------------------------------------------------------------------------------------------------


@dataclass
class Settings:
    state: Path
    control: str | None = None
    token_file: Path | None = None


TOKEN = "0123456789abcdef"


@asynccontextmanager
async def controlled(tmp_path: Path) -> AsyncIterator[tuple[Path, int, Server]]:
    """(unix socket, TCP port, server)."""
    port = free_port()
    (tmp_path / "token").write_text(TOKEN + "\n")
    async with served() as server:
        control = Control(server, Settings(tmp_path, f"127.0.0.1:{port}", tmp_path / "token"))
        await control.start()
        try:
            yield tmp_path / "control.sock", port, server
        finally:
            control.close()


async def said(where: Path | int, request: str) -> tuple[int, str, bytes]:
    """Status, head and body of the answer to a request as it stands."""
    opening = (
        asyncio.open_unix_connection(where) if isinstance(where, Path) else asyncio.open_connection("127.0.0.1", where)
    )
    reader, writer = await opening
    writer.write(request.encode())
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return int(head.split()[1]), head.decode(), body


def request(line: str, **more: str) -> str:
    fields = {"Host": "localhost", **{name.replace("_", "-"): value for name, value in more.items()}}
    return f"{line} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items()) + "\r\n"


@run
async def test_tcp_answers_who_knows_the_token_and_shows_others_only_the_empty_page(tmp_path: Path):
    async with controlled(tmp_path) as (socket, port, server):
        for wrong in (
            {},
            {"Authorization": "Bearer no"},
            {"Authorization": f"Basic {TOKEN}"},
            {"Authorization": "Bearer "},
        ):
            for line in ("GET /v1/status", "GET /metrics", "POST /v1/pools/p/nodes/a/drain", "GET /v1/nothing"):
                status, head, body = await said(port, request(line, **wrong))
                assert status == 401
                assert head.startswith("HTTP/1.1 401 Unauthorized\r\n")
                assert "WWW-Authenticate: Bearer" in head
                assert b"asks for the bearer token" in body
        assert server.status()["pools"]["p"]["nodes"]["a"]["admin_state"] == "ready"
        assert (await said(port, request("GET /v1/status", Authorization=f"bearer {TOKEN}")))[0] == 200
        status, head, body = await said(port, request("GET /"))
        assert status == 200
        assert "script-src 'sha256-" in head
        assert "unsafe" not in head
        assert b"127.0.0.1" not in body
        assert (await said(socket, request("GET /v1/status")))[0] == 200, "the unix socket needs no token"


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"Origin": "http://localhost:8080", "Host": "localhost:8080"}, 200),
        ({"Host": "127.0.0.1:8080"}, 200),
        ({"Host": "[::1]:8080"}, 200),
        ({"Host": "lbkit"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "evil.example:8080", "Origin": "http://evil.example:8080"}, 403),
        ({"Host": "evil.example"}, 403),
    ],
)
@run
async def test_a_page_of_another_origin_cannot_drain_a_node_through_a_forwarded_port(
    tmp_path: Path, more: dict[str, str], status: int
):
    async with controlled(tmp_path) as (socket, _, server):
        assert (await said(socket, request("POST /v1/pools/p/nodes/a/drain", **more)))[0] == status
        assert (server.status()["pools"]["p"]["nodes"]["a"]["admin_state"] == "drain") == (status == 200)


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("GET\r\n\r\n", 400),
        (request("PUT /v1/config", Transfer_Encoding="chunked"), 411),
        (request("PUT /v1/config", Content_Length="x"), 400),
        (request("GET /v1/status?a=b"), 200),
        (request("HEAD /v1/status"), 405),
        (request("GET //v1/status"), 404),
    ],
)
@run
async def test_what_is_no_proper_request_is_answered_in_words(tmp_path: Path, text: str, status: int):
    async with controlled(tmp_path) as (socket, _, _):
        code, _, body = await said(socket, text)
        assert code == status
        assert status == 200 or json.loads(body)["title"]


@pytest.mark.parametrize(("text", "said_"), [("short", "can be guessed"), (None, "No such file")])
@run
async def test_a_token_that_is_none_is_refused(tmp_path: Path, text: str | None, said_: str):
    if text:
        (tmp_path / "token").write_text(text)
    async with served() as server:
        control = Control(server, Settings(tmp_path, f"127.0.0.1:{free_port()}", tmp_path / "token"))
        with pytest.raises(OperationError, match=said_):
            await control.start()
        control.close()
