"""A small OpenAI-compatible server that streams made-up tokens at a set speed: a stand-in for an inference engine.

GET /health, GET /v1/models, POST /v1/chat/completions (with `"stream": true` as server-sent events).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import time
from typing import Any

WORDS = [
    "the",
    "quick",
    "brown",
    "fox",
    "jumps",
    "over",
    "the",
    "lazy",
    "dog",
    "while",
    "eight",
    "small",
    "engines",
    "hum",
]
MODEL = "demo"


class Engine:
    """One server."""

    def __init__(self, name: str, speed: float) -> None:
        self.name, self.pause = name, 1 / speed

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            while not reader.at_eof():
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                await self._answer(head, await _body(reader, head), writer)
                await writer.drain()
        writer.close()

    async def _answer(self, head: str, body: bytes, writer: asyncio.StreamWriter) -> None:
        method, path = head.split(" ", 2)[:2]
        if (method, path) == ("POST", "/v1/chat/completions"):
            await self._chat(json.loads(body or b"{}"), writer)
        elif path == "/v1/models":
            _send(writer, self.name, 200, {"object": "list", "data": [{"id": MODEL, "object": "model"}]})
        elif path == "/health":
            _send(writer, self.name, 200, {"status": "ok", "node": self.name})
        else:
            _send(writer, self.name, 404, {"error": {"message": f"There is no {path}"}})

    async def _chat(self, asked: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        count = max(1, min(int(asked.get("max_tokens", 16)), 1000))
        words = [WORDS[i % len(WORDS)] for i in range(count)]
        if not asked.get("stream"):
            await asyncio.sleep(self.pause * count)
            message = {"role": "assistant", "content": " ".join(words)}
            _send(
                writer,
                self.name,
                200,
                {**_about(self.name, "chat.completion"), "choices": [{"index": 0, "message": message}]},
            )
            return
        writer.write(_head(self.name, 200, "text/event-stream", b"Transfer-Encoding: chunked"))
        for number, word in enumerate(words):
            await asyncio.sleep(self.pause)
            last = number == count - 1
            choice = {"index": 0, "delta": {"content": f"{word} "}, "finish_reason": "stop" if last else None}
            _event(writer, json.dumps({**_about(self.name, "chat.completion.chunk"), "choices": [choice]}))
            await writer.drain()
        _event(writer, "[DONE]")
        writer.write(b"0\r\n\r\n")


def _about(name: str, kind: str) -> dict[str, Any]:
    return {"id": "demo", "object": kind, "created": int(time.time()), "model": MODEL, "node": name}


def _event(writer: asyncio.StreamWriter, text: str) -> None:
    data = f"data: {text}\n\n".encode()
    writer.write(b"%x\r\n%b\r\n" % (len(data), data))


def _head(name: str, status: int, kind: str, framing: bytes) -> bytes:
    return (
        f"HTTP/1.1 {status} {'OK' if status < 400 else 'Error'}\r\nContent-Type: {kind}\r\nX-Node: {name}\r\n".encode()
        + framing
        + b"\r\n\r\n"
    )


def _send(writer: asyncio.StreamWriter, name: str, status: int, value: Any) -> None:
    body = json.dumps(value).encode() + b"\n"
    writer.write(_head(name, status, "application/json", b"Content-Length: %d" % len(body)) + body)


async def _body(reader: asyncio.StreamReader, head: str) -> bytes:
    fields = dict(line.split(":", 1) for line in head.lower().split("\r\n")[1:] if ":" in line)
    if "chunked" in fields.get("transfer-encoding", ""):
        parts = []
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            parts.append((await reader.readexactly(size + 2))[:-2])
        await reader.readuntil(b"\r\n")
        return b"".join(parts)
    return await reader.readexactly(int(fields.get("content-length", 0)))


async def run(name: str, address: str, port: int, speed: float) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = await asyncio.start_server(Engine(name, speed).serve, address, port)
    await stop.wait()
    server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A demo inference engine.")
    parser.add_argument("--name", default="engine")
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--tokens-per-second", type=float, default=40)
    parser.add_argument("--state", help="folder of who started it; only a mark in the process list")
    given = parser.parse_args()
    asyncio.run(run(given.name, given.address, given.port, given.tokens_per_second))
