"""Sends a trace open-loop: every request at its time, whatever became of those before it."""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import dataclass

from bench.replay.traces import Request
from bench.replay.worker import MODEL

USERS = 500
"""Client addresses; each request is one user's, drawn by lot."""


@dataclass(slots=True)
class Seen:
    """Seconds of the trace's time, from when the request was due."""

    first: float
    whole: float


async def replay(
    port: int, requests: list[Request], factor: float, patience: float, seed: int = 1
) -> list[Seen | None]:
    """What each request saw; None for one that failed."""
    loop = asyncio.get_running_loop()
    dice = random.Random(seed)
    users = [f"127.1.{n // 250}.{1 + n % 250}" for n in range(USERS)]
    began = loop.time() + 0.1
    tasks = []
    for request in requests:
        due = began + request.at / factor
        if (wait := due - loop.time()) > 0:
            await asyncio.sleep(wait)
        tasks.append(asyncio.create_task(_one(port, request, due, factor, dice.choice(users))))
    done, late = await asyncio.wait(tasks, timeout=patience)
    for task in late:
        task.cancel()
    return [task.result() if task in done else None for task in tasks]


async def _one(port: int, request: Request, due: float, factor: float, user: str) -> Seen | None:
    loop = asyncio.get_running_loop()
    body = json.dumps(
        {
            "model": MODEL,
            "stream": True,
            "max_tokens": request.answered,
            "messages": [{"role": "user", "content": str(request.asked)}],
        }
    ).encode()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(user, 0))
    except OSError:
        return None
    try:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        await reader.readuntil(b"data: ")
        first = loop.time()
        await reader.readuntil(b"[DONE]")
        return Seen((first - due) * factor, (loop.time() - due) * factor)
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return None
    finally:
        writer.close()
