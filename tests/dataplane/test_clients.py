"""Real clients through a running process: curl, wrk, aiohttp, the OpenAI client, websockets (CR-19, SA-10)."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest
import websockets.asyncio.client as websocket
import websockets.asyncio.server as websocket_server
from websockets.exceptions import InvalidStatus

from lbkit.dataplane.config import BootConfig
from lbkit.dataplane.control_client import call
from tests.dataplane.shell.house import balancer, free_port, run
from tests.dataplane.shell.house import until as house_until
from tests.dataplane.specs import spec
from tests.dataplane.test_sources import serving
from tests.e2e.fleet import until

ENGINE = Path(__file__).parents[2] / "bench" / "demo_engine.py"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A balancer in front of two engines that stream; its port."""
    place, port, engines = tmp_path_factory.mktemp("fleet"), free_port(), [free_port(), free_port()]
    processes = [
        subprocess.Popen([sys.executable, ENGINE, "--name", f"e{n}", "--port", str(at), "--tokens-per-second", "200"])
        for n, at in enumerate(engines)
    ]
    check = {"path": "/health", "interval": 0.1, "timeout": 0.1, "rise": 1, "fall": 1}
    settings: Any = {"health_check": check, "algorithm": "least_connections", "limits": {"hard": 4, "queue": {}}}
    found = spec(port, {f"e{n}": at for n, at in enumerate(engines)}, **settings)
    (place / "boot.json").write_text(BootConfig(name="fleet", spec=found).model_dump_json())
    try:
        with serving(place / "state", str(place / "boot.json")):
            until(lambda: healthy(place / "state") == 2, "both engines are up")
            yield port
    finally:
        for process in processes:
            process.kill()
            process.wait()


def healthy(state: Path) -> int:
    pool = call(state / "control.sock", "GET", "/v1/status")[1]["pools"]["p"]
    return sum(node["health"] == "up" for node in pool["nodes"].values())


CHAT = {"model": "demo", "stream": True, "max_tokens": 20, "messages": [{"role": "user", "content": "hello"}]}


def test_curl_streams_tokens(fleet: int):
    url = f"http://127.0.0.1:{fleet}/v1/chat/completions"
    argv = [
        "curl",
        "-sSN",
        "-i",
        "--max-time",
        "20",
        url,
        "-H",
        "content-type: application/json",
        "-d",
        json.dumps(CHAT),
    ]
    said = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=30).stdout
    assert said.startswith("HTTP/1.1 200 OK")
    assert said.count("data: {") == 20
    assert said.endswith("data: [DONE]\n\n")


def test_the_openai_client_streams_and_lists(fleet: int):
    client = openai.OpenAI(base_url=f"http://127.0.0.1:{fleet}/v1", api_key="none", max_retries=0)
    stream = client.chat.completions.create(**CHAT)  # type: ignore[call-overload]
    assert len([chunk.choices[0].delta.content for chunk in stream]) == 20
    whole = client.chat.completions.create(**{**CHAT, "stream": False})  # type: ignore[call-overload]
    assert whole.choices[0].message.content.startswith("the quick brown")
    assert [model.id for model in client.models.list()] == ["demo"]
    client.close()


def test_aiohttp_uploads_in_chunks_and_keeps_its_connection(fleet: int):
    async def body() -> AsyncIterator[bytes]:
        text = json.dumps({**CHAT, "stream": False, "max_tokens": 2}).encode()
        for part in (text[:7], text[7:9], text[9:]):
            yield part

    async def scenario() -> None:
        one = aiohttp.TCPConnector(limit=1)
        async with aiohttp.ClientSession(f"http://127.0.0.1:{fleet}", connector=one) as client:
            for _ in range(3):
                async with client.post("/v1/chat/completions", data=body()) as answer:
                    assert (await answer.json())["choices"][0]["message"]["content"] == "the quick"

    asyncio.run(asyncio.wait_for(scenario(), 30))


def test_aiohttp_asks_in_parallel_beyond_the_limits(fleet: int):
    async def scenario() -> None:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{fleet}") as client:

            async def one() -> tuple[int, int]:
                async with client.post("/v1/chat/completions", json={**CHAT, "max_tokens": 3}) as answer:
                    return answer.status, (await answer.text()).count("data: {")

            assert set(await asyncio.gather(*(one() for _ in range(30)))) == {(200, 3)}

    asyncio.run(asyncio.wait_for(scenario(), 30))


def test_wrk_counts_no_error(fleet: int):
    if shutil.which("wrk") is None:
        pytest.skip("wrk is not installed (Debian package wrk)")
    argv = ["wrk", "-t1", "-c16", "-d1s", f"http://127.0.0.1:{fleet}/health"]
    said = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=30).stdout
    assert "requests in" in said
    assert "Non-2xx" not in said
    assert "Socket errors" not in said


@run
async def test_a_websocket_is_one_request_for_its_whole_life():  # SA-10, UK-6, CR-19
    async def echo(connection: websocket_server.ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async with websocket_server.serve(echo, "127.0.0.1", 0) as nodes:
        port, node = free_port(), next(iter(nodes.sockets)).getsockname()[1]
        async with balancer(spec(port, {"a": node}, health_check=None, limits={"hard": 1})) as server:
            slots = server.pools["p"].pool.nodes["a"].tickets
            async with websocket.connect(f"ws://127.0.0.1:{port}/live", compression=None) as connection:
                for message in ("hello", "x" * 200_000, b"\x00" * 70_000):
                    await connection.send(message)
                    assert await connection.recv() == message
                    assert len(slots) == 1
                await asyncio.wait_for(await connection.ping(), 5)
                with pytest.raises(InvalidStatus) as caught:
                    await websocket.connect(f"ws://127.0.0.1:{port}/second")
                assert caught.value.response.status_code == 503
            await house_until(lambda: not slots)
            async with websocket.connect(f"ws://127.0.0.1:{port}/third"):
                assert len(slots) == 1
