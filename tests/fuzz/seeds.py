"""What each fuzz target begins with, and everything that was ever found."""

from __future__ import annotations

from lbkit.dataplane.wire import proxy
from tests.dataplane.wire.payloads import GROUPS

_CATALOGUE = [data for cases in GROUPS.values() for data, _, _ in cases if len(data) < 500]
_ANSWERS = [
    b"HTTP/1.1 200 OK\r\nDate: d\r\nContent-Length: 5\r\n\r\nhello", b"HTTP/1.0 200\r\n\r\n",
    b"HTTP/1.1 103 E\r\nLink: a\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: x\r\nX: y\r\n\r\n",
    b"HTTP/1.1 204 No\r\nContent-Length: 1, 1\r\n\r\n",
    b"HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nW",
    b"HTTP/1.1 304 N\r\nContent-Length: 9\r\n\r\nH",
    b"HTTP/1.1 200 OK\r\nConnection: date\r\nDate: d\r\nContent-Length: 0\r\n\r\n",
]  # fmt: skip
_CHUNKS = [data.partition(b"\r\n\r\n")[2] for data, _, _ in GROUPS["chunks"] if len(data) < 500]


def _proxies() -> list[bytes]:
    pairs = [("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8::2"), ("192.0.2.1", "2001:db8::2")]
    written = [proxy.write(version, (one, 1), (two, 65_535)) for version in ("v1", "v2") for one, two in pairs]
    local = written[3][:12] + b"\x20\x00\x00\x03\x04\x00\x00"
    return [
        *written,
        b"PROXY UNKNOWN\r\n",
        b"PROXY UNKNOWN any thing\r\nGET",
        b"PROXY UNKNOWN a\nb\r\n",
        b"PROXY UNKNOWN a\rb\r\n",
        local,
        written[3][:15] + b"\x13" + written[3][16:] + b"\x04\x00\x04abcd",
    ]


def extension(kind: int, data: bytes) -> bytes:
    return kind.to_bytes(2, "big") + len(data).to_bytes(2, "big") + data


def server_name(name: bytes) -> bytes:
    entry = b"\x00" + len(name).to_bytes(2, "big") + name
    return extension(0, len(entry).to_bytes(2, "big") + entry)


def hello(extensions: bytes | None, session: bytes = b"", record: int = 16_384) -> bytes:
    """A ClientHello with these extensions, in records of this size."""
    body = b"\x03\x03" + bytes(32) + bytes([len(session)]) + session + b"\x00\x02\x13\x01\x01\x00"
    if extensions is not None:
        body += len(extensions).to_bytes(2, "big") + extensions
    message = b"\x01" + len(body).to_bytes(3, "big") + body
    parts = [message[at : at + record] for at in range(0, len(message), record)]
    return b"".join(b"\x16\x03\x01" + len(part).to_bytes(2, "big") + part for part in parts)


def element(tag: int, data: bytes) -> bytes:
    size = bytes([len(data)]) if len(data) < 128 else b"\x82" + len(data).to_bytes(2, "big")
    return bytes([tag]) + size + data


def certificate(alternatives: list[bytes], common: bytes = b"c.example") -> bytes:
    """The frame of an X.509 certificate, with nothing in it but names."""
    name = element(0x30, element(0x31, element(0x30, element(0x06, b"\x55\x04\x03") + element(0x0C, common))))
    names = element(0x30, b"".join(element(0x82, item) for item in alternatives))
    extensions = element(0xA3, element(0x30, element(0x30, element(0x06, b"\x55\x1d\x11") + element(0x04, names))))
    blank = element(0x30, b"")
    parts = element(0xA0, element(0x02, b"\x02")) + element(0x02, b"\x01") + blank + blank + blank + name + blank
    return element(0x30, element(0x30, parts + (extensions if alternatives else b"")) + blank)


WORDS = [
    b"\r\n", b"\r\n\r\n", b"0\r\n\r\n", b" HTTP/1.1\r\n", b"HTTP/1.0", b"Host: a\r\n", b"Content-Length: ",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: ", b"keep-alive", b"close", b"upgrade", b"Upgrade: websocket\r\n", b"Expect: 100-continue\r\n",
    b"Max-Forwards: ", b"Via: ",
    b"OPTIONS ", b"http://", b"traceparent: ", b"Forwarded: ", b"X-Forwarded-For: ", b"Date: d\r\n", b"PROXY TCP4 ",
    b"PROXY TCP6 ", b"::1",
    b"192.0.2.1", b"\r\n\r\n\x00\r\nQUIT\n", b"\x21\x11\x00\x0c", b"\x16\x03\x01", b"\x55\x1d\x11", b"\x55\x04\x03",
    b";a=b", b',"\\', b"_",
]  # fmt: skip
"""What a fuzzer would take long to guess."""
_ROWS = [
    b"\x00".join(b"POST / HTTP/1.1\r\nHost: a\r\nX: %d\r\nContent-Length: %d\r\n\r\n" % (it, it) for it in range(5)),
    b"\x00".join(
        b"GET /a HTTP/1.0\r\nVia: 1.%d a\r\nHost: h%d\r\nConnection: close\r\n\r\n" % (it, it) for it in range(5)
    ),
    b"\x00".join(b"GET http://b/ HTTP/1.1\r\nHost: %d\r\n\r\n" % it for it in range(5)),
    b"\x00".join(b"HTTP/1.1 200 OK\r\nDate: %d\r\nContent-Length: %d\r\n\r\n" % (it, it) for it in range(5)),
    b"\x00".join(b"HTTP/1.1 200 OK\r\nX: %d\r\nTransfer-Encoding: chunked\r\n\r\n" % it for it in range(5)),
]
SEEDS: dict[str, list[bytes]] = {
    "request_head": _CATALOGUE,
    "answer_head": _ANSWERS,
    "heads_in_a_row": _ROWS,
    "chunked_body": _CHUNKS,
    "proxy_header": _proxies(),
    "client_hello_name": [
        hello(None), hello(b""), hello(server_name(b"A.example")), hello(extension(1, b"x") + server_name(b"b.example"), bytes(32), 20),
        hello(server_name(b"a") + server_name(b"b")), hello(server_name(b"a") + b"x"), hello(extension(0, b"")),
    ],
    "certificate_names": [certificate([b"a.example", b"*.B.example"]), certificate([]), certificate([b"x" * 200]), b""],
}  # fmt: skip
