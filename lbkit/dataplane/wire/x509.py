"""The host names in a certificate: its subject alternative names, or its common name (RFC 5280 section 4.2.1.6)."""

from __future__ import annotations

from collections.abc import Iterator

_ALTERNATIVE_NAME = bytes((0x55, 0x1D, 0x11))
_COMMON_NAME = bytes((0x55, 0x04, 0x03))
_SEQUENCE, _SET, _OID, _OCTETS, _DNS, _EXTENSIONS = 0x30, 0x31, 0x06, 0x04, 0x82, 0xA3
Element = tuple[int, bytes]


def names_of(der: bytes) -> list[str]:
    """Host names, in lower case; wildcards as `*.example.com`. Raises ValueError when this is no certificate."""
    try:
        ((_, certificate),) = _elements(der)
        to_be_signed = next(_elements(certificate))[1]
        parts = list(_elements(to_be_signed))
        found = [name for tag, body in parts if tag == _EXTENSIONS for name in _alternative(body)]
        sequences = [body for tag, body in parts if tag == _SEQUENCE]  # algorithm, issuer, validity, subject, key
        return found or list(_common(sequences[3]))
    except (IndexError, StopIteration):
        raise ValueError("this is no X.509 certificate") from None


def _alternative(body: bytes) -> Iterator[str]:
    ((_, extensions),) = _elements(body)
    for _, extension in _elements(extensions):
        parts = list(_elements(extension))
        if parts[0] == (_OID, _ALTERNATIVE_NAME):
            ((_, names),) = _elements(parts[-1][1])
            yield from (name.decode("ascii", "replace").lower() for tag, name in _elements(names) if tag == _DNS)


def _common(body: bytes) -> Iterator[str]:
    for tag, group in _elements(body):
        for inner, pair in _elements(group) if tag == _SET else ():
            parts = list(_elements(pair)) if inner == _SEQUENCE else []
            if len(parts) == 2 and parts[0] == (_OID, _COMMON_NAME):
                yield parts[1][1].decode("utf-8", "replace").lower()


def _elements(data: bytes) -> Iterator[Element]:
    """Tag and content of each DER element in a row."""
    at = 0
    while at < len(data):
        tag, size = data[at], data[at + 1]
        at += 2
        if size & 0x80:
            count = size & 0x7F
            size = int.from_bytes(data[at : at + count], "big")
            at += count
        if at + size > len(data):
            raise IndexError
        yield tag, data[at : at + size]
        at += size
