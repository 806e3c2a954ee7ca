"""Work is bounded by what was sent: counted in octets looked at and copied, never in time.

A peer that sends its octets one by one must not make the balancer read what it has read again and again.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from lbkit.dataplane.core.ticket import Ticket
from lbkit.dataplane.shell.exchange import HELD_LIMIT
from lbkit.dataplane.wire import answer as answers
from lbkit.dataplane.wire import fields, onward
from lbkit.dataplane.wire import request as requests
from lbkit.dataplane.wire.body import ChunkedBody
from lbkit.dataplane.wire.errors import BadMessage
from lbkit.spec.listener import RequestLimits
from tests.dataplane.wire.glass import Glass

LIMITS = RequestLimits()
GET = b"GET / HTTP/1.1\r\nHost: t\r\n\r\n"


class Counted:
    """Stands for a compiled pattern, and counts the octets that it was given to look at."""

    def __init__(self, pattern: Any) -> None:
        self._pattern, self.octets, self.calls = pattern, 0, 0

    def __call__(self, *given: Any) -> Any:
        self.calls += 1
        return self._pattern(*given)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(data: bytes, at: int = 0) -> Any:
            self.octets += len(data) - at
            self.calls += 1
            return getattr(self._pattern, name)(data, at)

        return call


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any, str], Counted]:
    def count(module: Any, name: str) -> Counted:
        counter = Counted(getattr(module, name))
        monkeypatch.setattr(module, name, counter)
        return counter

    return count


def test_a_request_head_that_comes_octet_by_octet_is_read_once(counted: Callable[[Any, str], Counted]):
    head, lines = counted(requests, "_BEGINNING"), counted(requests, "_BROKEN_LINE")
    data = b"GET / HTTP/1.1\r\nHost: t\r\n" + b"X: " + b"y" * 20_000 + b"\r\nY: " + b"z" * 20_000 + b"\r\n\r\n"
    house = Glass().send(*(bytes([octet]) for octet in data))
    assert house.status == 200
    assert head.calls <= 2
    assert lines.octets <= 3 * len(data)


def test_a_head_that_grows_too_long_is_read_once(counted: Callable[[Any, str], Counted]):
    head = counted(requests, "_BEGINNING")
    house = Glass().send(GET[:-2], *[b"X: y\r\n" * 10] * 2000)
    assert house.status == 431
    assert head.calls <= 2


def test_an_answer_head_that_comes_octet_by_octet_is_read_once(counted: Callable[[Any, str], Counted]):
    head = counted(answers, "find_head")
    house = Glass(reply=None).send(GET)
    for octet in b"HTTP/1.1 200 OK\r\nX: " + b"y" * 5000 + b"\r\nContent-Length: 0\r\n\r\n":
        house.nodes[0].say(bytes([octet]))
    assert house.status == 200
    assert head.calls <= 2


class Octets(bytes):
    """Counts what is copied out of it."""

    copied = 0

    def __getitem__(self, at: Any) -> Any:
        found = super().__getitem__(at)
        Octets.copied += len(found) if isinstance(found, bytes) else 1
        return found


@pytest.mark.parametrize(
    "body",
    [
        b"1\r\nx\r\n" * 20_000 + b"0\r\n\r\n",
        b"0\r\n" + b"a:\r\n" * 3000 + b"\r\n" + b"r" * 100_000, b"10000\r\n" + b"x" * 65_536 + b"\r\n0\r\n\r\n",
    ],
)  # fmt: skip
def test_a_chunked_body_is_copied_a_few_times_at_most(body: bytes):
    Octets.copied = 0
    reader = ChunkedBody()
    reader.feed(Octets(body))
    assert reader.done
    assert Octets.copied <= 4 * len(body)


def test_small_chunks_are_passed_on_as_they_came():
    body = b"1\r\nx\r\n" * 1000
    assert ChunkedBody().frame(body) is body


def test_a_chunk_line_that_never_ends_is_held_up_to_its_limit():
    reader = ChunkedBody()
    for _ in range(4093):
        reader.feed(b"x" if reader._held else b"1;a=")
    assert len(reader._held) == 4096
    with pytest.raises(BadMessage, match="too long"):
        reader.feed(b"xx")


def test_pipelined_requests_wait_in_a_bounded_buffer():
    house = Glass(reply=None).send(GET)
    for _ in range(10_000):
        house.stream.arrive(GET)
    assert house.stream.paused
    assert len(house.session._buffer) < LIMITS.headers + 2 * len(GET)


@pytest.mark.parametrize("pattern", [
    (requests._LINE, b"A" * 50_000), (requests._LINE, b"GET " + b"/" * 50_000 + b" "),
    (fields._FIELD, b"a" * 50_000), (fields._FIELD, b"a:" + b" b" * 10_000 + b"\x00"),
    (requests._BEGINNING, b"GET / HTTP/1.1\r\n" + b"a:b\r\n" * 10_000 + b"\x00"),
    (requests._VERSION, b"GET / HTTP/1 " + b"HTTP/1.1 " * 5_000),
    (requests._CODINGS, b"a," * 20_000 + b"x"), (requests._CODINGS, b"a" + b" " * 40_000),
    (requests._HOST, b"a" * 50_000 + b":"),
    (requests._ABSOLUTE, b"http://" + b"a" * 50_000 + b"#"), (onward._TRACEPARENT, b"01" + b"-" * 50_000),
])  # fmt: skip
def test_patterns_do_not_try_the_same_octets_in_many_ways(pattern: tuple[re.Pattern[bytes], bytes]):
    """Each is given an input that makes a careless pattern try for hours; the suite's time limit ends that."""
    compiled, data = pattern
    for repeat in (data, data * 4):
        assert compiled.fullmatch(repeat + b"\xff\x00") is None


def test_a_body_that_waits_for_a_node_is_bounded():
    house = Glass(limits={"hard": 1, "queue": {"size": 5, "timeout": 10}})
    house.dispatcher.pool.arrive(Ticket(), 0.0)
    house.send(b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 9000000\r\n\r\n")
    for _ in range(1000):
        house.stream.arrive(b"x" * 1000)
    assert house.stream.paused
    exchange = house.session._exchange
    assert exchange is not None
    assert len(exchange._held) <= HELD_LIMIT + 1000
    assert house.at_nodes == b""
