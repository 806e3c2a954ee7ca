"""A simulated engine as a server: the OpenAI API, streaming, in time that runs FACTOR times as fast.

The message's text is the number of prompt tokens. The first token is one event, then every sixteenth, then the last: who
waits for the first does not see the difference, and two cores carry the fleet.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
from typing import Any, cast

from bench.replay.engine import Engine, Job, Profile

EVERY = 16
MODEL = "simulated"
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


class Worker:
    """The engine and its clock."""

    def __init__(self, engine: Engine, factor: float) -> None:
        self.engine, self._factor = engine, factor
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._links: dict[Job, Link] = {}
        self._timer: asyncio.TimerHandle | None = None

    def now(self) -> float:
        return (self._loop.time() - self._began) * self._factor

    def arrive(self, link: Link, job: Job) -> None:
        self._links[job] = link
        self.engine.arrive(job, self.now())
        self._plan()

    def leave(self, job: Job) -> None:
        self._links.pop(job, None)
        self.engine.leave(job)

    def _plan(self) -> None:
        if self._timer is None and self.engine.due is not None:
            self._timer = self._loop.call_at(self._began + self.engine.due / self._factor, self._step)

    def _step(self) -> None:
        """Every step whose end has come: a late timer makes no engine slower."""
        self._timer = None
        now = self.now()
        while self.engine.due is not None and self.engine.due <= now:
            for job in self.engine.step():
                last = job.made >= job.answered
                if job in self._links and (job.made == 1 or last or job.made % EVERY == 0):
                    self._links[job].token(last)
                if last:
                    self._links.pop(job, None)
        self._plan()


class Link(asyncio.Protocol):
    """A connection of the balancer."""

    def __init__(self, worker: Worker) -> None:
        self._worker, self._data = worker, b""
        self._job: Job | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, found, rest = self._data.partition(b"\r\n\r\n")
        if not found:
            return
        lines = head.lower().split(b"\r\n")
        size = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
        if len(rest) < size:
            return
        self._data = rest[size:]
        method, path = head.decode("latin-1").split(" ", 2)[:2]
        self._answer(method, path, rest[:size])

    def _answer(self, method: str, path: str, body: bytes) -> None:
        if method == "POST" and path == "/v1/chat/completions":
            asked = json.loads(body)
            self._job = Job(int(asked["messages"][-1]["content"]), int(asked["max_tokens"]))
            self._transport.write(_HEAD)
            self._worker.arrive(self, self._job)
            return
        data = json.dumps(_about(path)).encode()
        kind = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
        self._transport.write(kind % (len(data), b"" if method == "HEAD" else data))

    def token(self, last: bool) -> None:
        delta = {"index": 0, "delta": {"content": "x"}, "finish_reason": "stop" if last else None}
        event = json.dumps(
            {"id": "0", "object": "chat.completion.chunk", "created": 0, "model": MODEL, "choices": [delta]}
        )
        data = f"data: {event}\n\n".encode()
        if last:
            self._job = None
            data += b"data: [DONE]\n\n"
        self._transport.write(b"%x\r\n%b\r\n%b" % (len(data), data, b"0\r\n\r\n" if last else b""))

    def connection_lost(self, error: Exception | None) -> None:
        if self._job is not None:
            self._worker.leave(self._job)


def _about(path: str) -> dict[str, Any]:
    """What routers ask an engine about."""
    if path.startswith("/v1/models"):
        return {
            "object": "list",
            "data": [{"id": MODEL, "object": "model", "owned_by": "bench", "max_model_len": 16_384}],
        }
    if path.startswith(("/get_model_info", "/model_info")):
        return {"model_path": MODEL, "is_generation": True, "served_model_name": MODEL}
    return {"status": "ok", "version": "0", "model_path": MODEL, "served_model_name": MODEL, "model_id": MODEL}


async def run(given: argparse.Namespace) -> None:
    loop = asyncio.get_running_loop()
    worker = Worker(Engine(Profile(*given.profile), given.seats), given.factor)
    await loop.create_server(lambda: Link(worker), "127.0.0.1", given.port, backlog=1024)
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A simulated engine.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--factor", type=float, required=True)
    parser.add_argument("--seats", type=int, required=True)
    parser.add_argument("--profile", type=float, nargs=3, required=True, help="base, slope, prefill")
    asyncio.run(run(parser.parse_args()))
