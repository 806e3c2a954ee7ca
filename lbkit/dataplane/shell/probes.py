"""Health probes: one task a node, on connections of their own, so that a hung node delays nobody."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import ssl
from pathlib import Path

from lbkit.dataplane.core.node import NodeState
from lbkit.dataplane.shell.dispatch import Dispatcher
from lbkit.dataplane.shell.tls import NodeSecurity, handshake_error
from lbkit.dataplane.wire import answer as answers
from lbkit.dataplane.wire import proxy
from lbkit.dataplane.wire.codes import among
from lbkit.dataplane.wire.errors import BadMessage
from lbkit.spec import HealthCheck, NodeTls
from lbkit.spec.health import speaks

_BODY_LIMIT = 65_536
_JITTER = 0.05
_START_SPREAD = 0.005
_GOODBYE = 0.5


class Probes:
    """The probes of one pool's nodes."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._check: HealthCheck | None = None
        self._tasks: dict[NodeState, asyncio.Task[None]] = {}

    def configure(self) -> None:
        """Follow the pool's present nodes and check; a probe goes on undisturbed where neither changed."""
        check = self._dispatcher.spec.health_check
        wanted = set(self._dispatcher.pool.nodes.values()) if check else set()
        for node in list(self._tasks):
            if node not in wanted or check != self._check:
                self._tasks.pop(node).cancel()
        self._check = check
        if check:
            for node in sorted(wanted - set(self._tasks), key=lambda node: node.order):
                delay = len(self._tasks) * _START_SPREAD
                self._tasks[node] = self._dispatcher.loop.create_task(self._watch(node, check, delay))

    def close(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()

    async def _watch(self, node: NodeState, check: HealthCheck, delay: float) -> None:
        await asyncio.sleep(delay)
        while True:
            if node.probed:
                dispatcher = self._dispatcher
                error = await probe(node, check, dispatcher.connections.security, dispatcher.spec.proxy_protocol)
                self._dispatcher.probed(node, not error, error)
            await asyncio.sleep(check.interval * random.uniform(1 - _JITTER, 1 + _JITTER))


async def probe(
    node: NodeState, check: HealthCheck, security: NodeSecurity | None = None, header: str | None = None
) -> str:
    """One probe: what is wrong, or an empty text. `header`: version of the PROXY header that the node's port wants."""
    try:
        async with asyncio.timeout(check.timeout):
            return await _probe(node, check, security, header)
    except TimeoutError:
        return f"no answer within {check.timeout:g} s"
    except BadMessage as error:
        return error.reason
    except asyncio.IncompleteReadError:
        return "the connection closed before the answer was whole"
    except ssl.SSLError as error:
        return handshake_error(error)
    except OSError as error:
        return os.strerror(error.errno) if error.errno else str(error)
    except ValueError as error:  # a header's file that is no text
        return f"{error}"


async def _probe(node: NodeState, check: HealthCheck, security: NodeSecurity | None, header: str | None) -> str:
    kind = speaks(check, "http" if security is None else "https")
    tls = security if kind == "https" else None
    if kind == "https" and tls is None:
        tls = NodeSecurity(NodeTls(verify=False), "")  # the pool itself speaks in the clear and says nothing of trust
    port = check.port or node.port
    reader, writer = await asyncio.open_connection(node.address, port, limit=answers.HEAD_LIMIT)
    try:
        if header is not None and port == node.port:
            writer.write(proxy.own(header))
        if tls is not None:
            await writer.start_tls(tls.context, server_hostname=tls.name_for(node.address))
        if kind == "tcp":
            return ""
        writer.write(await _request(node, check))
        answer = await _answer(reader, check)
        if not among(answer.status, check.codes):
            return f"status {answer.status}, {check.codes} is wanted"
        if check.body is not None and check.body.encode() not in await _body(reader, answer):
            return f"the body does not hold {check.body!r}"
        return ""
    finally:
        writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(_GOODBYE):  # one that hangs in TLS would hold its probe for half a minute
                await writer.wait_closed()
        writer.transport.abort()


async def _request(node: NodeState, check: HealthCheck) -> bytes:
    host = check.host or (f"[{node.address}]" if ":" in node.address else node.address) + f":{check.port or node.port}"
    lines = [f"{check.method} {check.path} HTTP/1.1", f"Host: {host}", "User-Agent: lbkit-health", "Connection: close"]
    for name, value in check.headers.items():
        if value.startswith("file:/"):
            value = (await asyncio.to_thread(Path(value.removeprefix("file:")).read_text)).strip()
        lines.append(f"{name}: {value}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


async def _answer(reader: asyncio.StreamReader, check: HealthCheck) -> answers.Answer:
    while True:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            raise BadMessage(502, "The answer has too long a head.") from None
        answer = answers.parse(head, check.method.encode())
        if not answer.interim:
            return answer


async def _body(reader: asyncio.StreamReader, answer: answers.Answer) -> bytes:
    body = b""
    while len(body) < _BODY_LIMIT and not answer.body.done:
        data = await reader.read(_BODY_LIMIT)
        if not data:
            break
        body += answer.body.feed(data)
    return body
