"""PROXY protocol headers, versions 1 and 2: read from a trusted peer, written to a node (HAProxy's proxy-protocol.txt).

Whether a header comes is configured, never guessed. Nothing is used of a header that is not whole and valid.
"""

from __future__ import annotations

import ipaddress
import re

from lbkit.dataplane.wire.errors import BadMessage

_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_V1 = re.compile(rb"PROXY (TCP4|TCP6) ([0-9A-Fa-f.:]+) ([0-9A-Fa-f.:]+) (0|[1-9][0-9]{0,4}) (0|[1-9][0-9]{0,4})\r\n")
_V1_LONGEST = 107
_LONGEST = 4096
_IPV4, _IPV6 = 0x11, 0x21
Address = tuple[str, int]


def read(data: bytes) -> tuple[int, Address | None] | None:
    """(length of the header, the client's address), None while it is not complete.

    The address is None where the header says to use the connection's own (LOCAL, UNKNOWN, unsupported families).
    Raises BadMessage for anything else.
    """
    if data[: len(_SIGNATURE)] == _SIGNATURE[: len(data)]:
        return _read_v2(data)
    if data[:6] == b"PROXY "[: len(data)]:
        return _read_v1(data)
    raise BadMessage(400, "A PROXY protocol header was expected.")


def write(version: str, client: Address, local: Address) -> bytes:
    """The header that tells a node who the client is."""
    source, target = (ipaddress.ip_address(address.partition("%")[0]) for address, _ in (client, local))
    if source.version != target.version:
        source, target = _mapped(source), _mapped(target)
    four = source.version == 4
    if version == "v1":
        kind = "TCP4" if four else "TCP6"
        return f"PROXY {kind} {source} {target} {client[1]} {local[1]}\r\n".encode()
    block = source.packed + target.packed + client[1].to_bytes(2, "big") + local[1].to_bytes(2, "big")
    return _SIGNATURE + bytes((0x21, _IPV4 if four else _IPV6)) + len(block).to_bytes(2, "big") + block


def own(version: str) -> bytes:
    """The header of a connection that carries no client, such as a health probe's."""
    return b"PROXY UNKNOWN\r\n" if version == "v1" else _SIGNATURE + bytes((0x20, 0, 0, 0))


def _read_v1(data: bytes) -> tuple[int, Address | None] | None:
    end = data.find(b"\r\n", 0, _V1_LONGEST)
    line = data[: end + 2] if end >= 0 else data
    if b"\n" in line[:-2] or b"\r" in line[:-2] or (end < 0 and (len(data) >= _V1_LONGEST or line[-1:] == b"\n")):
        raise BadMessage(400, "The PROXY header has no end.")
    if end < 0:
        return None
    if line.startswith(b"PROXY UNKNOWN") and line[13:14] in (b" ", b"\r"):
        return end + 2, None
    match = _V1.fullmatch(line)
    if match is None:
        raise BadMessage(400, "The PROXY header is not as its specification writes it.")
    version = 4 if match[1] == b"TCP4" else 6
    source, _ = _address(match[2], version), _address(match[3], version)
    port, target = int(match[4]), int(match[5])
    if port > 65_535 or target > 65_535:
        raise BadMessage(400, "The PROXY header's port is none.")
    return end + 2, (source, port)


def _read_v2(data: bytes) -> tuple[int, Address | None] | None:
    if len(data) < 16:
        return None
    if data[12] >> 4 != 2 or data[12] & 15 > 1:
        raise BadMessage(400, "The PROXY header's version or command is unknown.")
    family, protocol = data[13] >> 4, data[13] & 15
    if family > 3 or protocol > 2:
        raise BadMessage(400, "The PROXY header's address family or protocol is unknown.")
    length = 16 + int.from_bytes(data[14:16], "big")
    if length > _LONGEST:
        raise BadMessage(400, "The PROXY header is too long.")
    if len(data) < length:
        return None
    if data[12] & 15 == 0 or data[13] not in (_IPV4, _IPV6):
        return length, None
    size = 4 if data[13] == _IPV4 else 16
    if length < 16 + 2 * size + 4:
        raise BadMessage(400, "The PROXY header is too short for its addresses.")
    source = str(ipaddress.ip_address(data[16 : 16 + size]))
    return length, (source, int.from_bytes(data[16 + 2 * size : 18 + 2 * size], "big"))


def _address(text: bytes, version: int) -> str:
    try:
        found = ipaddress.ip_address(text.decode())
    except ValueError:
        found = None
    if found is None or found.version != version:
        raise BadMessage(400, "The PROXY header's address is not one of its family.")
    return str(found)


def _mapped(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv6Address:
    if isinstance(address, ipaddress.IPv4Address):
        return ipaddress.IPv6Address(b"\0" * 10 + b"\xff\xff" + address.packed)
    return address
