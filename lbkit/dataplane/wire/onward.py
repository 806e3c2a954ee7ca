"""The head as it goes on to a node, built from what was understood of a request; no other octets of the client get there.

What a client says about itself (X-Forwarded-*, Forwarded, X-Real-IP) is believed of trusted peers only.
"""

from __future__ import annotations

import re

from lbkit.dataplane.wire.request import Request

_OURS = frozenset((b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host"))


def head_for_node(
    request: Request, forwarded: bytes, request_id: bytes, host: bytes, trace: bytes, body: bytes = b""
) -> bytes:
    """The head as it goes to a node: our own version, Host, framing, Via and forwarding fields (RFC 9110 section 7.6).

    `forwarded`: X-Forwarded-* lines. `trace`: the traceparent and what belongs to it. `body`: what is there of the body, to go along.
    """
    length = request.length
    if length is None:
        framing = b"Transfer-Encoding: chunked\r\n"
    elif length or b"content-length" in request.found:
        framing = b"Content-Length: %d\r\n" % length
    else:
        framing = b""
    if request.websocket:
        framing += b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
    return b"%b %b HTTP/1.1\r\nHost: %b\r\n%b%bVia: 1.%d lbkit\r\n%bX-Request-Id: %b\r\ntraceparent: %b\r\n\r\n%b" % (
        request.method, request.target, host, request.text, framing, request.version, forwarded, request_id, trace, body,
    )  # fmt: skip


def forwarded(request: Request, client: bytes, scheme: bytes, trusted: bool) -> bytes:
    """X-Forwarded-* lines. Those of a trusted peer are added to, all others are replaced."""
    host, more = request.host, b""
    if trusted:
        said = request.value
        more = _said_by_proxies(request, client, scheme)
        if chain := said(b"x-forwarded-for"):
            client = chain + b", " + client
        scheme, host = said(b"x-forwarded-proto") or scheme, said(b"x-forwarded-host") or host
    if host:
        more = b"X-Forwarded-Host: %b\r\n%b" % (host, more)
    return b"X-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\n%b" % (client, scheme, more)


def _said_by_proxies(request: Request, client: bytes, scheme: bytes) -> bytes:
    """A trusted peer's other words about the client; to Forwarded this hop is added (RFC 7239 section 4)."""
    lines = b""
    for name in request.found:
        if name not in _OURS and name.startswith((b"x-forwarded-", b"x-real-ip", b"forwarded")):
            value = request.value(name)
            if value and name == b"forwarded":
                node = b'"[%b]"' % client if b":" in client else client
                value = b"%b, for=%b;proto=%b" % (value, node, scheme)
            lines += b"%b: %b\r\n" % (name, value) if value else b""
    return lines


_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_TRACE = rb"-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
_TRACEPARENT = re.compile(rb"00" + _TRACE + rb"|(?!00|ff)[0-9a-f]{2}" + _TRACE + rb"(?:-[!-~]*)?")


def request_id(request: Request, fresh: bytes) -> bytes:
    """The client's own id when it is a plain word, else the fresh one."""
    given = request.found.get(b"x-request-id")
    if given is None:
        return fresh
    return given if _REQUEST_ID.fullmatch(given) else fresh


def traceparent(request: Request, fresh: bytes) -> bytes:
    """The client's own W3C trace context when it is valid, else the fresh one, which begins a trace.

    The tracestate follows as a line of its own; that of a broken context belongs to nothing.
    """
    given = request.found.get(b"traceparent")
    if given is None:
        return fresh
    if _TRACEPARENT.fullmatch(given) is None:
        return fresh
    state = request.value(b"tracestate")
    return b"%b\r\ntracestate: %b" % (given, state) if state else given
