"""An answer's head, read from a node and written to a client, and the balancer's own answers.

A node's head that has two readings is a bad gateway, never guessed at.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from http import HTTPStatus

from lbkit.dataplane.wire import fields
from lbkit.dataplane.wire.body import Body, ChunkedBody, LengthBody, UntilCloseBody
from lbkit.dataplane.wire.errors import BadMessage
from lbkit.dataplane.wire.fields import Field

_HEAD = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*))?\r\n(" + fields.FIELDS + rb")\r\n")
_DIGITS = re.compile(rb"[0-9]{1,18}")
_REWRITTEN = frozenset((b"content-length",))
HEAD_LIMIT = 65_536


@dataclass(slots=True)
class Answer:
    """An understood answer head. `body` tells where the answer ends."""

    status: int
    reason: bytes
    fields: list[Field]
    body: Body
    length: int | None
    """Content-Length as the node gave it, also where no body follows."""
    keep_alive: bool
    """Whether the node keeps the connection after this answer."""

    @property
    def interim(self) -> bool:
        return self.status < 200


def find_head(data: bytes) -> int:
    """Length of the head, or 0 while it is not complete. Raises BadMessage when it is too long."""
    end = data.find(b"\r\n\r\n", 0, HEAD_LIMIT)
    if end < 0 and len(data) >= HEAD_LIMIT:
        raise BadMessage(502, "The node's answer has too long a head.")
    return end + 4 if end >= 0 else 0


def parse(head: bytes, method: bytes) -> Answer:
    """The head of an answer to a request of this method. Raises BadMessage with 502."""
    match = _HEAD.fullmatch(head)
    if match is None:
        raise BadMessage(502, "The node's answer is not HTTP/1.")
    minor, code, reason, block = match.groups()
    status = int(code)
    if status == 101:
        raise BadMessage(502, "The node switched protocols without being asked.")
    found = fields.split(block)
    bodiless = method == b"HEAD" or status < 200 or status in (204, 304)
    length, chunked = _framing(found, minor)
    wants = [token for _, lower, value in found if lower == b"connection" for token in fields.tokens(value)]
    keep = b"close" not in wants and (minor == b"1" or b"keep-alive" in wants)
    body: Body
    if bodiless:
        body = LengthBody(0)
    elif chunked:
        body = ChunkedBody()
    elif length is not None:
        body = LengthBody(length)
    else:
        body, keep = UntilCloseBody(), False
    return Answer(status, reason or b"", found, body, None if chunked else length, keep)


def head_for_client(answer: Answer, *, chunked: bool, close: bool, old_client: bool, date: bytes) -> bytes:
    """The head as it goes to a client. `old_client`: HTTP/1.0, which must be told when the connection stays."""
    lines = [b"HTTP/1.1 %d %b\r\n" % (answer.status, answer.reason), *fields.end_to_end(answer.fields, _REWRITTEN)]
    if chunked:
        lines.append(b"Transfer-Encoding: chunked\r\n")
    elif answer.length is not None and answer.status >= 200 and answer.status != 204:
        lines.append(b"Content-Length: %d\r\n" % answer.length)
    if not any(lower == b"date" for _, lower, _ in answer.fields):
        lines.append(b"Date: " + date + b"\r\n")
    if not answer.interim and (close or old_client):
        lines.append(b"Connection: close\r\n" if close else b"Connection: keep-alive\r\n")
    lines.append(b"\r\n")
    return b"".join(lines)


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
    title = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "Error"
    problem = {
        "type": "about:blank", "title": title, "status": status, "detail": detail,
        "source": "lbkit", "reason": reason, "request_id": request_id.decode("ascii", "replace"),
    }  # fmt: skip
    body = json.dumps(problem).encode() + b"\n"
    lines = [
        f"HTTP/1.1 {status} {title}\r\n".encode(),
        b"Content-Type: application/problem+json\r\nCache-Control: no-store\r\n",
        b"Content-Length: %d\r\nDate: %b\r\n" % (len(body), date),
    ]
    if status == 405:
        lines.append(b"Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n")
    if retry_after is not None:
        lines.append(b"Retry-After: %d\r\n" % retry_after)
    if close:
        lines.append(b"Connection: close\r\n")
    return b"".join([*lines, b"\r\n", b"" if head else body])


def _framing(found: list[Field], minor: bytes) -> tuple[int | None, bool]:
    """(Content-Length, chunked)."""
    codings = [value for _, lower, value in found if lower == b"transfer-encoding"]
    lengths = {value for _, lower, value in found if lower == b"content-length"}
    if codings:
        if codings != [codings[0]] or codings[0].lower() != b"chunked" or minor == b"0" or lengths:
            raise BadMessage(502, "The node framed its answer in a way that has two readings.")
        return None, True
    if not lengths:
        return None, False
    value = lengths.pop()
    if lengths or _DIGITS.fullmatch(value) is None:
        raise BadMessage(502, "The node's Content-Length is not one plain decimal number.")
    return int(value), False
