"""h11 as the oracle: what reaches a node is what was meant, and what reaches a client is whole or visibly broken.

Streams are valid, nearly valid, mutated, concatenated, and cut anywhere.
"""

from __future__ import annotations

import os
from typing import Any

import h11
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.dataplane.wire.glass import OK, Glass, pieces
from tests.dataplane.wire.payloads import GROUPS

EXAMPLES = int(os.environ.get("LBKIT_EXAMPLES", "300"))
many = settings(max_examples=EXAMPLES, deadline=None)

tokens = st.text("abcXYZ-_.0!", min_size=1, max_size=8).map(str.encode)
values = st.one_of(st.binary(max_size=12), st.text('abc ,;=\t"', max_size=12).map(str.encode))
odd = st.sampled_from([
    b"\r", b"\n", b"\r\n", b" ", b"\t", b"\x00", b"\x0b", b":", b",", b"chunked", b"0\r\n\r\n", b"\r\n\r\n", b"5",
    b"HTTP/1.1", b"\xa0",
    b"Transfer-Encoding: chunked\r\n", b"Content-Length: 3\r\n", b"Content-Length: 30\r\n", b"Host: t\r\n",
    b"GET / HTTP/1.1\r\nHost: t\r\n\r\n",
    b"Expect: 100-continue\r\n", b"Connection: close\r\n", b"Connection: content-length\r\n", b"HTTP/1.0", b"\r\n ",
    b";a=b", b"_", b"Upgrade: websocket\r\n",
])  # fmt: skip
bodies = st.binary(max_size=40)
cuts = st.lists(st.integers(0, 2000), max_size=8)
Request = tuple[bytes, bytes, bytes]


@st.composite
def requests(draw: Any) -> tuple[bytes, Request]:
    """A valid request, and what it means."""
    method = draw(st.sampled_from([b"GET", b"POST", b"PUT", b"HEAD", b"DELETE", b"OPTIONS", b"PATCH", b"get", b"X-Y"]))
    path = b"/" + draw(st.text("abz09/?&=%.~", max_size=10)).encode()
    target = draw(st.sampled_from([path, b"http://b.example" + path]))
    lines = [b"Host: t"]
    for name, value in draw(st.lists(st.tuples(tokens, st.text("abc ,;\t", max_size=9).map(str.encode)), max_size=4)):
        lines.append(b"X" + name + b":" + value)
    body = draw(bodies)
    framing = draw(st.sampled_from(["none", "length", "chunked"]))
    data = b""
    if framing == "none":
        body = b""
    elif framing == "length":
        lines.append(b"Content-Length: %d" % len(body))
        data = body
    else:
        lines.append(draw(st.sampled_from([b"Transfer-Encoding: chunked", b"transfer-encoding:Chunked\t"])))
        extension = draw(st.sampled_from([b"", b";a", b';a="b c"']))
        for part in pieces(body, draw(cuts)):
            data += draw(st.sampled_from([b"%x", b"%X", b"0%x"])) % len(part) + extension + b"\r\n" + part + b"\r\n"
        data += (
            b"0" + extension + b"\r\n" + draw(st.sampled_from([b"", b"T: v\r\n", b"Content-Length: 9\r\n"])) + b"\r\n"
        )
    lines = draw(st.permutations(lines))
    return b"%b %b HTTP/1.1\r\n%b\r\n\r\n%b" % (method, target, b"\r\n".join(lines), data), (method, path, body)


@given(st.lists(requests(), min_size=1, max_size=4), cuts)
@many
def test_valid_requests_reach_the_nodes_as_they_were_meant(sent: list[tuple[bytes, Request]], at: list[int]):
    house = Glass().send(*pieces(b"".join(data for data, _ in sent), at))
    assert house.requests == [meant for _, meant in sent]
    assert house.answer == OK * len(sent)
    assert len(house.nodes) == 1


@st.composite
def streams(draw: Any) -> bytes:
    """Requests with something done to them."""
    parts = draw(
        st.lists(st.one_of(requests().map(lambda made: made[0]), catalogue, raw_requests()), min_size=1, max_size=3)
    )
    data = bytearray(b"".join(parts))
    for _ in range(draw(st.integers(0, 3))):
        at, what = draw(st.integers(0, len(data))), draw(st.one_of(odd, st.binary(max_size=3)))
        width = draw(st.sampled_from([0, 0, 1, 2, 5]))
        data[at : at + width] = what
    return bytes(data)


catalogue = st.sampled_from([data for cases in GROUPS.values() for data, _, _ in cases if len(data) < 3000])


@st.composite
def raw_requests(draw: Any) -> bytes:
    lines = draw(st.lists(st.tuples(tokens | values, values), max_size=3))
    block = b"".join(name + draw(st.sampled_from([b":", b": ", b" :"])) + value + b"\r\n" for name, value in lines)
    return b"POST /%b HTTP/1.1\r\nHost: t\r\n%b\r\n" % (draw(values), block)


def read_by_h11(data: bytes) -> list[Request]:
    """The whole requests that h11 reads as a server, up to the first that it refuses."""
    found: list[Request] = []
    oracle = h11.Connection(h11.SERVER, max_incomplete_event_size=200_000)
    oracle.receive_data(data)
    try:
        while (event := oracle.next_event()) is not h11.NEED_DATA:
            if isinstance(event, h11.Request):
                method, target, body = event.method, event.target, b""
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                found.append((method, target, body))
            elif event is h11.PAUSED:
                oracle.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
                oracle.send(h11.EndOfMessage())
                oracle.start_next_cycle()
    except (h11.RemoteProtocolError, h11.LocalProtocolError):
        pass
    return found


def told(house: Glass) -> tuple[Any, ...]:
    """What came of a stream."""
    return house.requests, [
        (exchange.request.method, exchange.status) for exchange in house.ended if exchange.status != 400
    ]


@given(streams(), cuts)
@example(
    b"POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nA: b\r\n\r\nGET / HTTP/1.1\r\n",
    [7],
)
@many
def test_whatever_is_sent_nodes_get_only_what_h11_takes_for_the_same(data: bytes, at: list[int]):
    whole = Glass().send(data)  # look() raises when h11 refuses what a node got
    parts = Glass().send(*pieces(data, at))
    single = Glass().send(*(bytes([octet]) for octet in data))
    for house in (parts, single):
        if whole.refused and not house.refused:
            house.send(b"\r\n\r\n")  # what came at once was hopeless at once; pieces are read when a head is whole
        assert (told(house), house.refused) == (told(whole), whole.refused)
    assert len(whole.requests) == sum(exchange.status == 200 for exchange in whole.ended)
    theirs = read_by_h11(data)
    for mine, oracle in zip(whole.requests, theirs, strict=False):
        assert mine[0] == oracle[0]
        assert oracle[1].endswith(mine[1]) or mine[1] in (b"*", b"/") or mine[1].startswith(b"/?")
        assert mine[2] == oracle[2], "one reading of where the body ends"


@st.composite
def replies(draw: Any) -> bytes:
    """What a node may say to a request, sensible or not."""
    status = draw(
        st.sampled_from(
            [
                b"200 OK",
                b"200 OK",
                b"200",
                b"204 No",
                b"304 Not",
                b"404 ",
                b"500 \xe9",
                b"205 R",
                b"101 S",
                b"999 X",
                b"20 X",
            ]
        )
    )
    version = draw(st.sampled_from([b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2", b"ICY"]))
    body = draw(bodies)
    fields, data = draw(st.sampled_from([
        (b"Content-Length: %d\r\n" % len(body), body), (b"Content-Length: %d\r\nContent-Length: %d\r\n" % (len(body),
        len(body)), body),
        (b"", body), (b"Content-Length: %d\r\n" % (len(body) + 1), body), (b"Content-Length: x\r\n", body),
        (b"Content-Length: 0\r\n", body),
        (b"Transfer-Encoding: chunked\r\n", b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"),
        (b"Transfer-Encoding: chunked\r\n", b"%x;a=b\r\n%b\r\n0\r\nT: v\r\n\r\n" % (len(body) + 1, body + b"x")),
        (b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n"),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"0\r\n\r\n"),
    ]))  # fmt: skip
    more = draw(
        st.sampled_from(
            [
                b"",
                b"Date: d\r\n",
                b"Connection: close\r\n",
                b"Connection: x\r\nX: y\r\n",
                b"X: y\r\n folded\r\n",
                b"X : y\r\n",
            ]
        )
    )
    early = draw(st.sampled_from([b"", b"", b"HTTP/1.1 100 C\r\n\r\n", b"HTTP/1.1 103 E\r\nLink: a\r\n\r\n"]))
    reply = bytearray(early + version + b" " + status + b"\r\n" + fields + more + b"\r\n" + data)
    if draw(st.booleans()):
        place = draw(st.integers(0, len(reply)))
        reply[place : place + draw(st.sampled_from([0, 1, 3]))] = draw(odd)
    return bytes(reply)


def read_answer(method: bytes, data: bytes, ended: bool, ours: bool) -> tuple[int, bytes] | None:
    """Status and body as h11 reads them as a client; None when it is not whole, or not HTTP."""
    oracle = h11.Connection(h11.CLIENT, max_incomplete_event_size=200_000)
    oracle.send(h11.Request(method=method, target="/", headers=[("Host", "t")]))
    oracle.send(h11.EndOfMessage())
    oracle.receive_data(data)
    if ended:
        oracle.receive_data(b"")
    status, body = 0, b""
    try:
        while (event := oracle.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
            if isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                assert not ours or oracle.trailing_data[0] == b"", "nothing follows an answer"
                return status, body
    except h11.RemoteProtocolError:
        pass
    return None


@given(
    st.sampled_from([b"GET", b"HEAD", b"POST"]),
    st.sampled_from([b"1.1", b"1.0"]),
    replies(),
    cuts,
    st.sampled_from(["stay", "leave", "break"]),
)
@many
def test_an_answer_reaches_the_client_whole_or_visibly_broken(
    method: bytes, version: bytes, reply: bytes, at: list[int], then: str
):
    seen = []
    for parts in ([reply], pieces(reply, at), pieces(reply, range(len(reply)))):
        house = Glass(reply=None, retries=0).send(method + b" / HTTP/" + version + b"\r\nHost: t\r\n\r\n")
        node = house.nodes[0]
        for part in parts:
            if node.connection.bearer is not None:
                node.say(part)
        if then != "stay" and not node.connection.lost:
            node.leave(then == "leave")
        house.settle()
        assert house.answer[:5] in (b"", b"HTTP/")
        got = read_answer(method, house.answer, house.stream.ended, ours=True)
        over = bool(house.ended)
        assert over or then == "stay"
        if over and not house.stream.broken:
            theirs = read_answer(method, reply, then == "leave", ours=False)
            assert got is None or got[0] in (502, 504) or theirs is None or got == theirs
            assert got is not None or house.stream.ended, "a client that has no whole answer sees the end"
        whole = None if got is None or house.stream.broken else 502 if got[0] == 502 else got
        seen.append((whole, over, house.stream.broken))
    assert seen[0] == seen[1] == seen[2]
