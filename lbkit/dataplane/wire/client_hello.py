"""The server name in a TLS ClientHello (RFC 8446 section 4.1.2, RFC 6066 section 3), read without opening TLS.

A ClientHello in which two readers could find different names is refused, for the node would read it once more.
"""

from __future__ import annotations

import re

from lbkit.dataplane.wire.errors import BadMessage

_HANDSHAKE, _CLIENT_HELLO = 22, 1
_SERVER_NAME = 0
_HOST = re.compile(rb"[\x21-\x7e]+")
_MOST_RECORDS = 32
LONGEST = 16_384


def server_name(data: bytes) -> str | None:
    """The name asked for, empty when none is; None while the ClientHello is not complete. Raises BadMessage."""
    hello = _handshake(data)
    if hello is None:
        return None
    try:
        return _name(_extensions(hello))
    except IndexError:
        raise BadMessage(400, "The ClientHello ends in the middle.") from None


def _handshake(data: bytes) -> bytes | None:
    """The body of the first handshake message, put together from its records."""
    message, at = b"", 0
    for _ in range(_MOST_RECORDS):
        if data[at : at + 1] not in (b"", b"\x16") or data[at + 1 : at + 2] not in (b"", b"\x03"):
            raise BadMessage(400, "This is not TLS.")
        if len(data) < at + 5:
            return None
        size = int.from_bytes(data[at + 3 : at + 5], "big")
        if not 0 < size <= LONGEST:
            raise BadMessage(400, "A TLS record of this size does not exist.")
        message += data[at + 5 : at + 5 + size]
        at += 5 + size
        if message and message[0] != _CLIENT_HELLO:
            raise BadMessage(400, "The client does not begin with a ClientHello.")
        wanted = 4 + int.from_bytes(message[1:4], "big") if len(message) >= 4 else 4
        if wanted > LONGEST:
            raise BadMessage(400, "The ClientHello is too long.")
        if len(message) >= wanted and wanted > 4:
            return message[4:wanted]
        if len(data) < at:
            return None
    raise BadMessage(400, "The ClientHello is cut into too many records.")


def _extensions(hello: bytes) -> dict[int, bytes]:
    at = 2 + 32
    at += 1 + hello[at]
    at += 2 + _number(hello, at)
    at += 1 + hello[at]
    found: dict[int, bytes] = {}
    if at == len(hello):
        return found
    end = at + 2 + _number(hello, at)
    if end != len(hello):
        raise BadMessage(400, "The ClientHello's extensions do not end where it ends.")
    at += 2
    while at < end:
        size = _number(hello, at + 2)
        kind = _number(hello, at)
        if at + 4 + size > end or kind in found:
            raise BadMessage(400, "The ClientHello's extensions overlap or come twice.")
        found[kind] = hello[at + 4 : at + 4 + size]
        at += 4 + size
    return found


def _name(extensions: dict[int, bytes]) -> str:
    names = extensions.get(_SERVER_NAME)
    if names is None:
        return ""
    if names[2] != 0:
        raise BadMessage(400, "The server name is of an unknown kind.")
    name = names[5:]
    if len(name) != _number(names, 3) or len(names) != 2 + _number(names, 0) or _HOST.fullmatch(name) is None:
        raise BadMessage(400, "The server name is no host name.")
    return name.decode().lower()


def _number(data: bytes, at: int) -> int:
    return data[at] << 8 | data[at + 1]
