"""One reading of a request and only one. What two readers could take differently is refused."""

from __future__ import annotations

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbkit.dataplane.wire import onward
from lbkit.dataplane.wire import request as requests
from lbkit.dataplane.wire.body import ChunkedBody, LengthBody
from lbkit.dataplane.wire.errors import BadMessage
from lbkit.spec.listener import RequestLimits

LIMITS = RequestLimits()
HOST = b"Host: a.example\r\n"


def head(line: bytes = b"GET / HTTP/1.1", fields: bytes = HOST) -> bytes:
    return line + b"\r\n" + fields + b"\r\n"


def status_of(data: bytes, limits: RequestLimits = LIMITS) -> int:
    """200 when it is accepted."""
    try:
        length = requests.find_head(data, limits)
        assert length == len(data)
        requests.parse(data, limits)
    except BadMessage as error:
        return error.status
    return 200


LINES = [
    (b"GET / HTTP/1.1", 200), (b"OPTIONS * HTTP/1.1", 200), (b"GET http://a.example/x HTTP/1.1", 200),
    (b"get / HTTP/1.1", 200), (b"PROPFIND / HTTP/1.1", 200), (b"GET /\xc3\xa9 HTTP/1.1", 400),
    (b"GET  / HTTP/1.1", 400), (b"GET\t/ HTTP/1.1", 400), (b"GET / HTTP/1.1 ", 400), (b" GET / HTTP/1.1", 400),
    (b"GET HTTP/1.1", 400), (b"GET /", 400), (b"GET /a b HTTP/1.1", 400), (b"GET /#x HTTP/1.1", 400),
    (b"GET / HTTP/1", 400), (b"GET / HTTP/01.1", 400), (b"GET / http/1.1", 400), (b"GET / HTTP/ 1.1", 400),
    (b"GET / HTTP/1.2", 505), (b"GET / HTTP/2.0", 505), (b"GET / HTTP/0.9", 505),
    (b"GET * HTTP/1.1", 400), (b"GET x HTTP/1.1", 400), (b"GET http:// HTTP/1.1", 400), (b"GET http://u@a/ HTTP/1.1", 400),
    (b"CONNECT a:80 HTTP/1.1", 405), (b"TRACE / HTTP/1.1", 405), (b"G(T / HTTP/1.1", 400),
    (b"GET /\x00 HTTP/1.1", 400), (b"GET /\x7f HTTP/1.1", 400), (b"PRI * HTTP/2.0", 505),
]  # fmt: skip


@pytest.mark.parametrize(("line", "status"), LINES)
def test_request_lines(line: bytes, status: int):
    assert status_of(head(line)) == status


FIELDS = [
    (b"Host : a\r\n", 400), (b"Host\t: a\r\n", 400), (b": a\r\n" + HOST, 400), (b"no colon\r\n" + HOST, 400),
    (b" X: folded first\r\n" + HOST, 400), (HOST + b"X: a\r\n folded\r\n", 400), (HOST + b"X: a\x00b\r\n", 400),
    (HOST + b"X: a\rb\r\n", 400), (HOST + b"X: a\x01\r\n", 400), (HOST + b"X: a\x0bb\r\n", 400), (HOST + b"X: a\nY: b\r\n", 400),
    (HOST + b"X[]: a\r\n", 400), (HOST + b"X\xc3: a\r\n", 400), (HOST + b"X: \xc3\xa9\r\n", 200), (HOST + b"X:\r\n", 200),
    (b"", 400), (HOST + HOST, 400), (HOST + b"Host: b\r\n", 400), (b"Host: \r\n", 400), (b"Host: u@a\r\n", 400),
    (b"Host: a/b\r\n", 400), (b"Host: a, b\r\n", 400), (b"Host: a b\r\n", 400), (b"Host: [::1]:80\r\n", 200), (b"Host: a:x\r\n", 400),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "status"), FIELDS)
def test_fields_and_host(fields: bytes, status: int):
    assert status_of(head(fields=fields)) == status


LENGTHS = [
    (b"5", 200), (b"0", 200), (b"05", 200), (b"", 400), (b"+5", 400), (b"-1", 400), (b"-0", 400), (b"0x5", 400), (b"0o5", 400),
    (b"1_0", 400), (b"1 0", 400), (b"5, 5", 400), (b"5, 6", 400), (b"9" * 30, 400), (b"five", 400), (b"5\r\nContent-Length: 6", 400),
    (b"5\r\nContent-Length: 5", 400),
]  # fmt: skip


@pytest.mark.parametrize(("value", "status"), LENGTHS)
def test_content_length(value: bytes, status: int):
    assert status_of(head(b"POST / HTTP/1.1", HOST + b"Content-Length: " + value + b"\r\n")) == status


CODINGS = [
    (b"chunked", 200), (b"Chunked", 200), (b"CHUNKED", 200), (b"\tchunked \t", 200), (b"xchunked", 400), (b"chunked, chunked", 400),
    (b"chunked, gzip", 400), (b"gzip, chunked", 501), (b"identity", 400), (b"", 400), (b", chunked", 400), (b"chunked,", 400),
    (b"chunked;x=1", 400), (b'"chunked"', 400), (b"chunked\x0b", 400), (b"\x0cchunked", 400), (b"chunked\x00", 400), (b"chu nked", 400),
    (b"chunked\r\nTransfer-Encoding: chunked", 400), (b"chunked\r\nContent-Length: 5", 400),
    (b"chunked\r\nTransfer-Encoding: identity", 400),
]  # fmt: skip


@pytest.mark.parametrize(("value", "status"), CODINGS)
def test_transfer_encoding(value: bytes, status: int):
    assert status_of(head(b"POST / HTTP/1.1", HOST + b"Transfer-Encoding: " + value + b"\r\n")) == status


@pytest.mark.parametrize("octet", [0x01, 0x04, 0x08, 0x0B, 0x0C, 0x0D, 0x1F, 0x20, 0x7F, 0xA0, 0xFF])
@pytest.mark.parametrize("place", ["before", "after"])
def test_an_octet_beside_the_name_hides_no_transfer_encoding(octet: int, place: str):
    name = b"Transfer-Encoding"
    name = bytes([octet]) + name if place == "before" else name + bytes([octet])
    assert status_of(head(b"POST / HTTP/1.1", HOST + name + b": chunked\r\nContent-Length: 3\r\n")) == 400


def test_transfer_encoding_in_http_1_0_is_refused():
    assert status_of(head(b"POST / HTTP/1.0", HOST + b"Transfer-Encoding: chunked\r\n")) == 400


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n", 414),
        (b"GET /" + b"a" * 20_000, 414),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 70_000, 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 200 + b"\r\n", 431),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n", 417),
    ],
)
def test_limits_have_their_codes(data: bytes, status: int):
    assert status_of(data, RequestLimits(body=10)) == status


def test_an_absolute_target_decides_the_host():
    request = requests.parse(head(b"GET http://b.example?q HTTP/1.1"), LIMITS)
    assert (request.target, request.host) == (b"/?q", b"b.example")


def parsed(data: bytes) -> requests.Request:
    return requests.parse(data, LIMITS)


def for_node(data: bytes) -> bytes:
    return sent(parsed(data))


def sent(request: requests.Request, trusted: bool = False) -> bytes:
    forwarded = onward.forwarded(request, b"192.0.2.1", b"http", trusted)
    return onward.head_for_node(request, forwarded, b"id-1", b"10.0.0.1:80", b"trace")


def test_hop_by_hop_and_nominated_fields_stay_here():
    fields = b"Connection: x-secret, keep-alive\r\nX-Secret: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\nUpgrade: h2c\r\nX-Kept: 1\r\n"
    sent = for_node(head(fields=HOST + fields)).lower()
    assert b"x-kept: 1\r\n" in sent
    for gone in (b"connection", b"x-secret", b"keep-alive", b"te:", b"upgrade"):
        assert gone not in sent


def test_the_client_cannot_write_its_own_address():
    sent = for_node(head(fields=HOST + b"X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nVia: 1.0 edge\r\n"))
    assert b"6.6.6.6" not in sent
    assert b"X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: http\r\n" in sent
    assert b"Via: 1.0 edge\r\nVia: 1.1 lbkit\r\n" in sent


@pytest.mark.parametrize(
    ("version", "connection", "keeps"),
    [
        (b"1.1", b"", True), (b"1.1", b"close", False), (b"1.1", b"foo, Close", False),
        (b"1.0", b"", False), (b"1.0", b"Keep-Alive", True), (b"1.0", b"keep-alive, close", False),
    ],
)  # fmt: skip
def test_keep_alive(version: bytes, connection: bytes, keeps: bool):
    fields = HOST + (b"Connection: " + connection + b"\r\n" if connection else b"")
    assert parsed(head(b"GET / HTTP/" + version, fields)).keep_alive is keeps


def test_the_shape_of_bodies():
    assert isinstance(parsed(head(b"POST / HTTP/1.1", HOST + b"Transfer-Encoding: chunked\r\n")).body(), ChunkedBody)
    body = parsed(head(b"POST / HTTP/1.1", HOST + b"Content-Length: 3\r\n")).body()
    assert isinstance(body, LengthBody)
    assert not parsed(head()).has_body


tokens = st.text("abcXYZ-_.0", min_size=1, max_size=8).map(str.encode)
texts = st.binary(max_size=20)


@given(
    tokens,
    st.binary(min_size=1, max_size=12),
    st.lists(st.tuples(tokens | texts, texts), max_size=5),
    st.binary(max_size=4),
)
def test_whatever_is_accepted_reaches_the_node_as_one_request_for_h11(
    method: bytes, path: bytes, pairs: list[tuple[bytes, bytes]], glue: bytes
):
    data = (
        method
        + b" /"
        + path
        + b" HTTP/1.1\r\n"
        + HOST
        + b"".join(n + b":" + glue + v + b"\r\n" for n, v in pairs)
        + b"\r\n"
    )
    try:
        if requests.find_head(data, LIMITS) != len(data):
            return
        request = requests.parse(data, LIMITS)
    except BadMessage:
        return
    passed = sent(request)
    oracle = h11.Connection(h11.SERVER)
    oracle.receive_data(passed)
    event = oracle.next_event()
    assert isinstance(event, h11.Request)
    assert (event.method, event.target) == (request.method, request.target)
    assert oracle.trailing_data[0] == b"" or request.has_body
