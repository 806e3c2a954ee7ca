"""Message bodies: fed bytes, they give payload and say where the message ends (RFC 9112 sections 6 and 7).

Chunked bodies are read strictly and never passed on as received; `chunk` frames them anew.
"""

from __future__ import annotations

import re
from typing import Protocol

from lbkit.dataplane.wire import fields
from lbkit.dataplane.wire.errors import BadMessage

_TOKEN = fields.TOKEN
_SIZE = re.compile(
    rb"([0-9A-Fa-f]{1,15})((?:;" + _TOKEN + rb"(?:=(?:" + _TOKEN + rb'|"[\t\x20\x21\x23-\x5b\x5d-\x7e]*"))?)*)'
)
_PLAIN = re.compile(rb"([0-9A-Fa-f]{1,15})\r\n")
_LINE_LIMIT = 4096
_TRAILER_LIMIT = 16_384
_HEXADECIMAL = b"0123456789abcdefABCDEF"
EXTENSIONS_LIMIT = 16_384
LAST_CHUNK = b"0\r\n\r\n"


class Body(Protocol):
    """A body being read. `done`: it is complete; `rest`: bytes after its end."""

    @property
    def done(self) -> bool: ...
    @property
    def rest(self) -> bytes: ...

    def feed(self, data: bytes) -> bytes:
        """The payload in these bytes. Raises BadMessage."""

    def again(self) -> Body:
        """A fresh one of the same framing; only of one that was not fed yet."""


class NoBody:
    """A message without a body: complete from the start."""

    __slots__ = ()
    done = True
    rest = b""

    def feed(self, data: bytes) -> bytes:
        raise AssertionError("nothing belongs to this body")

    def again(self) -> Body:
        return self


NOTHING: Body = NoBody()


class LengthBody:
    """Exactly so many octets; 0 is no body."""

    __slots__ = ("done", "left", "rest")

    def __init__(self, length: int) -> None:
        self.left, self.done, self.rest = length, length == 0, b""

    def feed(self, data: bytes) -> bytes:
        if len(data) >= self.left:
            payload, self.rest = data[: self.left], data[self.left :]
            self.left, self.done = 0, True
            return payload
        self.left -= len(data)
        return data

    def again(self) -> Body:
        return LengthBody(self.left)


class UntilCloseBody:
    """An answer that ends with its connection: complete only when the node says so by closing."""

    __slots__ = ("done", "rest")

    def __init__(self) -> None:
        self.done, self.rest = False, b""

    def feed(self, data: bytes) -> bytes:
        return data

    def again(self) -> Body:
        return UntilCloseBody()


class ChunkedBody:
    """Chunks until the empty one; extensions are checked and forgotten, trailers checked and dropped."""

    __slots__ = ("_extensions", "_held", "_left", "_trailer", "done", "octets", "rest")

    def __init__(self, extensions: int | None = None) -> None:
        """`extensions`: how many octets of them the whole body may have."""
        self.done, self.rest = False, b""
        self.octets = 0
        """Of payload, as far as it was announced."""
        self._extensions = extensions
        self._held = b""
        self._left = 0
        self._trailer: int | None = None

    def feed(self, data: bytes) -> bytes:
        data = self._held + data if self._held else data
        payload: list[bytes] = []
        position = 0
        while True:
            used = self._step(data, position, payload)
            if used < 0 or self.done:
                break
            position += used
        self._held, self.rest = (b"", self.rest) if self.done else (data[position:], b"")
        return b"".join(payload)

    def again(self) -> Body:
        return ChunkedBody(self._extensions)

    def frame(self, data: bytes) -> bytes:
        """The same octets as chunks to pass on: as they came where they are nothing but whole plain chunks."""
        if not self._left and not self._held and self._trailer is None:
            at, end, octets = 0, len(data), self.octets
            while at < end and (plain := _PLAIN.match(data, at)) is not None:
                size = int(plain[1], 16)
                after = plain.end() + size + 2
                if not size or after > end or data[after - 2 : after] != b"\r\n":
                    break
                at = after
                octets += size
            if at == end or data[at:] == LAST_CHUNK:
                self.done, self.octets = at != end, octets
                return data
        return chunk(self.feed(data)) + (LAST_CHUNK if self.done else b"")

    def _step(self, data: bytes, at: int, payload: list[bytes]) -> int:
        """Read one piece at `at`; how many octets it took, -1 when more are needed."""
        if self._left:
            return self._data(data, at, payload)
        most = _LINE_LIMIT if self._trailer is None else _TRAILER_LIMIT - self._trailer
        end = data.find(b"\r\n", at, at + most + 2)
        if end < 0:
            self._check_beginning(data, at, most)
            return -1
        if self._trailer is None:
            self._size_line(data[at:end])
        elif end > at:
            self._trailer_line(data[at:end])
        else:
            self.done, self.rest = True, data[end + 2 :]
        return end + 2 - at

    def _check_beginning(self, data: bytes, at: int, most: int) -> None:
        """Of a line whose end is still to come: what is wrong already waits for nothing."""
        if len(data) - at > most + 1:
            raise BadMessage(400, "A chunk's first line or the trailer is too long.")
        ended = data.find(b"\n", at) >= 0 or data.find(b"\r", at, len(data) - 1) >= 0
        if ended or (self._trailer is None and data[at : at + 1] not in _HEXADECIMAL):
            raise BadMessage(400, "A chunk's size is not a plain hexadecimal number, or its line does not end in CRLF.")

    def _data(self, data: bytes, at: int, payload: list[bytes]) -> int:
        here = len(data) - at
        if self._left > 2:
            if not here:
                return -1
            take = min(here, self._left - 2)
            payload.append(data[at : at + take])
            self._left -= take
            return take
        if data[at : at + 2] != b"\r\n"[:here]:
            raise BadMessage(400, "A chunk is longer than it said.")
        if here < 2:
            return -1
        self._left = 0
        return 2

    def _size_line(self, line: bytes) -> None:
        match = _SIZE.fullmatch(line)
        if match is None:
            raise BadMessage(400, "A chunk's size is not a plain hexadecimal number.")
        if self._extensions is not None:
            self._extensions -= len(match[2])
            if self._extensions < 0:
                raise BadMessage(400, "The body's chunk extensions are too long.")  # RFC 9112 section 7.1.1
        size = int(match[1], 16)
        if size:
            self._left = size + 2
            self.octets += size
        else:
            self._trailer = 0

    def _trailer_line(self, line: bytes) -> None:
        assert self._trailer is not None
        self._trailer += len(line)
        if not fields.valid(line):
            raise BadMessage(400, "The trailer is not made of header fields.")


def chunk(payload: bytes) -> bytes:
    """One chunk of these octets; empty payload gives nothing, for an empty chunk would end the body."""
    return b"%x\r\n%b\r\n" % (len(payload), payload) if payload else b""
