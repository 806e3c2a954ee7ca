"""What a template reads is what a reading by lines finds, and heads that differ only in values are not read by lines."""

from __future__ import annotations

import gc
import tracemalloc
import weakref
from itertools import product
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lbkit.dataplane.wire import answer as answers
from lbkit.dataplane.wire import request as requests
from lbkit.dataplane.wire.answer import Answer
from lbkit.dataplane.wire.request import Request
from lbkit.spec.listener import RequestLimits
from tests.fuzz.targets import meant

LIMITS = RequestLimits(headers=400, body=5000)
GET = requests.parse(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", LIMITS)


NAMES = [
    b"Content-Length", b"content-length", b"Host", b"X-Request-Id", b"traceparent", b"Cookie", b"X-Forwarded-For", b"X_Forwarded_For",
    b"Connection", b"Transfer-Encoding", b"Expect", b"Via", b"Max-Forwards", b"Upgrade", b"X-One", b"x-one", b"Date", b"Server",
    b"Content_Length", b"Keep-Alive", b"Forwarded",
]  # fmt: skip
VALUES = [
    b"5", b" 5", b" 0", b" 12", b" 6000", b"", b" ", b"a", b" a\t", b"\ta b", b" chunked", b" close", b" keep-alive", b" x-one",
    b" upgrade", b" websocket", b" 100-continue", b" a, b", b" \xe9", b" \xa0", b" \x7f",
    b" a\rb", b" a\nb", b" a\x00", b" a\r\nX: y", b" a\r\n b",
    b" a\r\nContent-Length: 3", b" a\r\n\r\nGET / HTTP/1.1", b" 1.1 lbkit" + b", 1.1 lbkit" * 10, b" " + b"k" * 300, b"5, 5", b" 5\t",
]  # fmt: skip


@st.composite
def heads(draw: Any, first_lines: list[bytes]) -> list[bytes]:
    """Of a few layouts, in any order; most have the values of the one before."""
    layouts = draw(
        st.lists(
            st.tuples(st.sampled_from(first_lines), st.lists(st.sampled_from(NAMES), max_size=5)),
            min_size=1,
            max_size=3,
        )
    )
    values = [[draw(st.sampled_from(VALUES[:20])) for _ in names] for _, names in layouts]
    found = []
    for _ in range(draw(st.integers(4, 12))):
        number = draw(st.integers(0, len(layouts) - 1))
        first, names = layouts[number]
        if names and draw(st.booleans()):
            values[number][draw(st.integers(0, len(names) - 1))] = draw(st.sampled_from(VALUES))
        lines = [name + b":" + value for name, value in zip(names, values[number], strict=True)]
        found.append(b"\r\n".join([first, *lines]) + draw(st.sampled_from([b"\r\n\r\n", b"\r\n\r\nrest", b"\r\n"])))
    return found


REQUESTS = [
    b"POST /v1 HTTP/1.1\r\nHost: a", b"GET / HTTP/1.1", b"GET / HTTP/1.0", b"GET http://b/x HTTP/1.1\r\nHost: a",
    b"OPTIONS * HTTP/1.1\r\nHost: a", b"OPTIONS /x HTTP/1.1\r\nHost: a",
]  # fmt: skip
ANSWERS = [
    b"HTTP/1.1 200 OK",
    b"HTTP/1.1 200",
    b"HTTP/1.0 404 Not",
    b"HTTP/1.1 204 No",
    b"HTTP/1.1 304 Not",
    b"HTTP/1.1 103 E",
]


def taught(first: bytes, name: bytes, value: bytes) -> list[bytes]:
    """A head with this field, after others that let it be known as one that differs; then one with other names."""
    start = first + b"\r\n" + (b"Connection: x-one\r\n" if name.lower() == b"x-one" else b"")
    usual = (b"close", b"keep-alive") * 2 if name == b"Connection" else (b"1", b"2", b"3", b"4")
    teaching = [start + name + b": " + other + b"\r\nX-End: e\r\n\r\n" for other in usual]
    last = start + name + b":" + value + b"\r\nX-End: e\r\n\r\n"
    return [*teaching, last, last.replace(name, b"X-Two"), last.replace(b"X-End", b"X_End"), *teaching, last]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("first", REQUESTS)
def test_each_field_of_a_request_with_each_value_after_others(first: bytes, name: bytes):
    for value, more in product([*VALUES, b" " + b"k" * 500], [b"", b"\r\n" + name + b": 5"]):
        reader = requests.Reader(LIMITS)
        for data in taught(first + more, name, value):
            assert meant(reader.read, data) == meant(requests.read, data, LIMITS)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("first", ANSWERS)
def test_each_field_of_an_answer_with_each_value_after_others(first: bytes, name: bytes):
    for value, more in product([*VALUES, b" " + b"k" * 70_000], [b"", b"\r\n" + name + b": 5"]):
        reader = answers.Reader()
        for data in taught(first + more, name, value):
            assert meant(reader.read, data, GET) == meant(answers.read, data, b"GET")


@given(heads(REQUESTS))
@example([b"POST /v1 HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % length for length in (1, 2, 3, 4, 6000, 7)])
@settings(max_examples=600, deadline=None)
def test_a_reader_reads_requests_as_if_each_were_the_first(sent: list[bytes]):
    reader = requests.Reader(LIMITS)
    for data in sent:
        assert meant(reader.read, data) == meant(requests.read, data, LIMITS)


@given(heads(ANSWERS))
@example(
    [b"HTTP/1.1 200 OK\r\nDate: d\r\nContent-Length: %b\r\n\r\n" % it for it in (b"1", b"2", b"3", b"4, 4", b"x", b"0")]
)
@settings(max_examples=600, deadline=None)
def test_a_reader_reads_answers_as_if_each_were_the_first(sent: list[bytes]):
    reader = answers.Reader()
    for data in sent:
        assert meant(reader.read, data, GET) == meant(answers.read, data, b"GET")


def chat(number: int, more: bytes = b"") -> bytes:
    return (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: host-%d\r\nAccept: */*\r\nIdempotency-Key: key-%d\r\n"
        b"Content-Length: %d\r\ntraceparent: %d\r\n%b\r\n" % (number % 3, number, 7 + number, number, more)
    )


def reply(number: int) -> bytes:
    return b"HTTP/1.1 200 OK\r\ndate: second %d\r\nserver: uvicorn\r\ncontent-length: %d\r\n\r\n" % (number, number)


def test_heads_that_differ_in_values_are_not_read_by_lines(monkeypatch: pytest.MonkeyPatch):
    reader, theirs = requests.Reader(LIMITS), answers.Reader()
    layouts = [b"X-%d: y\r\n" % number for number in range(8)]
    for number in range(3):
        for more in layouts:
            reader.read(chat(number, more))
        theirs.read(reply(number), GET)

    def never(*_: object) -> Any:
        raise AssertionError("read by lines")

    monkeypatch.setattr(requests, "read", never)
    monkeypatch.setattr(answers, "read", never)
    for number in range(3, 20):
        more = layouts[number % 8]
        request, answer = reader.read(chat(number, more)), theirs.read(reply(number), GET)
        assert isinstance(request, Request)
        assert isinstance(answer, Answer)
        assert request.text == b"Accept: */*\r\nIdempotency-Key: key-%d\r\n%b" % (number, more)
        assert (request.host, request.length) == (b"host-%d" % (number % 3), 7 + number)
        assert request.value(b"traceparent") == b"%d" % number
        assert request.value(b"idempotency-key") == b"key-%d" % number
        assert (answer.length, answer.plain, answer.keep_alive) == (number, True, True)


def test_many_layouts_do_not_drive_out_the_usual_one_for_long(monkeypatch: pytest.MonkeyPatch):
    reader = requests.Reader(LIMITS)
    for number in range(2000):
        reader.read(chat(number, b"X-%d: y\r\n" % number))
        reader.read(chat(number).replace(b"/v1/", b"/v%d/" % number))
    for number in range(300):
        reader.read(chat(number))
    monkeypatch.setattr(requests, "read", lambda *_: pytest.fail("read by lines"))
    reader.read(chat(301))


def test_targets_that_never_come_again_drive_out_nothing(monkeypatch: pytest.MonkeyPatch):
    reader, layouts = requests.Reader(LIMITS), [b"X-%d: y\r\n" % number for number in range(4)]
    for number in range(400):
        for more in layouts:
            reader.read(chat(number, more))
        reader.read(b"GET /items/%d HTTP/1.1\r\nHost: a\r\n\r\n" % number)
        reader.read(b"GET /items/%d%b HTTP/1.1\r\nHost: a\r\n\r\n" % (number, b"x" * 300))
    monkeypatch.setattr(requests, "read", lambda *_: pytest.fail("read by lines"))
    for more in layouts:
        reader.read(chat(401, more))
    assert len(reader._once) <= 32


@pytest.mark.parametrize(("count", "size", "differing"), [(38, 95, 38), (120, 12, 120), (1, 9000, 0), (12, 300, 6)])
def test_what_is_remembered_has_a_bound(count: int, size: int, differing: int):
    reader = answers.Reader()
    tracemalloc.start()
    for first, layout, turn in product(range(64), range(12), range(3)):
        values = [turn] * differing + [0] * (count - differing)
        lines = [b"%c%d:%d%b" % (97 + layout, number, value, b"y" * size) for number, value in enumerate(values)]
        reader._missed = 0
        reader.read(b"HTTP/1.1 200 %d\r\nContent-Length: 0\r\n%b\r\n\r\n" % (first, b"\r\n".join(lines)), GET)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 5_200_000


def test_a_reader_that_nobody_needs_is_gone_without_the_collector():
    reader = requests.Reader(LIMITS)
    for number in range(5):
        reader.read(chat(number))
    gone = weakref.ref(reader)
    gc.disable()
    del reader
    gc.enable()
    assert gone() is None
