"""Tells standby nodes to wake and to rest: a command without a shell, or an HTTP POST. Nothing here blocks the loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lbkit.dataplane.core.node import NodeState
from lbkit.dataplane.wire import answer as answers
from lbkit.dataplane.wire.errors import BadMessage
from lbkit.spec import Hook

if TYPE_CHECKING:
    from lbkit.dataplane.shell.dispatch import Dispatcher

_ERROR_LENGTH = 200


class Hooks:
    """The hooks of one pool's nodes; at most one runs for a node."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._tasks: set[asyncio.Task[None]] = set()

    def wake(self, node: NodeState) -> None:
        self._start(node, True, self._dispatcher.spec.standby.wake)

    def rest(self, node: NodeState) -> None:
        self._start(node, False, self._dispatcher.spec.standby.rest)

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()

    def _start(self, node: NodeState, waking: bool, hook: Hook | None) -> None:
        task = self._dispatcher.loop.create_task(self._run(node, waking, hook))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, node: NodeState, waking: bool, hook: Hook | None) -> None:
        queue = self._dispatcher.spec.limits.queue
        error = await run(hook, node, queue.timeout if queue else 60.0) if hook else ""
        self._dispatcher.hook_ended(node, waking, error)


async def run(hook: Hook, node: NodeState, timeout: float) -> str:
    """Run one hook; what went wrong, or an empty text."""
    names = {"{node}": node.name, "{address}": node.address, "{port}": str(node.port)}
    try:
        async with asyncio.timeout(timeout):
            if hook.command is not None:
                return await _command([_filled(str(part), names) for part in hook.command])
            assert hook.post is not None
            host = f"[{node.address}]" if ":" in node.address else node.address
            return await _post(_filled(str(hook.post), {**names, "{address}": host}))
    except TimeoutError:
        return f"the hook did not end within {timeout:g} s"
    except BadMessage as error:
        return error.reason
    except asyncio.LimitOverrunError:
        return "the answer has too long a head"
    except asyncio.IncompleteReadError:
        return "the connection closed before the answer was whole"
    except OSError as error:
        code = error.errno or 0
        return os.strerror(code) if code > 0 else error.strerror or str(error)
    except ValueError as error:  # a URL that is none, a name that can't be one, a NUL in an argument
        return f"{error}"


async def _command(argv: list[str]) -> str:
    theirs, said = _LastWords.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            *argv, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=theirs
        )
    finally:
        os.close(theirs)
    try:
        await process.wait()
    except asyncio.CancelledError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        raise
    if process.returncode == 0:
        return ""
    words = said.text()
    return f"{argv[0]} ended with status {process.returncode}{f': {words}' if words else ''}"


class _LastWords:
    """The end of what a command writes to standard error.

    The command's own end is what counts: a server that it left behind may hold the pipe, and write to it, for ever.
    """

    def __init__(self, fd: int) -> None:
        self._fd, self._loop, self._said = fd, asyncio.get_running_loop(), b""
        self._loop.add_reader(fd, self._read)

    @classmethod
    def pipe(cls) -> tuple[int, _LastWords]:
        """The end to write to, and the reader of the other one."""
        ours, theirs = os.pipe()
        os.set_blocking(ours, False)
        return theirs, cls(ours)

    def text(self) -> str:
        self._read()
        return self._said.decode(errors="replace").strip()[-_ERROR_LENGTH:]

    def _read(self) -> None:
        if self._fd < 0:
            return
        try:
            found = os.read(self._fd, 65_536)
        except BlockingIOError:
            return
        self._said = (self._said + found)[-4 * _ERROR_LENGTH :]
        if not found:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1


async def _post(url: str) -> str:
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    reader, writer = await asyncio.open_connection(
        parts.hostname, parts.port or (443 if secure else 80), ssl=ssl.create_default_context() if secure else None
    )
    try:
        port = f":{parts.port}" if parts.port else ""
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        writer.write(
            f"POST {target} HTTP/1.1\r\nHost: {parts.hostname}{port}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
        )
        answer = answers.parse(await reader.readuntil(b"\r\n\r\n"), b"POST")
    finally:
        writer.close()
    return "" if 200 <= answer.status < 300 else f"the hook was answered with status {answer.status}"


def _filled(text: str, names: dict[str, str]) -> str:
    for name, value in names.items():
        text = text.replace(name, value)
    return text
