"""Names in a TLS client's first message and in certificates, from real ones and from own octets."""

from __future__ import annotations

import ssl

import pytest
import trustme

from lbkit.dataplane.wire import client_hello, x509
from lbkit.dataplane.wire.errors import BadMessage
from tests.fuzz.seeds import certificate, extension, hello, server_name


def real_hello(name: str | None) -> bytes:
    """What this machine's TLS library sends."""
    context = ssl.create_default_context()
    context.check_hostname = False
    out = ssl.MemoryBIO()
    tls = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return out.read()


@pytest.mark.parametrize(
    ("asked", "name"),
    [("A.example.com", "a.example.com"), ("xn--e1afmkfd.example", "xn--e1afmkfd.example"), (None, "")],
)
def test_the_name_in_a_real_client_hello(asked: str | None, name: str):
    data = real_hello(asked)
    assert client_hello.server_name(data) == name
    assert client_hello.server_name(data + b"more") == name
    for end in range(len(data)):
        assert client_hello.server_name(data[:end]) is None


@pytest.mark.parametrize("record", [20, 50, 16_384])
def test_a_client_hello_may_come_in_several_records(record: int):
    assert (
        client_hello.server_name(hello(extension(1, b"x") + server_name(b"b.example"), bytes(32), record))
        == "b.example"
    )


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n", b"\x16\x02", b"\x15\x03\x01\x00\x02\x01\x00", b"\x16\x03\x01\x00\x00",
        b"\x16\x03\x01\xff\xff",
        b"\x16\x03\x01\x00\x04\x02\x00\x00\x00",
        b"\x16\x03\x01\x00\x04\x01\xff\xff\xff", hello(server_name(b"a") + server_name(b"b")),
        hello(server_name(b"a") + b"x"), hello(extension(0, b"")), hello(server_name(b"")),
        hello(server_name(b"a\x00b")), hello(server_name(b"a b")),
        hello(server_name(b"\xc3\xa9")), hello(extension(0, b"\x00\x04\x01\x00\x01a")),
        hello(extension(0, b"\x00\x05\x00\x00\x01a")),
        hello(extension(0, b"\x00\x08\x00\x00\x01a\x00\x00\x01b")),
        hello(server_name(b"a"))[:5] + b"\x02" + hello(server_name(b"a"))[6:],
        hello(server_name(b"a" * 200), record=4),
    ],
)  # fmt: skip
def test_a_doubtful_client_hello_is_refused(data: bytes):
    with pytest.raises(BadMessage):
        client_hello.server_name(data)


def test_many_small_records_cost_no_more_than_a_few():
    data = hello(server_name(b"a" * 200), record=1)
    refused = 0
    for end in range(len(data)):
        try:
            assert client_hello.server_name(data[:end]) is None
        except BadMessage:
            refused = end
            break
    assert 0 < refused <= 32 * 6, "each look begins anew, so the number of records has to be small"


def test_the_names_in_a_real_certificate():
    authority = trustme.CA()
    found = authority.issue_cert("a.example", "*.B.example", "192.0.2.1", common_name="c.example")
    der = ssl.PEM_cert_to_DER_cert(found.cert_chain_pems[0].bytes().decode())
    assert x509.names_of(der) == ["a.example", "*.b.example"]
    root = ssl.PEM_cert_to_DER_cert(authority.cert_pem.bytes().decode())
    assert isinstance(x509.names_of(root), list)


def test_the_common_name_counts_where_there_is_no_other():
    assert x509.names_of(certificate([], b"C.example")) == ["c.example"]
    assert x509.names_of(certificate([b"A.example", b"x" * 200], b"C.example")) == ["a.example", "x" * 200]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"0",
        b"\x30\x84\xff\xff\xff\xff",
        b"\x30\x80\x00\x00",
        b"\x30\x03\x30\x01\x00",
        b"-----BEGIN",
        b"\x30\x02\x30\x00",
    ],
)
def test_what_is_no_certificate_is_said_to_be_none(data: bytes):
    with pytest.raises(ValueError, match=r".+"):
        x509.names_of(data)


def test_a_certificate_that_is_cut_anywhere_is_none():
    der = certificate([b"a.example"])
    for end in range(len(der)):
        with pytest.raises(ValueError, match=r".+"):
            x509.names_of(der[:end])
