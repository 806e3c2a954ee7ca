"""A node's answer: where it ends, and that a doubtful one is a bad gateway."""

from __future__ import annotations

import json

import pytest

from lbkit.dataplane.wire import answer as answers
from lbkit.dataplane.wire.body import ChunkedBody, LengthBody, NoBody, UntilCloseBody
from lbkit.dataplane.wire.errors import BadMessage


def head(fields: bytes = b"", line: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return line + b"\r\n" + fields + b"\r\n"


@pytest.mark.parametrize(
    ("data", "method", "kind", "keeps"),
    [
        (head(b"Content-Length: 5\r\n"), b"GET", LengthBody, True),
        (head(b"Content-Length: 5\r\nContent-Length: 5\r\n"), b"GET", LengthBody, True),
        (head(b"Transfer-Encoding: chunked\r\n"), b"GET", ChunkedBody, True),
        (head(), b"GET", UntilCloseBody, False),
        (head(line=b"HTTP/1.1 204 No Content"), b"GET", NoBody, True),
        (head(line=b"HTTP/1.1 304 "), b"GET", NoBody, True),
        (head(b"Transfer-Encoding: chunked\r\n"), b"HEAD", NoBody, True),
        (head(b"Content-Length: 5\r\nConnection: close\r\n"), b"GET", LengthBody, False),
        (head(b"Content-Length: 5\r\n", b"HTTP/1.0 200 OK"), b"GET", LengthBody, False),
        (head(b"Content-Length: 5\r\n", b"HTTP/1.1 200"), b"GET", LengthBody, True),
    ],
)
def test_where_it_ends(data: bytes, method: bytes, kind: type, keeps: bool):
    answer = answers.parse(data, method)
    assert isinstance(answer.body, kind)
    assert answer.keep_alive is keeps


@pytest.mark.parametrize(
    "data",
    [
        head(line=b"HTTP/2 200 OK"), head(line=b"ICY 200 OK"), head(line=b"HTTP/1.1 99 X"), head(line=b"HTTP/1.1 2000 X"),
        head(b"Content-Length: 5\r\nContent-Length: 6\r\n"), head(b"Content-Length: x\r\n"),
        head(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), head(b"Transfer-Encoding: gzip, chunked\r\n"),
        head(b"X: a\r\n folded\r\n"), head(b"X : a\r\n"), head(line=b"HTTP/1.1 101 Switching"),
    ],
)  # fmt: skip
def test_a_doubtful_answer_is_a_bad_gateway(data: bytes):
    with pytest.raises(BadMessage) as caught:
        answers.parse(data, b"GET")
    assert caught.value.status == 502


def test_the_head_for_the_client_is_framed_by_us():
    answer = answers.parse(
        head(b"Transfer-Encoding: chunked\r\nConnection: x-a\r\nX-A: 1\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n"), b"GET"
    )
    sent = answers.head_for_client(answer, chunked=True, close=False, old_client=False, date=b"today")
    assert sent == (
        b"HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nTransfer-Encoding: chunked\r\nDate: today\r\n\r\n"
    )


def test_a_head_answer_keeps_its_length_and_a_204_has_none():
    answer = answers.parse(head(b"Content-Length: 5\r\nDate: d\r\n"), b"HEAD")
    sent = answers.head_for_client(answer, chunked=False, close=True, old_client=False, date=b"")
    assert b"Content-Length: 5\r\nConnection: close\r\n" in sent
    answer = answers.parse(head(b"Content-Length: 0\r\nDate: d\r\n", b"HTTP/1.1 204 No"), b"GET")
    assert b"Length" not in answers.head_for_client(answer, chunked=False, close=False, old_client=False, date=b"")


def test_our_own_answers_say_who_made_them_and_why():  # SA-22
    sent = answers.own(503, "overflow", "Full.", request_id=b"r1", date=b"d", close=False, retry_after=3)
    top, _, body = sent.partition(b"\r\n\r\n")
    assert b"application/problem+json" in top
    assert b"Retry-After: 3" in top
    problem = json.loads(body)
    assert (problem["source"], problem["reason"], problem["request_id"], problem["status"]) == (
        "lbkit",
        "overflow",
        "r1",
        503,
    )
    assert answers.own(524, "first_byte", "Late.", request_id=b"", date=b"", close=True).startswith(b"HTTP/1.1 524 ")
