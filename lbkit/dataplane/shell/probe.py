"""One look at a node, on a connection of its own. It ends once, and says what is wrong; an empty text is nothing."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from lbkit.dataplane.core.node import NodeState
from lbkit.dataplane.shell.alarm import Alarm
from lbkit.dataplane.shell.loop import Loop
from lbkit.dataplane.shell.tls import NodeSecurity
from lbkit.dataplane.shell.upstream import NodeConnection
from lbkit.dataplane.wire import answer as answers
from lbkit.dataplane.wire import proxy
from lbkit.dataplane.wire.answer import Answer
from lbkit.dataplane.wire.body import UntilCloseBody
from lbkit.dataplane.wire.codes import among
from lbkit.dataplane.wire.errors import BadMessage
from lbkit.spec import HealthCheck, NodeTls
from lbkit.spec.health import speaks

_BODY_LIMIT = 65_536
_CUT = "the connection closed before the answer was whole"


@cache
def _unverified() -> NodeSecurity:
    """For a pool that itself speaks in the clear, and so says nothing of trust."""
    return NodeSecurity(NodeTls(verify=False), "")


class Probe:
    """The bearer of a connection that is made for it."""

    __slots__ = (
        "_alarm", "_answer", "_check", "_connection", "_done", "_head", "_header", "_node", "_over", "_request", "_seen",
    )  # fmt: skip

    def __init__(
        self, loop: Loop, node: NodeState, check: HealthCheck, security: NodeSecurity | None, header: str | None,
        request: bytes, done: Callable[[str | None], None],
    ) -> None:  # fmt: skip
        """`header`: version of the PROXY header that the node's port wants. `request`: what is asked; empty: connecting is all.

        `done` gets None when the balancer itself had no room for a connection, which says nothing about the node.
        """
        port = check.port or node.port
        self._node, self._check, self._request, self._done = node, check, request, done
        self._header = header if port == node.port else None
        self._alarm = Alarm(loop, self._late)
        self._answer: Answer | None = None
        self._head = self._seen = b""
        self._over = False
        tls = None
        if speaks(check, "http" if security is None else "https") == "https":
            tls = security or _unverified()
        self._connection = NodeConnection(loop, node, self, tls, port)

    def start(self) -> None:
        self._alarm.set(self._check.timeout)
        self._connection.open()

    def cancel(self) -> None:
        """End without a word."""
        self._done = lambda error: None
        self._end(None)

    # -- from the connection -----------------------------------------------------------------------------------------

    def prologue(self) -> bytes:
        return proxy.own(self._header) if self._header is not None else b""

    def opened(self, connection: NodeConnection) -> None:
        stream = connection.stream
        if stream is None or not self._request:
            self._end("")
        else:
            stream.write(self._request)

    def unreached(self, reason: str, error: str) -> None:
        self._end(None if reason == "exhausted" else error)

    def node_data(self, data: bytes) -> None:
        try:
            if self._answer is None:
                self._head_arrives(data)
            else:
                self._body_arrives(self._answer, data)
        except BadMessage as error:
            self._end(error.reason)

    def node_eof(self) -> bool:
        return False

    def node_lost(self, clean: bool, error: str) -> None:
        answer = self._answer
        if clean and answer is not None and isinstance(answer.body, UntilCloseBody):
            self._judge_body()
        else:
            self._end(_CUT if clean else error)

    def node_paused(self, paused: bool) -> None:
        """It writes too little for that."""

    # -- inside ------------------------------------------------------------------------------------------------------

    def _head_arrives(self, data: bytes) -> None:
        self._head += data
        method = self._check.method.encode()
        while (answer := answers.read(self._head, method)) is not None:
            rest, self._head = self._head[answer.head_length :], b""
            if answer.interim:
                self._head = rest
                continue
            self._answer = answer
            if not among(answer.status, self._check.codes):
                self._end(f"status {answer.status}, {self._check.codes} is wanted")
            elif self._check.body is None:
                self._end("")
            else:
                self._body_arrives(answer, rest)
            return

    def _body_arrives(self, answer: Answer, data: bytes) -> None:
        if data and not answer.body.done:
            self._seen += answer.body.feed(data)
        if answer.body.done or len(self._seen) >= _BODY_LIMIT:
            self._judge_body()

    def _judge_body(self) -> None:
        wanted = self._check.body or ""
        self._end("" if wanted.encode() in self._seen else f"the body does not hold {wanted!r}")

    def _late(self) -> None:
        self._end(f"no answer within {self._check.timeout:g} s")

    def _end(self, error: str | None) -> None:
        if self._over:
            return
        self._over = True
        self._alarm.cancel()
        connection = self._connection
        if connection.stream is None or error is None:
            connection.close()
        else:
            connection.bearer, connection.lost = None, True
            connection.stream.close()
        self._done(error)
