"""One request and its answer, between a client's session and a node. Synchronous: it is told, and never waits.

Before the first byte of the answer every failure becomes an error answer; after it the client's connection breaks,
so that a cut answer never looks whole.
"""

from __future__ import annotations

from typing import Literal, Protocol

from lbkit.dataplane.shell.alarm import Alarm
from lbkit.dataplane.shell.dispatch import Dispatcher
from lbkit.dataplane.shell.upstream import NodeConnection
from lbkit.dataplane.shell.work import EXPLAINED, Work
from lbkit.dataplane.wire import answer as answers
from lbkit.dataplane.wire import request as requests
from lbkit.dataplane.wire.answer import Answer
from lbkit.dataplane.wire.body import LAST_CHUNK, LengthBody, UntilCloseBody, chunk
from lbkit.dataplane.wire.errors import BadMessage
from lbkit.dataplane.wire.request import Request
from lbkit.spec import Listener

HELD_LIMIT = 65_536
"""Octets of a body held while its request has no node; then the client is no longer read."""


class Client(Protocol):
    """The session of the client, as an exchange sees it."""

    peer: bytes
    request_id: bytes
    closing: bool
    writing_paused: bool

    def write(self, data: bytes) -> None: ...
    def pause(self, paused: bool) -> None: ...
    def answered(self, close: bool) -> None: ...
    def refuse(self, status: int, reason: str, detail: str, close: bool, retry_after: int | None = None) -> None: ...
    def break_off(self, seen: bool) -> None: ...
    def date(self) -> bytes: ...


class Exchange(Work):
    """Owner of one HTTP request's ticket."""

    keeps = True

    def __init__(self, client: Client, request: Request, dispatcher: Dispatcher, listener: Listener) -> None:
        super().__init__(dispatcher)
        self.client, self.request, self.listener = client, request, listener
        self.upload = request.body()
        self.answer: Answer | None = None
        self._chunked_upload = request.length is None
        self._chunked_answer = False
        self._held: list[bytes] = []
        self._head = b""
        self._received = 0
        self._close = False
        self._phase: Literal["body", "first_byte", "idle"] = "first_byte"
        self._alarm = Alarm(dispatcher.loop, self._late)
        self._total = Alarm(dispatcher.loop, self._overdue)
        if dispatcher.spec.timeouts.total is not None:
            self._total.set(dispatcher.spec.timeouts.total)

    # -- the client's side -------------------------------------------------------------------------------------------

    def client_data(self, data: bytes) -> None:
        """Bytes of the request's body; what follows it stays in `upload.rest`."""
        try:
            payload = self.upload.feed(data)
        except BadMessage as error:
            self._bad_body(error)
            return
        self._received += len(payload)
        if self._chunked_upload:
            payload = chunk(payload) + (LAST_CHUNK if self.upload.done else b"")
        limit = self.listener.limits.body
        if limit is not None and self._received > limit:
            self._bad_body(BadMessage(413, f"The body is larger than {limit} octets."))
        elif self.connection is not None:
            self._send(payload)
        elif payload:
            self._held.append(payload)
            if sum(map(len, self._held)) > HELD_LIMIT:
                self.client.pause(True)

    def client_left(self) -> None:
        """Nobody waits for the answer any more: the node's connection closes and the slot is free at once (LB-9)."""
        self.end()

    def client_paused(self, paused: bool) -> None:
        """The client does not take what was written: stop reading from the node."""
        if self.connection is None:
            return
        if paused:
            self.connection.transport.pause_reading()
        else:
            self.connection.transport.resume_reading()

    # -- the node's side ---------------------------------------------------------------------------------------------

    def connected(self, connection: NodeConnection) -> None:
        connection.user = self
        fallback = f"{connection.node.address}:{connection.node.port}".encode()
        head = requests.head_for_node(self.request, self.client.peer, b"http", self.client.request_id, fallback)
        held, self._held = b"".join(self._held), []
        if self.request.expects_continue and not self.upload.done and not held:
            self.client.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self.client.writing_paused:
            connection.transport.pause_reading()
        self._send(head + held)
        self.client.pause(False)

    def node_data(self, data: bytes) -> None:
        try:
            if self.answer is None:
                self._answer_head(self._head + data)
            else:
                self._pass_on(b"", self.answer, data)
        except BadMessage as error:
            self._node_erred(f"the node sent no proper HTTP: {error.reason}")

    def node_lost(self, clean: bool, error: str) -> None:
        reader = self.answer.body if self.answer else None
        if clean and isinstance(reader, UntilCloseBody):
            reader.done = True
            self._finish(LAST_CHUNK if self._chunked_answer else b"")
        elif self.answer is None and not self._head and self._repeatable():
            self.connection = None
            if not self.another(error):
                self.failed("died")
        else:
            self._node_erred(error)

    def node_paused(self, paused: bool) -> None:
        """The node does not take the body: stop reading from the client."""
        self.client.pause(paused)
        self._expect("idle" if paused else self._sending_phase())

    # -- ends --------------------------------------------------------------------------------------------------------

    def failed(self, reason: str, retry_after: int | None = None) -> None:
        if self.over:
            return
        if self.answer is not None:
            self.end()
            self.client.break_off(seen=self._chunked_answer or isinstance(self.answer.body, LengthBody))
            return
        codes = self.dispatcher.spec.codes
        status = {
            "overflow": codes.overflow, "no_node": codes.overflow, "queue": codes.queue, "refused": codes.refused,
            "connect": codes.connect, "first_byte": codes.first_byte, "total": codes.first_byte,
        }.get(reason, codes.died)  # fmt: skip
        self._refuse(status, reason, EXPLAINED[reason], retry_after)

    def end(self, keep_alive: float = 0) -> None:
        self._alarm.cancel()
        self._total.cancel()
        super().end(keep_alive)

    def _finish(self, last: bytes) -> None:
        answer = self.answer
        assert answer is not None
        if last:
            self.client.write(last)
        clean = answer.keep_alive and self.upload.done and not answer.body.rest
        self.end(self.dispatcher.spec.timeouts.keep_alive if clean else 0)
        self.client.answered(self._close)

    def _refuse(
        self, status: int, reason: str, detail: str, retry_after: int | None = None, close: bool = False
    ) -> None:
        close = close or not self.upload.done or not self.request.keep_alive
        self.end()
        self.client.refuse(status, reason, detail, close, retry_after)

    def _bad_body(self, error: BadMessage) -> None:
        if self.answer is not None:
            self.failed("died")
        else:
            self._refuse(error.status, "bad_request", error.reason, close=True)

    def _node_erred(self, error: str) -> None:
        if self.ticket.node is not None:
            self.dispatcher.failed(self.ticket.node, error)
        self.failed("died")

    # -- the answer --------------------------------------------------------------------------------------------------

    def _answer_head(self, data: bytes) -> None:
        while length := answers.find_head(data):
            answer = answers.parse(data[:length], self.request.method)
            data = data[length:]
            if not answer.interim:
                self._head = b""
                self._begin(answer, data)
                return
            if answer.status != 100 and self.request.version == 1:
                self.client.write(
                    answers.head_for_client(
                        answer, chunked=False, close=False, old_client=False, date=self.client.date()
                    )
                )
        self._head = data

    def _begin(self, answer: Answer, data: bytes) -> None:
        old = self.request.version == 0
        unbounded = not isinstance(answer.body, LengthBody)
        self._chunked_answer = unbounded and not old
        self._close = self.client.closing or not self.request.keep_alive or not self.upload.done or (unbounded and old)
        head = answers.head_for_client(
            answer, chunked=self._chunked_answer, close=self._close, old_client=old, date=self.client.date()
        )
        self.answer = answer
        self._pass_on(head, answer, data)

    def _pass_on(self, head: bytes, answer: Answer, data: bytes) -> None:
        payload = answer.body.feed(data) if not answer.body.done else b""
        if self._chunked_answer:
            payload = chunk(payload) + (LAST_CHUNK if answer.body.done else b"")
        if head or payload:
            self.client.write(head + payload)
        if answer.body.done:
            self._finish(b"")
        else:
            self._expect("idle")

    # -- inside ------------------------------------------------------------------------------------------------------

    def _send(self, data: bytes) -> None:
        assert self.connection is not None
        self.connection.transport.write(data)
        if self.answer is None:
            self._expect(self._sending_phase())

    def _sending_phase(self) -> Literal["body", "first_byte"]:
        return "first_byte" if self.upload.done else "body"

    def _expect(self, phase: Literal["body", "first_byte", "idle"]) -> None:
        self._phase = phase
        timeouts = self.dispatcher.spec.timeouts
        seconds = {"first_byte": timeouts.first_byte, "idle": timeouts.idle, "body": self.listener.timeouts.body}
        self._alarm.set(seconds[phase])

    def _late(self) -> None:
        if self._phase == "body" and self.answer is None:
            self._refuse(408, "request_timeout", "The request's body stopped arriving.")
        else:
            self.failed("first_byte")

    def _overdue(self) -> None:
        self.failed("total")

    def _repeatable(self) -> bool:
        return self.request.method in requests.IDEMPOTENT and not self.request.has_body
