"""PROXY protocol: own vectors octet by octet, and a running balancer that receives and sends it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbkit.dataplane.wire import proxy
from lbkit.dataplane.wire.errors import BadMessage
from tests.dataplane.shell.house import balancer, free_port, nodes, raw, run
from tests.dataplane.specs import spec

SIGNATURE = bytes.fromhex("0d0a0d0a000d0a515549540a")
V4 = bytes.fromhex("c0000201 c0000202 1388 0050")  # 192.0.2.1 and .2, ports 5000 and 80
V6 = bytes.fromhex("20010db8000000000000000000000001 20010db8000000000000000000000002 1388 0050")
CLIENT = ("192.0.2.1", 5000)


def v2(command: int, family: int, block: bytes, length: int | None = None) -> bytes:
    return SIGNATURE + bytes([command, family]) + (len(block) if length is None else length).to_bytes(2, "big") + block


GOOD: list[tuple[bytes, proxy.Address | None]] = [
    (b"PROXY TCP4 192.0.2.1 192.0.2.2 5000 80\r\n", CLIENT),
    (b"PROXY TCP6 2001:DB8::1 2001:db8::2 5000 80\r\n", ("2001:db8::1", 5000)),
    (b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", ("255.255.255.255", 65_535)),
    (b"PROXY UNKNOWN\r\n", None), (b"PROXY UNKNOWN ffff::1 not read\r\n", None),
    (b"PROXY TCP4 192.0.2.1 192.0.2.2 0 0\r\n", ("192.0.2.1", 0)),
    (v2(0x21, 0x11, V4), CLIENT), (v2(0x21, 0x21, V6), ("2001:db8::1", 5000)), (v2(0x20, 0x00, b""), None),
    (v2(0x20, 0x11, V4), None),
    (v2(0x21, 0x11, V4 + b"\x04\x00\x02\x00\x00\xee\x00\x01x"), CLIENT), (v2(0x20, 0x00, b"\x04\x00\x01x"), None),
    (v2(0x21, 0x00, b""), None), (v2(0x21, 0x12, V4), None), (v2(0x21, 0x22, V6), None), (v2(0x21, 0x31, bytes(216)),
    None), (v2(0x21, 0x10, V4), None),
]  # fmt: skip
BAD = [
    b"GET / HTTP/1.1\r\n\r\n", b"proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
    b"PROXY  TCP4 192.0.2.1 192.0.2.2 1 2\r\n", b"PROXY\tTCP4 192.0.2.1 192.0.2.2 1 2\r\n",
    b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n", b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\r\n",
    b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n",
    b"PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n", b"PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n",
    b"PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n",
    b"PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n", b"PROXY TCP4 192.0.02.1 192.0.2.2 1 2\r\n",
    b"PROXY TCP4 ::1 ::2 1 2\r\n", b"PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n",
    b"PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n", b"PROXY TCP4 300.0.2.1 192.0.2.2 1 2\r\n",
    b"PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n", b"PROXY UNKNOWNX\r\n",
    b"PROXY \r\n", b"PROXY UNKNOWN " + b"x" * 93, b"PROXY UNKNOWN a\nb\r\n", b"\r\n\r\n\x00\r\nQUIX\n" + bytes(4),
    v2(0x11, 0x11, V4), v2(0x31, 0x11, V4), v2(0x22, 0x11, V4), v2(0x21, 0x41, V4), v2(0x21, 0x13, V4),
    v2(0x21, 0x11, V4[:11]), v2(0x21, 0x21, V6[:35]),
    v2(0x21, 0x11, b"", 4081),
]  # fmt: skip


@pytest.mark.parametrize(("header", "client"), GOOD)
def test_a_header_is_taken_when_it_is_whole_and_not_before(header: bytes, client: proxy.Address | None):
    assert proxy.read(header + b"GET / HTTP/1.1\r\n") == (len(header), client)
    for end in range(len(header)):
        assert proxy.read(header[:end]) is None


@pytest.mark.parametrize("header", BAD)
def test_anything_else_is_refused(header: bytes):
    with pytest.raises(BadMessage):
        proxy.read(header)


@pytest.mark.parametrize(
    ("version", "client", "local", "header"),
    [
        ("v1", CLIENT, ("192.0.2.2", 80), b"PROXY TCP4 192.0.2.1 192.0.2.2 5000 80\r\n"),
        ("v1", ("fe80::1%eth0", 1), ("fe80::2%eth0", 2), b"PROXY TCP6 fe80::1 fe80::2 1 2\r\n"),
        ("v2", CLIENT, ("192.0.2.2", 80), v2(0x21, 0x11, V4)),
        ("v2", ("2001:db8::1", 5000), ("2001:db8::2", 80), v2(0x21, 0x21, V6)),
        ("v2", CLIENT, ("2001:db8::2", 80), v2(0x21, 0x21, bytes(10) + b"\xff\xff" + V4[:4] + V6[16:])),
    ],
)
def test_the_header_for_a_node(version: str, client: proxy.Address, local: proxy.Address, header: bytes):
    assert proxy.write(version, client, local) == header


@given(st.ip_addresses(v=4) | st.ip_addresses(v=6), st.integers(0, 65_535), st.sampled_from(["v1", "v2"]))
def test_what_is_written_is_read(address: Any, port: int, version: str):
    header = proxy.write(version, (str(address), port), ("::1" if address.version == 6 else "127.0.0.1", 80))
    assert proxy.read(header + b"x") == (len(header), (str(address), port))


GET = b"GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize("header", [GOOD[0][0], GOOD[6][0], GOOD[10][0]])
@run
async def test_a_trusted_peers_header_names_the_client(header: bytes):
    async with nodes("a") as (a,):
        port = free_port()
        listener = {"proxy_protocol": ["127.0.0.0/8"]}
        async with balancer(spec(port, {"a": a.port}, health_check=None, listener=listener)):
            assert (await raw(port, header + GET)).startswith(b"HTTP/1.1 200 ")
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for octet in header + GET:
                writer.write(bytes([octet]))
                await writer.drain()
            assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
            writer.close()
        assert len(a.heads) == 2
        assert all(b"X-Forwarded-For: 192.0.2.1\r\n" in head for head in a.heads)


@pytest.mark.parametrize(("listener", "sent"), [
    ({"proxy_protocol": ["127.0.0.0/8"]}, GET), ({"proxy_protocol": ["127.0.0.0/8"]}, BAD[5] + GET),
    ({"proxy_protocol": ["192.0.2.0/24"]}, GOOD[0][0] + GET),
    ({"proxy_protocol": ["127.0.0.0/8"], "allow": ["10.0.0.0/8"]}, GOOD[0][0] + GET),
])  # fmt: skip
@run
async def test_without_the_header_or_from_others_nothing_is_served(listener: dict[str, Any], sent: bytes):
    async with nodes("a") as (a,):
        port = free_port()
        async with balancer(spec(port, {"a": a.port}, health_check=None, listener=listener)) as server:
            with pytest.raises(ConnectionError):
                await raw(port, sent)
            assert server.listeners["l"].metrics.denied == 1
        assert a.requests == 0


@run
async def test_a_header_that_is_not_expected_is_no_request():
    async with nodes("a") as (a,):
        port = free_port()
        async with balancer(spec(port, {"a": a.port}, health_check=None)):
            for header in (GOOD[0][0], GOOD[6][0]):
                assert (await raw(port, header + GET)).startswith(b"HTTP/1.1 400 ")
        assert a.requests == 0


@pytest.mark.parametrize("version", ["v1", "v2"])
@run
async def test_nodes_are_told_the_client_before_anything_else(version: str):
    got: list[bytes] = []

    async def node(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append(await reader.readuntil(b"\r\n\r\n" if version == "v1" else b"close\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with await asyncio.start_server(node, "127.0.0.1", 0) as server:
        port = free_port()
        at = server.sockets[0].getsockname()[1]
        async with balancer(spec(port, {"a": at}, health_check=None, proxy_protocol=version)):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            local = writer.get_extra_info("sockname")
            for _ in range(2):
                writer.write(b"GET / HTTP/1.1\r\nHost: t\r\nX-End: close\r\n\r\n")
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
            writer.close()
    expected = proxy.write(version, ("127.0.0.1", local[1]), ("127.0.0.1", port))
    assert len(got) == 2, "a connection that names one client is not used for the next request"
    assert all(octets.startswith(expected + b"GET / HTTP/1.1\r\n") for octets in got)
