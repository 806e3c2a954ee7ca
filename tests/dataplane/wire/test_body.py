"""Bodies: strict chunks, exact lengths, any cut of the stream gives the same payload."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbkit.dataplane.wire.body import LAST_CHUNK, ChunkedBody, LengthBody, chunk
from lbkit.dataplane.wire.errors import BadMessage


def fed(body: ChunkedBody | LengthBody, data: bytes, cuts: list[int]) -> bytes:
    """The payload when the data arrives in pieces."""
    payload, start = b"", 0
    for cut in [*sorted(c % (len(data) + 1) for c in cuts), len(data)]:
        if cut > start and not body.done:
            payload += body.feed(data[start:cut])
            start = cut
    body.rest += data[start:]
    return payload


@given(
    st.lists(st.binary(min_size=1, max_size=30), max_size=6),
    st.lists(st.integers(0, 400), max_size=12),
    st.binary(max_size=9),
)
def test_chunks_survive_any_cut(parts: list[bytes], cuts: list[int], after: bytes):
    stream = b"".join(chunk(part) for part in parts) + LAST_CHUNK
    body = ChunkedBody()
    assert fed(body, stream + after, cuts) == b"".join(parts)
    assert body.done
    assert body.rest == after


@given(st.binary(max_size=50), st.lists(st.integers(0, 99), max_size=6), st.binary(max_size=9))
def test_a_length_is_exact(content: bytes, cuts: list[int], after: bytes):
    body = LengthBody(len(content))
    assert fed(body, content + after, cuts) == content
    assert body.done
    assert body.rest == after


@pytest.mark.parametrize(
    "stream",
    [b"A;name=value;flag\r\n0123456789\r\n0\r\n\r\n", b'3;x="a b"\r\nabc\r\n0\r\nTrailer: 1\r\n\r\n', b"00\r\n\r\n"],
)
def test_valid_extensions_and_trailers_are_read_and_forgotten(stream: bytes):
    body = ChunkedBody()
    body.feed(stream)
    assert body.done


@pytest.mark.parametrize(
    "stream",
    [
        b"0x3\r\nabc\r\n", b"+3\r\nabc\r\n", b"-3\r\nabc\r\n", b"1_0\r\n", b" 3\r\nabc\r\n", b"3 \r\nabc\r\n", b"3\nabc\r\n0\r\n\r\n",
        b"3\r\nabcd\r\n", b"3\r\nabc0\r\n\r\n", b"3;\r\nabc\r\n", b"3; \r\n", b"3;a=\x00\r\n", b"3;a\rb\r\n", b"3;[]=1\r\n", b"\r\n",
        b"FFFFFFFFFFFFFFFFF\r\n", b"g\r\n", b"0\r\nbad trailer\r\n\r\n", b"0\r\nX : y\r\n\r\n", b"0\r\n X: y\r\n\r\n",
        b"1;" + b"a" * 5000 + b"\r\n", b"1;" + b"a" * 5000, b"0\r\n" + b"X: " + b"y" * 17_000 + b"\r\n\r\n",
    ],
)  # fmt: skip
def test_anything_else_is_refused(stream: bytes):
    with pytest.raises(BadMessage):
        ChunkedBody().feed(stream)


def test_an_empty_piece_of_payload_does_not_end_the_body():
    assert chunk(b"") == b""
