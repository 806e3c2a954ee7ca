"""A request's head: one strict reading. `onward` builds from it what goes to a node.

What two readers could take differently is refused with 400 and close: Content-Length beside Transfer-Encoding, any
coding but `chunked`, lists of lengths, more than one Host, other blanks than single ones in the request line.
"""

from __future__ import annotations

import re
from functools import lru_cache

from lbkit.dataplane.wire import fields
from lbkit.dataplane.wire.body import EXTENSIONS_LIMIT, NOTHING, Body, ChunkedBody, LengthBody
from lbkit.dataplane.wire.errors import BadMessage
from lbkit.dataplane.wire.template import Templates
from lbkit.spec.listener import RequestLimits

_LINE = re.compile(rb"(" + fields.TOKEN + rb") ([\x21-\x7e]++) HTTP/1\.([01])")
_VERSION = re.compile(fields.TOKEN + rb" [\x21-\x7e]++ HTTP/([0-9])\.([0-9])\r\n")
_BEGINNING = re.compile(
    rb"(?:\r|" + fields.TOKEN + rb"(?: (?:[\x21-\x7e]++(?: (?:H(?:T(?:T(?:P(?:/(?:[0-9](?:\.(?:[0-9](?:\r(?:\n(?:"
    + fields.FIELDS + rb"(?:\r|" + fields.TOKEN + rb"(?::" + fields.VALUE + rb"\r?)?)?)?)?)?)?)?)?)?)?)?)?)?)?)?)?)?"
)  # fmt: skip
"""What can still become a head."""
_BROKEN_LINE = re.compile(rb"(?<!\r)\n|\r(?!\n|\Z)")
_HOST = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+;=%-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_ABSOLUTE = re.compile(rb"[Hh][Tt][Tt][Pp][Ss]?://([^/?#@]+)(/[^#]*|\?[^#]*|)")
_MOST_DIGITS = 18
_SLASH, _HASH = b"/#"  # a number is looked for ten times as fast as octets
_CODINGS = re.compile(rb"(?:(?!chunked[ \t]*,)" + fields.TOKEN + rb"[ \t]*,[ \t]*)+chunked")
_METHOD_LIMIT = 64
_AROUND_TARGET = _METHOD_LIMIT + len(b"  HTTP/1.1")
IDEMPOTENT = frozenset((b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"))  # RFC 9110 section 9.2.2; TRACE is refused
_REMOVED = fields.HOP_BY_HOP | {
    b"host", b"content-length", b"expect", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host",
    b"x-request-id", b"max-forwards", b"traceparent", b"tracestate", b"forwarded", b"x-real-ip",
}  # fmt: skip
_FIELDS = fields.Sorter(
    _REMOVED | {b"cookie", b"via"}, _REMOVED, framing=(b"content-length", b"transfer-encoding"), family=b"x-forwarded-"
)
_DECISIVE = frozenset((b"connection", b"expect", b"transfer-encoding", b"upgrade", b"via"))
"""From these more is concluded than their own values; `alike` takes it over."""
_MOST_HOPS = 10


class Request:
    """An understood request head."""

    __slots__ = (
        "ends_here", "expects_continue", "found", "head_length", "host", "keep_alive", "length", "method", "target", "text",
        "version", "websocket",
    )  # fmt: skip

    def __init__(
        self, method: bytes, target: bytes, version: int, host: bytes, text: bytes, found: fields.Found
    ) -> None:
        self.method, self.host, self.version = method, host, version
        self.target = target
        """In origin form, or `*`."""
        self.text, self.found = text, found
        """Field lines to pass on, each with its end, and watched values by lower-case name."""
        self.length: int | None = 0
        """Content-Length; None when the body is chunked."""
        self.keep_alive = version == 1
        self.websocket = self.ends_here = self.expects_continue = False
        self.head_length = 0
        """Octets of the head, to where the body begins."""

    def conclude(self) -> None:
        """What follows from the fields. Raises BadMessage."""
        found, version = self.found, self.version
        self.length = _length(found, version)
        if b"connection" in found:
            wants = fields.tokens(found[b"connection"])
            self.keep_alive = b"close" not in wants and (version == 1 or b"keep-alive" in wants)
            self.websocket = b"upgrade" in wants and self._asks_websocket()
        if b"expect" in found:
            self.expects_continue = _expects(found[b"expect"], version)

    def alike(self, text: bytes, head_length: int) -> Request:
        """With another text to pass on, from which nothing else follows."""
        other = Request(self.method, self.target, self.version, self.host, text, self.found)
        other.length, other.head_length = self.length, head_length
        other.keep_alive, other.websocket = self.keep_alive, self.websocket
        other.ends_here, other.expects_continue = self.ends_here, self.expects_continue
        return other

    @property
    def has_body(self) -> bool:
        return self.length != 0

    def body(self) -> Body:
        if self.length is None:
            return ChunkedBody(EXTENSIONS_LIMIT)
        return LengthBody(self.length) if self.length else NOTHING

    def value(self, name: bytes) -> bytes | None:
        """The first field of this lower-case name."""
        known = self.found.get(name)
        return fields.value(self.text, name) if known is None else known

    def _asks_websocket(self) -> bool:
        """RFC 6455 section 4.1; every other protocol stays unasked for (RFC 9110 section 7.8 lets us ignore Upgrade)."""
        asked = fields.tokens(self.found.get(b"upgrade", b""))
        return asked == [b"websocket"] and self.method == b"GET" and self.version == 1 and self.length == 0


def find_head(data: bytes, limits: RequestLimits) -> int:
    """Length of the head at the start of `data`, or 0 while it is not complete. Raises BadMessage when it is too long."""
    most = limits.target + _AROUND_TARGET
    if len(data) > most and data.find(b"\r\n", 0, most + 2) < 0:
        raise _too_long(data, limits)
    end = data.find(b"\r\n\r\n")
    if end > limits.headers or (end < 0 and len(data) > limits.headers + 3):
        raise _too_much(limits)
    return end + 4 if end >= 0 else 0


def worth_reading(data: bytes, seen: int, limits: RequestLimits) -> bool:
    """Whether a head may be whole or wrong by now, of which the first `seen` octets gave no reason to think so.

    It looks at new octets only: a head that comes octet by octet costs about what it costs at once.
    """
    return (
        data.find(b"\r\n\r\n", max(0, seen - 3)) >= 0
        or _BROKEN_LINE.search(data, max(0, seen - 1)) is not None
        or len(data) > limits.headers + 3
        or (len(data) > (most := limits.target + _AROUND_TARGET) and data.find(b"\r\n", 0, most + 2) < 0)
    )


def without_empty_lines(data: bytes) -> bytes:
    """What follows the empty lines before a request (RFC 9112 section 2.2)."""
    at = 0
    while data.startswith(b"\r\n", at):
        at += 2
    return data[at:]


def read(data: bytes, limits: RequestLimits) -> Request | None:
    """The head at the start of `data`, None while it is not complete. Raises BadMessage."""
    end = data.find(b"\r\n\r\n")
    if end >= 0:
        return _understood(data, end, limits)
    if find_head(data, limits) or _BEGINNING.fullmatch(data) is None:
        raise _unreadable(data)  # at once, also when the end is still to come
    return None


class Reader(Templates[Request]):
    """Reads the heads of one listener. Most are like others that came before, and are not read by lines."""

    def __init__(self, limits: RequestLimits) -> None:
        super().__init__(_FIELDS, _DECISIVE)
        self._limits = limits

    def read(self, data: bytes) -> Request | None:
        """As the function `read`."""
        request = self.fitting(data)
        if request is None:
            request = read(data, self._limits)
            if request is not None and _is_plain(request, data):
                self.learn(data, request)
        return request

    def filled(self, like: Request, text: bytes, found: fields.Found, length: int) -> Request:
        if length > self._limits.headers + 4:
            raise _too_much(self._limits)
        request = like.alike(text, length)
        if found:
            request.found = found = like.found | found
            request.host, request.length = _host(found, like.version), _length(found, like.version)
            _check_length(request, self._limits)
        return request


def _is_plain(request: Request, data: bytes) -> bool:
    """Whether it goes on with its target and Host as they came, and nothing was added to its fields."""
    return data.startswith(request.target, len(request.method) + 1) and b"max-forwards" not in request.found


def parse(head: bytes, limits: RequestLimits) -> Request:
    """A head that is complete, and nothing behind it. Raises BadMessage."""
    request = read(head, limits)
    if request is None or request.head_length != len(head):
        raise _unreadable(head)
    return request


_REFUSED = frozenset((b"CONNECT", b"TRACE"))


def cookie(request: Request, name: bytes) -> bytes:
    """The value of a cookie, or nothing."""
    for part in request.found.get(b"cookie", b"").replace(b",", b";").split(b";"):
        key, _, found = part.strip(b" \t").partition(b"=")
        if key == name:
            return found
    return b""


def _understood(data: bytes, end: int, limits: RequestLimits) -> Request:
    """The head that ends at `end`."""
    head = data[:end].split(b"\r\n")
    match = _LINE.fullmatch(head[0])
    if match is None:
        find_head(data, limits)
        raise _unreadable(data)
    method, target, minor = match.groups()
    if len(method) > _METHOD_LIMIT:
        raise BadMessage(501, f"No method is longer than {_METHOD_LIMIT} octets.")
    if len(target) > limits.target:
        raise BadMessage(414, f"The request target is longer than {limits.target} octets.")
    if end > limits.headers:
        raise _too_much(limits)
    if len(head) > limits.fields + 1:
        raise BadMessage(431, f"More than {limits.fields} header fields.")
    try:
        text, found = _FIELDS.sort(head)
    except fields.Malformed:
        raise _unreadable(data) from None
    version = 1 if minor == b"1" else 0
    host = _host(found, version)
    if target[0] != _SLASH or _HASH in target or method in _REFUSED:
        target, host = _origin_form(method, target, host)
    request = Request(method, target, version, host, text, found)
    request.conclude()
    request.head_length = end + 4
    _check_length(request, limits)
    if method == b"OPTIONS" and b"max-forwards" in found:
        _count_down(request)
    if b"via" in found and found[b"via"].count(b" lbkit") >= _MOST_HOPS:
        raise BadMessage(508, "The request came through here before: it goes in a circle.")
    return request


def _check_length(request: Request, limits: RequestLimits) -> None:
    if limits.body is not None and request.length and request.length > limits.body:
        raise BadMessage(413, f"The body is larger than {limits.body} octets.")


def _count_down(request: Request) -> None:
    """RFC 9110 section 7.6.2: an OPTIONS request that may go no further is answered here."""
    left = request.found[b"max-forwards"]
    if not left.isdigit() or len(left) > _MOST_DIGITS:
        raise BadMessage(400, "Max-Forwards is one plain decimal number.")
    request.ends_here = int(left) == 0
    request.text += b"Max-Forwards: %d\r\n" % (int(left) - 1)


def _unreadable(head: bytes) -> BadMessage:
    version = _VERSION.match(head)
    if version and version.groups() not in ((b"1", b"0"), (b"1", b"1")):
        return BadMessage(505, "Only HTTP/1.0 and HTTP/1.1 are spoken here.")
    return BadMessage(400, "The request line or a header field is not as RFC 9112 writes it.")


def _too_much(limits: RequestLimits) -> BadMessage:
    return BadMessage(431, f"The request's head is longer than {limits.headers} octets.")


def _too_long(data: bytes, limits: RequestLimits) -> BadMessage:
    if data.find(b" ", 0, _METHOD_LIMIT + 1) < 0:
        return BadMessage(501, f"No method is longer than {_METHOD_LIMIT} octets.")
    return BadMessage(414, f"The request target is longer than {limits.target} octets.")


def _host(found: fields.Found, version: int) -> bytes:
    host = found.get(b"host")
    if host is None:
        if version == 1:
            raise BadMessage(400, "A request has exactly one Host.")
        return b""
    if not _is_host(host):
        raise BadMessage(400, "A request has exactly one Host: a host with an optional port.")
    return host


@lru_cache(256)
def _is_host(value: bytes) -> bool:
    return _HOST.fullmatch(value) is not None


def _origin_form(method: bytes, target: bytes, host: bytes) -> tuple[bytes, bytes]:
    if method in _REFUSED:
        raise BadMessage(405, f"{method.decode()} is not served here.")
    if _HASH in target:
        raise BadMessage(400, "A request target has no fragment.")
    if target == b"*" and method == b"OPTIONS":
        return target, host
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None or not absolute[1] or _HOST.fullmatch(absolute[1]) is None:
        raise BadMessage(400, "The request target is neither a path nor an absolute http address.")
    path = absolute[2]
    if not path.startswith(b"/"):
        path = b"*" if method == b"OPTIONS" and not path else b"/" + path
    return path, absolute[1]


def _length(found: fields.Found, version: int) -> int | None:
    coding, length = found.get(b"transfer-encoding"), found.get(b"content-length")
    if coding is not None:
        if length is not None or version == 0:
            raise BadMessage(400, "Transfer-Encoding beside Content-Length or in HTTP/1.0 has two readings.")
        coding = coding.lower()
        if coding != b"chunked":
            unknown = _CODINGS.fullmatch(coding) is not None  # framed well, but not understood: RFC 9112 section 6.1
            raise BadMessage(501 if unknown else 400, "The only transfer coding of a request is chunked, once.")
        return None
    if length is None:
        return 0
    if not length.isdigit() or len(length) > _MOST_DIGITS:
        raise BadMessage(400, "Content-Length is one plain decimal number.")
    return int(length)


def _expects(value: bytes, version: int) -> bool:
    if version == 0:
        return False
    if value.lower() != b"100-continue":
        raise BadMessage(417, "The only expectation met here is 100-continue.")
    return True
