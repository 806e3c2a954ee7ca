"""A request's head: one strict reading, and the head that goes to the node, built from what was understood.

What two readers could take differently is refused with 400 and close: Content-Length beside Transfer-Encoding, any
coding but `chunked`, lists of lengths, more than one Host, other blanks than single ones in the request line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from lbkit.dataplane.wire import fields
from lbkit.dataplane.wire.body import Body, ChunkedBody, LengthBody
from lbkit.dataplane.wire.errors import BadMessage
from lbkit.dataplane.wire.fields import Field
from lbkit.spec.listener import RequestLimits

_HEAD = re.compile(rb"(" + fields.TOKEN + rb") ([\x21-\x7e]+) HTTP/1\.([01])\r\n(" + fields.FIELDS + rb")\r\n")
_VERSION = re.compile(rb"[^\r\n]* HTTP/([0-9])\.([0-9])\r\n")
_HOST = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+;=%-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_ABSOLUTE = re.compile(rb"[Hh][Tt][Tt][Pp][Ss]?://([^/?#@]+)(/[^#]*|\?[^#]*|)")
_DIGITS = re.compile(rb"[0-9]{1,18}")
IDEMPOTENT = frozenset((b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"))  # RFC 9110 section 9.2.2; TRACE is refused
_REPLACED = frozenset(
    (b"host", b"content-length", b"expect", b"via", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-request-id")
)  # fmt: skip
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")


@dataclass(slots=True)
class Request:
    """An understood request head."""

    method: bytes
    target: bytes
    """In origin form, or `*`."""
    version: Literal[0, 1]
    """The minor version."""
    host: bytes
    fields: list[Field]
    length: int | None
    """Content-Length; None when the body is chunked."""
    keep_alive: bool
    expects_continue: bool

    @property
    def has_body(self) -> bool:
        return self.length != 0

    def body(self) -> Body:
        return ChunkedBody() if self.length is None else LengthBody(self.length)

    def value(self, name: bytes) -> bytes | None:
        """The first field of this lower-case name."""
        return next((value for _, lower, value in self.fields if lower == name), None)


def find_head(data: bytes, limits: RequestLimits) -> int:
    """Length of the head at the start of `data`, or 0 while it is not complete. Raises BadMessage when it is too long."""
    end = data.find(b"\r\n\r\n")
    if 0 <= end <= limits.headers:
        return end + 4
    line = data.find(b"\r\n")
    if (line if line >= 0 else len(data)) > limits.target + 32:
        raise BadMessage(414, f"The request target is longer than {limits.target} octets.")
    if end > limits.headers or len(data) > limits.headers:
        raise BadMessage(431, f"The request's head is longer than {limits.headers} octets.")
    return 0


def parse(head: bytes, limits: RequestLimits) -> Request:
    """The head, which ends with an empty line. Raises BadMessage."""
    match = _HEAD.fullmatch(head)
    if match is None:
        raise _unreadable(head)
    method, target, minor, block = match.groups()
    if len(target) > limits.target:
        raise BadMessage(414, f"The request target is longer than {limits.target} octets.")
    found = fields.split(block)
    if len(found) > limits.fields:
        raise BadMessage(431, f"More than {limits.fields} header fields.")
    version: Literal[0, 1] = 1 if minor == b"1" else 0
    host = _host(found, version)
    target, host = _origin_form(method, target, host)
    length = _length(found, version)
    if length is not None and limits.body is not None and length > limits.body:
        raise BadMessage(413, f"The body is larger than {limits.body} octets.")
    return Request(method, target, version, host, found, length, _keep_alive(found, version), _expects(found, version))


def head_for_node(request: Request, client: bytes, scheme: bytes, request_id: bytes, fallback_host: bytes) -> bytes:
    """The head as it goes to a node: our own version, Host, framing, Via and X-Forwarded-* (RFC 9110 section 7.6)."""
    lines = [
        request.method + b" " + request.target + b" HTTP/1.1\r\n",
        b"Host: " + (request.host or fallback_host) + b"\r\n",
        *fields.end_to_end(request.fields, _REPLACED),
    ]
    if request.length is None:
        lines.append(b"Transfer-Encoding: chunked\r\n")
    elif request.length or request.value(b"content-length") is not None:
        lines.append(b"Content-Length: %d\r\n" % request.length)
    via = b", ".join([v for _, lower, v in request.fields if lower == b"via"] + [b"1.%d lbkit" % request.version])
    lines.append(b"Via: " + via + b"\r\n")
    lines.append(b"X-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\n" % (client, scheme))
    if request.host:
        lines.append(b"X-Forwarded-Host: " + request.host + b"\r\n")
    lines.append(b"X-Request-Id: " + request_id + b"\r\n\r\n")
    return b"".join(lines)


def request_id(request: Request, fresh: bytes) -> bytes:
    """The client's own id when it is a plain word, else the fresh one."""
    given = request.value(b"x-request-id")
    return given if given and _REQUEST_ID.fullmatch(given) else fresh


def _unreadable(head: bytes) -> BadMessage:
    version = _VERSION.match(head)
    if version and version.groups() not in ((b"1", b"0"), (b"1", b"1")):
        return BadMessage(505, "Only HTTP/1.0 and HTTP/1.1 are spoken here.")
    return BadMessage(400, "The request line or a header field is not as RFC 9112 writes it.")


def _host(found: list[Field], version: int) -> bytes:
    hosts = [value for _, lower, value in found if lower == b"host"]
    if len(hosts) > 1 or (not hosts and version == 1):
        raise BadMessage(400, "A request has exactly one Host.")
    host = hosts[0] if hosts else b""
    if _HOST.fullmatch(host) is None:
        raise BadMessage(400, "The Host is not a host with an optional port.")
    return host


def _origin_form(method: bytes, target: bytes, host: bytes) -> tuple[bytes, bytes]:
    if method in (b"CONNECT", b"TRACE"):
        raise BadMessage(405, f"{method.decode()} is not served here.")
    if b"#" in target:
        raise BadMessage(400, "A request target has no fragment.")
    if target.startswith(b"/"):
        return target, host
    if target == b"*" and method == b"OPTIONS":
        return target, host
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None or not absolute[1] or _HOST.fullmatch(absolute[1]) is None:
        raise BadMessage(400, "The request target is neither a path nor an absolute http address.")
    path = absolute[2]
    if not path.startswith(b"/"):
        path = b"*" if method == b"OPTIONS" and not path else b"/" + path
    return path, absolute[1]


def _length(found: list[Field], version: int) -> int | None:
    lengths = [value for _, lower, value in found if lower == b"content-length"]
    codings = [value for _, lower, value in found if lower == b"transfer-encoding"]
    if codings:
        if lengths or version == 0:
            raise BadMessage(400, "Transfer-Encoding beside Content-Length or in HTTP/1.0 has two readings.")
        if len(codings) > 1 or codings[0].lower() != b"chunked":
            raise BadMessage(400, "The only transfer coding of a request is chunked, once.")
        return None
    if not lengths:
        return 0
    if len(lengths) > 1 or _DIGITS.fullmatch(lengths[0]) is None:
        raise BadMessage(400, "Content-Length is one plain decimal number.")
    return int(lengths[0])


def _keep_alive(found: list[Field], version: int) -> bool:
    wants = [token for _, lower, value in found if lower == b"connection" for token in fields.tokens(value)]
    return b"close" not in wants and (version == 1 or b"keep-alive" in wants)


def _expects(found: list[Field], version: int) -> bool:
    expected = [value.lower() for _, lower, value in found if lower == b"expect"]
    if not expected or version == 0:
        return False
    if expected != [b"100-continue"]:
        raise BadMessage(417, "The only expectation met here is 100-continue.")
    return True
