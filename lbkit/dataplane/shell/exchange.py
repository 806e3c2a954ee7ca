"""One request and its answer, between a client's session and a node. Synchronous: it is told, and never waits.

Before the first byte of the answer every failure becomes an error answer; after it the client's connection breaks,
so that a cut answer never looks whole.
"""

from __future__ import annotations

from math import inf
from time import monotonic
from typing import TYPE_CHECKING

from lbkit.dataplane.core.node import NodeState
from lbkit.dataplane.shell.dispatch import Dispatcher
from lbkit.dataplane.shell.stream import Stream
from lbkit.dataplane.shell.upstream import NodeConnection
from lbkit.dataplane.shell.work import EXPLAINED, Work, status_of
from lbkit.dataplane.wire import answer as answers
from lbkit.dataplane.wire import onward
from lbkit.dataplane.wire import request as requests
from lbkit.dataplane.wire.answer import Answer
from lbkit.dataplane.wire.body import LAST_CHUNK, NOTHING, ChunkedBody, LengthBody, NoBody, UntilCloseBody, chunk
from lbkit.dataplane.wire.codes import among
from lbkit.dataplane.wire.errors import BadMessage
from lbkit.dataplane.wire.request import Request

if TYPE_CHECKING:
    from lbkit.dataplane.shell.http import HttpSession

HELD_LIMIT = 65_536
"""Octets of a body held while its request has no node; then the client is no longer read."""


class Exchange(Work):
    """The ticket of one HTTP request."""

    __slots__ = (
        "_chunked_answer", "_close", "_head", "_held", "_interim", "_phase", "answer", "began", "bytes_in", "bytes_out", "cause",
        "client", "first_byte_at", "request", "served_by", "status", "stream", "total_due", "tunnel", "upload",
    )  # fmt: skip

    def __init__(self, client: HttpSession, request: Request, dispatcher: Dispatcher, body: bytes = b"") -> None:
        """`body`: the whole of it, if it came together with the head."""
        terms = dispatcher.terms
        wanted = requests.cookie(request, terms.cookie) if terms.cookie else b""
        Work.__init__(self, dispatcher, client.peer, wanted, terms.keeps)
        self.client, self.request = client, request
        self.upload = NOTHING if request.length == len(body) else request.body()
        self.began = monotonic()
        self.total_due = self.began + terms.total
        self.answer: Answer | None = None
        self.stream: Stream | None = None
        self.tunnel = False
        """Whether the node switched protocols: bytes pass as they are."""
        self.bytes_in, self.bytes_out, self.status = len(body), 0, 0
        self.first_byte_at = 0.0
        self.cause = self.served_by = self._phase = ""
        self._held, self._head = body, b""
        self._chunked_answer = self._close = self._interim = False

    def start(self) -> None:
        if self.total_due < inf:
            self.client.alarm.at(self.total_due)
        else:
            self.client.alarm.due = inf
        self.dispatcher.submit(self, self.began)

    # -- the client's side -------------------------------------------------------------------------------------------

    def client_data(self, data: bytes) -> None:
        """Bytes of the request's body, or of a tunnel; what follows the body stays in `upload.rest`."""
        if self.tunnel:
            self._send(data)
            return
        upload = self.upload
        try:
            payload = upload.frame(data) if isinstance(upload, ChunkedBody) else upload.feed(data)
        except BadMessage as error:
            self._bad_body(error)
            return
        self.bytes_in += len(payload)
        limit = self.client.listening.spec.limits.body
        if limit is not None and isinstance(upload, ChunkedBody) and upload.octets > limit:
            self._bad_body(BadMessage(413, f"The body is larger than {limit} octets."))
        elif self.stream is not None:
            self._send(payload)
        elif payload:
            self._held += payload
            if self.bytes_in > HELD_LIMIT:
                self.client.pause(True)

    def client_left(self) -> None:
        """Nobody waits for the answer any more: the node's connection closes and the slot is free at once (LB-9)."""
        if not self.over:
            self.cause = "cancelled"
            self.dispatcher.metrics.cancelled += 1
            self.end()

    def client_paused(self, paused: bool) -> None:
        """The client does not take what was written: stop reading from the node."""
        if self.stream is None:
            return
        if paused:
            self.stream.pause_reading()
        else:
            self.stream.resume_reading()

    # -- the node's side ---------------------------------------------------------------------------------------------

    def connecting(self, seconds: float) -> None:
        self._phase = "connect"
        self._alarm_in(seconds)

    def prologue(self) -> bytes:
        version = self.dispatcher.spec.proxy_protocol
        return self.client.proxy_header(version) if version is not None else b""

    def opened(self, connection: NodeConnection) -> None:
        client, request, upload = self.client, self.request, self.upload
        stream = self.stream = connection.stream
        assert stream is not None
        stream.receive = self.node_data
        head = onward.head_for_node(
            request, client.forwarded(request), client.request_id, request.host or _authority(connection.node),
            client.trace(request), self._held,
        )  # fmt: skip
        if client.stream.full:
            stream.pause_reading()
        stream.write(head)
        if upload.done:
            self._expect("first_byte")
            return
        if request.expects_continue and not self._held:
            client.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._held = b""
        self._expect("body")
        client.pause(stream.full)

    def node_data(self, data: bytes) -> None:
        try:
            if self.answer is None:
                self._more_of_head(data) if self._head else self._answer_head(data)
            else:
                self._pass_on(data)
        except BadMessage as error:
            self._node_erred(f"the node sent no proper HTTP: {error.reason}", "garbage")

    def node_eof(self) -> bool:
        return False

    def node_lost(self, clean: bool, error: str) -> None:
        answer = self.answer
        if answer is not None and clean and (self.tunnel or isinstance(answer.body, UntilCloseBody)):
            if self._chunked_answer:
                self._write(LAST_CHUNK)
            self._finish(reusable=False)
        elif answer is None and not self._head and not self._interim and self._repeatable():
            self.connection = self.stream = None
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
        self.cause = reason
        if self.answer is not None:
            seen = self._chunked_answer or isinstance(self.answer.body, LengthBody)
            self.end()
            self.client.break_off(seen)
            return
        self._refuse(status_of(reason, self.dispatcher.spec.codes), reason, EXPLAINED[reason], retry_after)

    def end(self, keep_alive: float = 0, now: float = 0) -> float:
        now = now or monotonic()
        if self.over:
            return now
        self.over, self.stream = True, None
        node, connection = self.node, self.connection
        if node is not None:
            self.served_by = node.name
        if connection is not None:
            self.connection = None
            self.dispatcher.connections.give(connection, keep_alive, now)
        self.dispatcher.release(self, now)
        self.client.listening.record(self.client, self, now)
        return now

    def late(self) -> None:
        """The alarm rang."""
        if monotonic() >= self.total_due:
            self.failed("total")
        elif self._phase == "connect":
            self.connect_late()
        elif self._phase == "body":
            self._refuse(408, "request_timeout", "The request's body stopped arriving.")
        elif self._phase:
            self.failed(self._phase)

    def _finish(self, reusable: bool, now: float = 0) -> None:
        terms, node = self.dispatcher.terms, self.node
        now = self.end(terms.keep_alive if reusable else 0, now)
        if node is not None and (check := terms.check) is not None:
            bad = check.codes is not None and among(self.status, check.codes)
            self.dispatcher.observed(node, not bad, f"status {self.status}")
        self.client.answered(self._close, now, not self.request.keep_alive and self.upload.done)

    def _refuse(
        self, status: int, reason: str, detail: str, retry_after: int | None = None, close: bool = False
    ) -> None:
        close = close or not self.upload.done or not self.request.keep_alive or self.request.version == 0
        self.status, self.cause = status, reason
        self.dispatcher.metrics.refusals[reason] += 1
        close = close or self.client.closing
        data = self.client.error(status, reason, detail, close, retry_after, head=self.request.method == b"HEAD")
        self.bytes_out = answers.octets_of(data)
        self.end()
        self.client.refuse(data, close)

    def _bad_body(self, error: BadMessage) -> None:
        if self.answer is not None:
            self.failed("died")
        else:
            self._refuse(error.status, "bad_request", error.reason, close=True)

    def _node_erred(self, error: str, reason: str = "died") -> None:
        if self.node is not None:
            self.dispatcher.failed(self.node, error)
        self.failed(reason)

    # -- the answer --------------------------------------------------------------------------------------------------

    def _more_of_head(self, data: bytes) -> None:
        """Another piece. The head is read once it is whole or too long, not with every piece."""
        seen = max(0, len(self._head) - 3)
        self._head += data
        if self._head.find(b"\r\n\r\n", seen) >= 0 or len(self._head) >= answers.HEAD_LIMIT:
            self._answer_head(self._head)

    def _answer_head(self, data: bytes) -> None:
        request, client = self.request, self.client
        while (answer := self.dispatcher.reader.read(data, request)) is not None:
            if answer.status >= 200 or answer.status == 101:
                self._head = b""
                self._begin(answer, data, answer.head_length)
                return
            if answer.status != 100 and request.version == 1:
                self._interim = True
                client.write(
                    answers.head_for_client(answer, chunked=False, close=False, old_client=False, date=client.date())
                )
            data = data[answer.head_length :]
        self._head = data

    def _begin(self, answer: Answer, data: bytes, length: int) -> None:
        request, client = self.request, self.client
        self.answer, self.status = answer, answer.status
        self.first_byte_at = now = monotonic()
        body = answer.body
        kind = type(body)
        bounded = kind is LengthBody or kind is NoBody
        old = request.version == 0
        self._close = client.closing or not request.keep_alive or not self.upload.done or (not bounded and old)
        extra = self._cookie() if self.dispatcher.terms.cookie else b""
        unchanged = bounded and not self._close and not old and not extra and answer.plain
        if unchanged:
            head = data[:length]
        else:
            self._chunked_answer = not bounded and not old
            head = answers.head_for_client(
                answer, chunked=self._chunked_answer, close=self._close, old_client=old, date=client.date(), extra=extra
            )
        if kind is LengthBody and len(data) - length == body.left:  # type: ignore[attr-defined]
            self.bytes_out = len(data) - length
            client.stream.write(data if unchanged else head + data[length:])
            self._finish(answer.keep_alive and self.upload.done, now)
            return
        self.tunnel = answer.status == 101
        if self.tunnel:
            self._switch(head, data[length:])
        else:
            self._pass_on(data[length:], head)

    def _pass_on(self, data: bytes, head: bytes = b"") -> None:
        answer = self.answer
        assert answer is not None
        body = answer.body
        if self.tunnel:
            self._write(data)
        elif type(body) is ChunkedBody:
            self._write(body.frame(data) if self._chunked_answer else body.feed(data), head)
        elif body.done:
            self._write(b"", head)
            if data:
                answer.keep_alive = False  # more than was announced: never another answer (RFC 9112 section 6.3)
        else:
            payload = body.feed(data)
            self._write(chunk(payload) if self._chunked_answer else payload, head)
        if body.done and not self.tunnel:
            self._finish(answer.keep_alive and self.upload.done and not body.rest)
        elif not self.over:
            self._expect("idle")

    def _write(self, data: bytes, head: bytes = b"") -> None:
        self.bytes_out += len(data)
        if data or head:
            self.client.stream.write(head + data)

    def _switch(self, head: bytes, early: bytes) -> None:
        """The node agreed to speak another protocol: from here on bytes pass both ways as they are."""
        self._close = True
        self._write(early, head)
        self._expect("idle")
        self.client.tunnel_begun()

    def _cookie(self) -> bytes:
        sticky, node = self.dispatcher.spec.sticky, self.node
        if sticky is None or node is None or node.mark == self.wanted:
            return b""
        return answers.set_cookie(sticky, node.mark, secure=self.client.scheme == b"https")

    # -- inside ------------------------------------------------------------------------------------------------------

    def _send(self, data: bytes) -> None:
        stream = self.stream
        if stream is None:
            return
        stream.write(data)
        if self.answer is None:
            self._expect("first_byte" if self.upload.done else "body")
        elif self.tunnel:
            self._expect("idle")

    def _sending_phase(self) -> str:
        return "idle" if self.answer is not None else "first_byte" if self.upload.done else "body"

    def _expect(self, phase: str) -> None:
        self._phase = phase
        terms = self.dispatcher.terms
        if phase == "first_byte":
            self._alarm_in(terms.first_byte)
        elif phase == "idle":
            self._alarm_in(terms.idle)
        else:
            self._alarm_in(self.client.listening.terms.body)

    def _alarm_in(self, seconds: float) -> None:
        due = monotonic() + seconds
        if due > self.total_due:
            due = self.total_due
        alarm = self.client.alarm
        alarm.due = due
        if due < alarm.rings:
            alarm.at(due)

    def _repeatable(self) -> bool:
        return self.request.method in requests.IDEMPOTENT and not self.request.has_body


def _authority(node: NodeState) -> bytes:
    """The Host of a request that had none (HTTP/1.0)."""
    return b"%b:%d" % (node.address.encode(), node.port)
