"""An answer's head, read from a node and written to a client, and the balancer's own answers.

A node's head that has two readings is a bad gateway, never guessed at.
"""

from __future__ import annotations

import json
import re
from http import HTTPStatus

from lbkit.dataplane.wire import fields
from lbkit.dataplane.wire.body import NOTHING, Body, ChunkedBody, LengthBody, UntilCloseBody
from lbkit.dataplane.wire.errors import BadMessage
from lbkit.dataplane.wire.request import Request
from lbkit.dataplane.wire.template import Templates
from lbkit.spec import Redirect, Route, Sticky

_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: (" + fields.VALUE + rb"))?")
_MOST_DIGITS = 18
_COMMA = ord(",")
_REMOVED = fields.HOP_BY_HOP | {b"content-length"}
_FIELDS = fields.Sorter(_REMOVED | {b"date"}, _REMOVED)
_DECISIVE = frozenset((b"connection", b"transfer-encoding", b"upgrade"))
HEAD_LIMIT = 65_536
ALLOW = b"Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n"


class Answer:
    """An understood answer head. `body` tells where the answer ends."""

    __slots__ = (
        "body",
        "found",
        "head_length",
        "keep_alive",
        "length",
        "plain",
        "reason",
        "status",
        "text",
        "version",
    )

    def __init__(self, status: int, reason: bytes | None, version: int, text: bytes, found: fields.Found) -> None:
        self.status, self.version = status, version
        self.reason = reason
        """None where not even the blank before it was there."""
        self.text, self.found = text, found
        """Field lines to pass on, each with its end, and watched values by lower-case name."""
        self.body: Body = NOTHING
        self.length: int | None = None
        """Content-Length as the node gave it, also where no body follows."""
        self.head_length = 0
        """Octets of the head, to where the body begins."""
        self.plain = False
        """Whether its head may go to a client of HTTP/1.1 as it came: no field was removed, none is missing or doubled."""
        self.keep_alive = version == 1
        """Whether the node keeps the connection after this answer."""

    def conclude(self, method: bytes) -> None:
        """What follows from the fields of an answer to a request of this method. Raises BadMessage."""
        found, version = self.found, self.version
        self.plain = (
            len(found) == 2 and b"date" in found and b"content-length" in found and version == 1 and self.status >= 200
            and self.status != 204 and self.reason is not None and _COMMA not in found[b"content-length"]
        )  # fmt: skip
        if b"connection" in found:
            wants = fields.tokens(found[b"connection"])
            self.keep_alive = b"close" not in wants and (version == 1 or b"keep-alive" in wants)
        if self.status != 101:
            self._frame(method)

    def again(self) -> Answer:
        """The same head, with a body that is still to be read."""
        other = Answer(self.status, self.reason, self.version, self.text, self.found)
        other.length, other.head_length = self.length, self.head_length
        other.keep_alive, other.plain = self.keep_alive, self.plain
        body = self.body
        other.body = body if body is NOTHING else body.again()
        return other

    def _frame(self, method: bytes) -> None:
        found, status = self.found, self.status
        bodiless = method == b"HEAD" or status < 200 or status == 204 or status == 304
        if b"transfer-encoding" in found:
            _check_chunked(found, self.version)
            if not bodiless:
                self.body = ChunkedBody()
        elif b"content-length" in found:
            length = self.length = _length(found[b"content-length"])
            self.body = LengthBody(length) if length and not bodiless else NOTHING
        elif not bodiless:
            self.body, self.keep_alive = UntilCloseBody(), False

    @property
    def interim(self) -> bool:
        return self.status < 200


def find_head(data: bytes) -> int:
    """Length of the head, or 0 while it is not complete. Raises BadMessage when it is too long."""
    end = data.find(b"\r\n\r\n", 0, HEAD_LIMIT)
    if end < 0 and len(data) >= HEAD_LIMIT:
        raise _too_long()
    return end + 4 if end >= 0 else 0


def _too_long() -> BadMessage:
    return BadMessage(502, "The node's answer has too long a head.")


def read(data: bytes, method: bytes, websocket: bool = False) -> Answer | None:
    """The head at the start of `data` of an answer to a request of this method; None while it is not complete.

    Raises BadMessage with 502.
    """
    length = find_head(data)
    if not length:
        return None
    head = data[: length - 4].split(b"\r\n")
    match = _LINE.fullmatch(head[0])
    try:
        text, found = _FIELDS.sort(head)
    except fields.Malformed:
        match = None
    if match is None:
        raise BadMessage(502, "The node's answer is not HTTP/1.")
    minor, code, reason = match.groups()
    answer = Answer(int(code), reason, 1 if minor == b"1" else 0, text, found)
    answer.head_length = length
    if answer.status == 101:
        _check_switch(found, websocket)
    answer.conclude(method)
    return answer


class Reader(Templates[Answer]):
    """Reads answers of one pool's nodes. Most are like others that came before, and are not read by lines."""

    def __init__(self) -> None:
        super().__init__(_FIELDS, _DECISIVE)

    def read(self, data: bytes, request: Request) -> Answer | None:
        """As the function `read`."""
        if request.method == b"HEAD" or request.websocket:
            return read(data, request.method, request.websocket)
        known = self.fitting(data)
        if known is not None:
            body = known.body
            whole = type(body) is LengthBody and len(data) - known.head_length == body.left  # then nobody feeds it
            return known if whole else known.again()
        answer = read(data, request.method)
        if answer is not None and answer.status >= 200:
            self.learn(data, answer.again())
        return answer

    def filled(self, like: Answer, text: bytes, found: fields.Found, length: int) -> Answer:
        if length > HEAD_LIMIT:
            raise _too_long()
        answer = like.again()
        answer.text, answer.head_length = text, length
        if found:
            answer.found = like.found | found
            answer.conclude(b"GET")
        return answer


def parse(head: bytes, method: bytes, websocket: bool = False) -> Answer:
    """A head that is complete. Raises BadMessage with 502."""
    answer = read(head, method, websocket)
    if answer is None:
        raise BadMessage(502, "The node's answer is not HTTP/1.")
    return answer


def head_for_client(
    answer: Answer, *, chunked: bool, close: bool, old_client: bool, date: bytes, extra: bytes = b""
) -> bytes:
    """The head as it goes to a client. `old_client`: HTTP/1.0, which must be told when the connection stays."""
    status = answer.status
    framing = b""
    if chunked:
        framing = b"Transfer-Encoding: chunked\r\n"
    elif answer.length is not None and status >= 200 and status != 204:
        framing = b"Content-Length: %d\r\n" % answer.length
    if b"date" not in answer.found:
        framing += b"Date: %b\r\n" % date
    if status == 426 and fields.tokens(answer.found.get(b"upgrade", b"")) == [b"websocket"]:
        framing += b"Connection: Upgrade\r\nUpgrade: websocket\r\n"  # RFC 9110 section 15.5.22: it says to what
    if status == 101:
        framing += b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
    elif status >= 200 and (close or old_client):
        framing += b"Connection: close\r\n" if close else b"Connection: keep-alive\r\n"
    return b"HTTP/1.1 %d %b\r\n%b%b%b\r\n" % (
        status, answer.reason or b"", answer.text, framing, extra,
    )  # fmt: skip


def set_cookie(sticky: Sticky, mark: bytes, secure: bool) -> bytes:
    """The field line that brings a client back to the node with this mark."""
    age = b"; Max-Age=%d" % sticky.ttl if sticky.ttl is not None else b""
    return b"Set-Cookie: %b=%b; Path=/; HttpOnly; SameSite=Lax%b%b\r\n" % (
        sticky.cookie.encode(), mark, age, b"; Secure" if secure else b"",
    )  # fmt: skip


def own(
    status: int,
    reason: str,
    detail: str,
    *,
    request_id: bytes,
    date: bytes,
    close: bool,
    retry_after: int | None = None,
    head: bool = False,
) -> bytes:
    """One of the balancer's own errors as RFC 9457 problem details, which says that lbkit made it (SA-22)."""
    problem = {
        "type": "about:blank", "title": _title(status), "status": status, "detail": detail,
        "source": "lbkit", "reason": reason, "request_id": request_id.decode("ascii", "replace"),
    }  # fmt: skip
    extra = b"Cache-Control: no-store\r\n"
    if status == 405:
        extra += ALLOW
    if retry_after is not None:
        extra += b"Retry-After: %d\r\n" % retry_after
    body = json.dumps(problem).encode() + b"\n"
    return fixed(status, b"application/problem+json", body, date=date, close=close, extra=extra, head=head)


def fixed(
    status: int, content_type: bytes, body: bytes, *, date: bytes, close: bool, extra: bytes = b"", head: bool = False
) -> bytes:
    """An answer of the balancer's own. `extra`: further field lines; `head`: the request was HEAD."""
    kind = b"Content-Type: %b\r\n" % content_type if body else b""
    length = b"" if status in (204, 304) else b"Content-Length: %d\r\n" % len(body)
    return b"HTTP/1.1 %d %b\r\n%b%bDate: %b\r\n%b%b\r\n%b" % (
        status, _title(status).encode(), kind, length, date, extra, b"Connection: close\r\n" if close else b"",
        b"" if head or status in (204, 304) else body,
    )  # fmt: skip


def octets_of(answer: bytes) -> int:
    """Octets of the body of one of the balancer's own answers."""
    return len(answer) - answer.index(b"\r\n\r\n") - 4


def for_route(
    route: Route, request: Request, here: bytes, scheme: bytes, port: int, date: bytes, close: bool, head: bool
) -> tuple[int, bytes]:
    """Status and answer of a route that redirects or answers by itself. `here`, `port`: what the client reached."""
    if route.answer is not None:
        fixed_answer = route.answer
        kind, body = fixed_answer.content_type.encode(), fixed_answer.body.encode()
        return fixed_answer.status, fixed(fixed_answer.status, kind, body, date=date, close=close, head=head)
    assert route.redirect is not None
    location = b"Location: %b\r\n" % redirected(route.redirect, request.target, here, scheme, port)
    status = route.redirect.status
    return status, fixed(status, b"", b"", date=date, close=close, extra=location, head=head)


def redirected(redirect: Redirect, target: bytes, here: bytes, scheme: bytes, port: int) -> bytes:
    """Where a redirect leads; what it leaves unset stays as it was asked. A new scheme brings its own port."""
    name, _, asked = here.rpartition(b":") if here[-1:] != b"]" else (b"", b"", b"")
    if not name or not asked.isdigit():
        name, asked = here, b""
    new = redirect.scheme.encode() if redirect.scheme else scheme
    if redirect.port is not None:
        at = redirect.port
    elif new != scheme:
        at = 443 if new == b"https" else 80
    else:
        at = int(asked) if asked else port
    host = str(redirect.host).encode() if redirect.host else name
    if redirect.path is not None:
        target = redirect.path.encode()
    elif target == b"*":
        target = b""
    default = 443 if new == b"https" else 80
    return b"%b://%b%b%b" % (new, host, b"" if at == default else b":%d" % at, target)


def _title(status: int) -> str:
    return HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "Error"


def _check_chunked(found: fields.Found, version: int) -> None:
    coding = found[b"transfer-encoding"].lower()
    if coding != b"chunked" or version == 0 or b"content-length" in found:
        raise BadMessage(502, "The node framed its answer in a way that has two readings.")


def _length(value: bytes) -> int:
    if _COMMA in value:
        value = _same(value)
    if not value.isdigit() or len(value) > _MOST_DIGITS:
        raise BadMessage(502, "The node's Content-Length is not one plain decimal number.")
    return int(value)


def _same(length: bytes) -> bytes:
    """One value where a node said the same one several times (RFC 9110 section 8.6)."""
    values = {part.strip(b" \t") for part in length.split(b",")}
    return values.pop() if len(values) == 1 else length


def _check_switch(found: fields.Found, asked: bool) -> None:
    wants = fields.tokens(found.get(b"connection", b""))
    switched = fields.tokens(found.get(b"upgrade", b""))
    if not asked or b"upgrade" not in wants or switched != [b"websocket"]:
        raise BadMessage(502, "The node switched protocols without being asked.")
