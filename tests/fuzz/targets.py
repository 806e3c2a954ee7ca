"""One fuzz target for each parser. A target is given any octets and checks the parser's laws; it fails by raising.

Laws: nothing is raised but the parser's own error; octets that come in pieces mean what they mean at once; what is
written is read as the same again.
"""

from __future__ import annotations

from collections.abc import Callable

from lbkit.dataplane.wire import answer as answers
from lbkit.dataplane.wire import client_hello, onward, proxy, x509
from lbkit.dataplane.wire import request as requests
from lbkit.dataplane.wire.body import LAST_CHUNK, ChunkedBody, chunk
from lbkit.dataplane.wire.errors import BadMessage
from lbkit.spec.listener import RequestLimits

_LIMITS = RequestLimits(target=64, headers=512, fields=8)
"""Small, so that short inputs meet them."""
END = b"\r\n\r\n"


def cut(data: bytes) -> list[bytes]:
    """Pieces of the data; the data itself chooses where."""
    at = sorted({octet % (len(data) + 1) for octet in data[-4:]})
    return [data[a:b] for a, b in zip([0, *at], [*at, len(data)], strict=True) if a < b]


def request_head(data: bytes) -> None:
    at_once, in_pieces = _read(data), _read_in_pieces(data)
    if at_once == "refused" and in_pieces is None:
        in_pieces = _read_in_pieces(data + END)  # what came at once was hopeless at once
    assert _said(at_once) == _said(in_pieces), (at_once, in_pieces)
    if isinstance(at_once, requests.Request) and not at_once.ends_here:
        _goes_on_as_itself(at_once)


def _read(data: bytes) -> requests.Request | str | None:
    try:
        return requests.read(data, _LIMITS)
    except BadMessage:
        return "refused"


def _read_in_pieces(data: bytes) -> requests.Request | str | None:
    buffer, found = b"", None
    for piece in cut(data):
        seen = len(buffer)
        buffer += piece
        if not seen or requests.worth_reading(buffer, seen, _LIMITS):
            found = _read(buffer)
            if found is not None:
                break
    return found


def _said(found: requests.Request | str | None) -> object:
    if not isinstance(found, requests.Request):
        return found
    return found.method, found.target, found.host, found.length, found.text, found.head_length, found.keep_alive


def _goes_on_as_itself(request: requests.Request) -> None:
    forwarded = onward.forwarded(request, b"192.0.2.1", b"http", len(request.text) % 2 == 0)
    sent = onward.head_for_node(
        request, forwarded, b"id", request.host or b"node:80", onward.traceparent(request, b"t")
    )
    again = requests.read(sent, RequestLimits())
    assert again is not None
    assert again.head_length == len(sent)
    assert (again.method, again.target, again.length) == (request.method, request.target, request.length)
    assert again.host == (request.host or b"node:80")
    assert again.websocket == request.websocket
    assert sent.lower().count(b"\r\ntransfer-encoding:") + sent.lower().count(b"\r\ncontent-length:") <= 1


def answer_head(data: bytes) -> None:
    method = b"HEAD" if data[-1:] == b"H" else b"GET"
    try:
        answer = answers.read(data, method, websocket=data[-1:] == b"W")
    except BadMessage:
        return
    if answer is None:
        return
    assert answers.read(data[: answer.head_length - 1], method, websocket=True) is None
    for chunked in (False, True):
        sent = answers.head_for_client(answer, chunked=chunked, close=False, old_client=False, date=b"today")
        again = answers.read(sent, method, websocket=answer.status == 101)
        assert again is not None
        assert (again.status, again.reason, again.head_length) == (answer.status, answer.reason or b"", len(sent))
        assert b"date" in again.found
    if answer.plain:
        head = data[: answer.head_length].lower()
        assert head.startswith(b"http/1.1 ")
        assert head.count(b"\r\ncontent-length:") == 1
        assert b"\r\ntransfer-encoding:" not in head


def heads_in_a_row(data: bytes) -> None:
    """One reader reads each as the first one; NUL, which no head has, is between them."""
    requests_reader, answers_reader = requests.Reader(_LIMITS), answers.Reader()
    asked = requests.parse(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", _LIMITS)
    for head in data.split(b"\x00"):
        assert meant(requests_reader.read, head) == meant(requests.read, head, _LIMITS)
        assert meant(answers_reader.read, head, asked) == meant(answers.read, head, b"GET")


def meant(read: Callable[..., object], *given: object) -> object:
    """Everything that a head was taken for, or why it was refused."""
    try:
        found = read(*given)
    except BadMessage as error:
        return error.status, error.reason
    if found is None:
        return None
    said = {slot: getattr(found, slot) for slot in type(found).__slots__}  # type: ignore[attr-defined]
    body = said.pop("body", None)
    return said, type(body), getattr(body, "left", None)


def chunked_body(data: bytes) -> None:
    once, parted, framed = ChunkedBody(200), ChunkedBody(200), ChunkedBody(200)
    expected = _fed(once, [data])
    assert _fed(parted, cut(data)) == expected
    if expected is None:
        return
    assert (once.done, once.rest) == (parted.done, parted.rest)
    again = ChunkedBody()
    passed = b"".join(framed.frame(piece) for piece in cut(data) if not framed.done)
    assert again.feed(passed) == expected
    assert (again.done, again.rest) == (once.done, b"")
    assert once.octets >= len(expected)
    whole = ChunkedBody()
    assert whole.feed(chunk(expected) + LAST_CHUNK) == expected
    assert whole.done


def _fed(body: ChunkedBody, parts: list[bytes]) -> bytes | None:
    """The payload; None for what is refused. What follows the body is added to its rest."""
    payload = b""
    try:
        for part in parts:
            if body.done:
                body.rest += part
            else:
                payload += body.feed(part)
    except BadMessage:
        return None
    return payload


def proxy_header(data: bytes) -> None:
    try:
        found = proxy.read(data)
    except BadMessage:
        return
    if found is None:
        return
    length, client = found
    for end in (0, 1, 12, 15, 16, length - 1):
        assert end >= length or proxy.read(data[:end]) is None
    if client is not None:
        for version in ("v1", "v2"):
            sent = proxy.write(version, client, ("192.0.2.1", 80))
            again = proxy.read(sent + data)
            assert again is not None
            assert again[0] == len(sent)
            assert again[1] is not None
            assert again[1][1] == client[1]


def client_hello_name(data: bytes) -> None:
    try:
        name = client_hello.server_name(data)
    except BadMessage:
        return
    if name is not None:
        assert name == name.lower()
        assert all("!" <= letter <= "~" for letter in name)
        assert client_hello.server_name(data + b"more") == name
    for end in range(0, len(data), 1 + len(data) // 8):
        try:
            assert client_hello.server_name(data[:end]) in (None, name)
        except BadMessage as error:
            raise AssertionError("a beginning is refused whose whole is not") from error


def certificate_names(data: bytes) -> None:
    try:
        names = x509.names_of(data)
    except ValueError:
        return
    assert all(isinstance(name, str) and name == name.lower() for name in names)


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (
        request_head,
        answer_head,
        heads_in_a_row,
        chunked_body,
        proxy_header,
        client_hello_name,
        certificate_names,
    )
}
