"""TLS that ends at the balancer, TLS to nodes, and TLS passed on unopened."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import ssl
from pathlib import Path
from typing import Any

import pytest

from lbkit.dataplane.config import BootConfig
from lbkit.dataplane.shell.server import Server
from lbkit.errors import OperationError
from lbkit.spec import Spec
from tests.dataplane.shell.house import Client, FakeNode, balancer, free_port, nodes, run, until
from tests.dataplane.shell.secure import Authority, names_in, secure_node


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def served(node: FakeNode, tls: dict[str, Any]) -> tuple[Spec, int]:
    port = free_port()
    listener = {"address": "127.0.0.1", "port": port, "protocol": "https", "pool": "p", "tls": tls}
    pool = {"port": node.port, "health_check": None, "nodes": {"a": {"address": "127.0.0.1"}}}
    return Spec.load({"pools": {"p": pool}, "listeners": {"l": listener}}), port


async def hello(port: int, context: ssl.SSLContext, name: str) -> tuple[bytes, Client]:
    client = await Client.to(port, context, name)
    client.ask()
    return (await client.answer()).body, client


@run
async def test_tls_ends_here(authority: Authority):
    async with nodes("a") as (a,):
        spec, port = served(a, {"default": {"certificate": authority.issue("a", "a.example")}})
        async with balancer(spec):
            for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                context = authority.client()
                context.minimum_version = context.maximum_version = version
                context.set_alpn_protocols(["h2", "http/1.1"])
                body, client = await hello(port, context, "a.example")
                assert body == b"a"
                assert client.writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
                client.ask("POST", "/", b"x" * 300_000)
                assert (await client.answer()).status == 200
                client.close()
            assert b"\r\nX-Forwarded-Proto: https\r\n" in a.heads[0]


@run
async def test_an_old_protocol_is_not_spoken(authority: Authority):
    async with nodes("a") as (a,):
        certificate = authority.issue("a", "a.example")
        spec, port = served(a, {"default": {"certificate": certificate}, "min_version": "1.3"})
        async with balancer(spec) as server:
            context = authority.client()
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            with pytest.raises(ssl.SSLError):
                await Client.to(port, context, "a.example")
            assert server.listeners["l"].metrics.bad[0] == 1
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")  # no TLS at all
            with contextlib.suppress(ConnectionResetError):
                assert b"HTTP" not in await reader.read()
            writer.close()
        assert a.requests == 0


@run
async def test_the_name_asked_for_chooses_the_certificate(authority: Authority):
    async with nodes("a") as (a,):
        names = {
            "b": {"certificate": authority.issue("b", "b.example")},
            "w": {"certificate": authority.issue("w", "*.wild.example")},
        }
        spec, port = served(a, {"default": {"certificate": authority.issue("a", "a.example")}, "names": names})
        async with balancer(spec):
            context = authority.client()
            context.check_hostname = False
            for asked, shown in (
                ("a.example", "a.example"), ("b.example", "b.example"), ("B.Example", "b.example"),
                ("x.wild.example", "*.wild.example"), ("x.y.wild.example", "a.example"), ("other.example", "a.example"),
            ):  # fmt: skip
                _, client = await hello(port, context, asked)
                assert names_in(client.writer) == {shown}, asked
                client.close()


@run
async def test_renewed_certificates_are_taken_without_a_restart(authority: Authority):
    async with nodes("a") as (a,):
        path = authority.issue("a", "old.example")
        spec, port = served(a, {"default": {"certificate": path}})
        async with balancer(spec):
            context = authority.client()
            context.check_hostname = False
            _, before = await hello(port, context, "x.example")
            authority.issue("a", "new.example")

            async def renewed() -> bool:
                _, client = await hello(port, context, "x.example")
                client.close()
                return names_in(client.writer) == {"new.example"}

            async with asyncio.timeout(8):
                while not await renewed():
                    await asyncio.sleep(0.1)
            before.ask()
            assert (await before.answer()).body == b"a", "the connection from before goes on"
            before.close()


@run
async def test_files_that_cannot_be_used_leave_the_old_certificate(
    authority: Authority, caplog: pytest.LogCaptureFixture
):
    async with nodes("a") as (a,):
        path = authority.issue("a", "a.example")
        spec, port = served(a, {"default": {"certificate": path}})
        async with balancer(spec):
            Path(path).write_text("this is no PEM")
            await until(lambda: "keeps its certificates" in caplog.text)
            assert "listeners.l.tls.default.certificate" in caplog.text
            assert (await hello(port, authority.client(), "a.example"))[0] == b"a"


@run
async def test_a_configuration_with_unusable_files_changes_nothing(authority: Authority):
    async with nodes("a") as (a,):
        spec, port = served(a, {"default": {"certificate": authority.issue("a", "a.example")}})
        async with balancer(spec) as server:
            for wrong in ({"default": {"certificate": "/nowhere.pem"}}, {"default": spec_of(spec), "client_ca": "/no"}):
                other, _ = served(a, wrong)
                with pytest.raises(OperationError, match=r"listeners\.l\.tls\."):
                    server.apply(BootConfig(name="test", spec=other))
            assert (await hello(port, authority.client(), "a.example"))[0] == b"a"
            assert server.revision == 1


def spec_of(spec: Spec) -> dict[str, Any]:
    tls = spec.listeners["l"].tls
    assert tls
    return tls.default.model_dump()


@run
async def test_mutual_tls_asks_for_a_certificate_of_the_given_authority(authority: Authority, tmp_path: Path):
    async with nodes("a") as (a,):
        tls = {"default": {"certificate": authority.issue("a", "a.example")}, "client_ca": str(authority.file)}
        spec, port = served(a, tls)
        (tmp_path / "other").mkdir()
        stranger = Authority(tmp_path / "other").issue("me", "me.example")
        async with balancer(spec):
            for certificate in (None, stranger):
                with pytest.raises((ssl.SSLError, OSError, Exception)) as caught:
                    await hello(port, authority.client(certificate), "a.example")
                assert not isinstance(caught.value, AssertionError)
            assert a.requests == 0
            assert (await hello(port, authority.client(authority.issue("me", "me.example")), "a.example"))[0] == b"a"


def to_nodes(node: FakeNode, **tls: Any) -> tuple[Spec, int]:
    port = free_port()
    pool = {
        "port": node.port, "protocol": "https", "tls": tls, "nodes": {"a": {"address": "127.0.0.1"}}, "retries": 0,
        "health_check": {"path": "/health", "rise": 1, "fall": 1},
    }  # fmt: skip
    return Spec.load(
        {"pools": {"p": pool}, "listeners": {"l": {"address": "127.0.0.1", "port": port, "pool": "p"}}}
    ), port


@run
async def test_nodes_are_verified_and_their_connections_kept(authority: Authority):
    context = authority.server(authority.issue("n", "127.0.0.1"))
    async with secure_node("n", context) as node:
        spec, port = to_nodes(node, ca=str(authority.file))
        async with balancer(spec):
            client = await Client.to(port)
            for _ in range(3):
                client.ask("POST", "/", b"x" * 100_000)
                assert (await client.answer()).body == b"n"
            probes = sum(b"/health" in head for head in node.heads)
            assert node.connections == probes + 1
            client.close()


@pytest.mark.parametrize(
    ("tls", "works"),
    [
        ({}, False),
        ({"verify": False}, True),
        ({"ca": "OURS", "server_name": "n.example"}, True),
        ({"ca": "OURS"}, False),
    ],
    ids=["an unknown authority", "not verified", "by its name", "another name than its own"],
)
def test_a_node_that_cannot_be_verified_gets_nothing(authority: Authority, tls: dict[str, Any], works: bool):
    settings = {key: str(authority.file) if value == "OURS" else value for key, value in tls.items()}

    @run
    async def scenario() -> None:
        async with secure_node("n", authority.server(authority.issue("n", "n.example"))) as node:
            spec, port = to_nodes(node, **settings)
            async with balancer(spec) as server:
                client = await Client.to(port)
                client.ask()
                answer = await client.answer()
                client.close()
                found = server.pools["p"].pool.nodes["a"]
                assert (answer.status, found.health.state) == ((200, "up") if works else (503, "down"))
                if not works:
                    assert "not trusted" in found.last_error
                    assert node.requests == 0

    scenario()


@run
async def test_passed_on_tls_is_routed_by_the_name_and_not_opened(authority: Authority):  # CR-19
    one = authority.server(authority.issue("one", "one.example"))
    two = authority.server(authority.issue("two", "*.two.example"))
    async with secure_node("one", one) as first, secure_node("two", two) as second:
        port = free_port()
        pools = {
            name: {"port": node.port, "protocol": "tcp", "nodes": {"a": {"address": "127.0.0.1"}}, "health_check": None}
            for name, node in (("one", first), ("two", second))
        }
        routes = {
            "one": {"host": "one.example", "pool": "one"}, "two": {"host": "*.two.example", "pool": "two"},
        }  # fmt: skip
        listener = {"address": "127.0.0.1", "port": port, "protocol": "tls", "routes": routes}
        async with balancer(Spec.load({"pools": pools, "listeners": {"l": listener}})) as server:
            for name, shown, body in (
                ("one.example", "one.example", b"one"),
                ("x.two.example", "*.two.example", b"two"),
            ):
                found, client = await hello(port, authority.client(), name)
                assert found == body
                assert names_in(client.writer) == {shown}, "the node's own certificate"
                client.close()
            for name in ("three.example", "two.example"):
                with pytest.raises(OSError):
                    await hello(port, authority.client(), name)
            assert server.listeners["l"].metrics.denied == 2
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HTTP/1.1\r\n\r\n")  # not TLS
            with pytest.raises(ConnectionResetError):
                await reader.read()


@run
async def test_a_silent_tls_client_is_let_go(authority: Authority):
    async with nodes("a") as (a,):
        spec, port = served(a, {"default": {"certificate": authority.issue("a", "a.example")}})
        data = spec.model_dump()
        data["listeners"]["l"]["timeouts"] = {"header": 0.2, "keep_alive": 0.2}
        async with balancer(Spec.load(data)) as server:
            reader, _ = await asyncio.open_connection("127.0.0.1", port)
            assert await asyncio.wait_for(reader.read(), 5) == b""
            await until(functools.partial(no_connections, server))


def no_connections(server: Server) -> bool:
    return server.connections == 0
