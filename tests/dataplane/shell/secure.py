"""Certificates for tests, and nodes that speak TLS."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import trustme

from tests.dataplane.shell.house import FakeNode, Handler


class Authority:
    """A certificate authority with a folder for what it issues."""

    def __init__(self, folder: Path) -> None:
        self.ca, self.folder = trustme.CA(), folder
        self.file = folder / "ca.pem"
        self.ca.cert_pem.write_to_path(str(self.file))

    def issue(self, name: str, *hosts: str) -> str:
        """Path of a PEM file with key and chain for these hosts; an older one of this name is replaced as a whole."""
        made, path = self.ca.issue_cert(*hosts), self.folder / f"{name}.pem"
        fresh = path.with_suffix(".new")
        made.private_key_and_cert_chain_pem.write_to_path(str(fresh))
        fresh.rename(path)
        return str(path)

    def client(self, certificate: str | None = None) -> ssl.SSLContext:
        """What a client needs that trusts this authority only."""
        context = ssl.create_default_context(cafile=str(self.file))
        if certificate is not None:
            context.load_cert_chain(certificate)
        return context

    def server(self, certificate: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        return context


def names_in(writer: asyncio.StreamWriter) -> set[str]:
    """The host names in the certificate that the peer showed."""
    return {value for _, value in writer.get_extra_info("peercert")["subjectAltName"]}


@contextlib.asynccontextmanager
async def secure_node(name: str, context: ssl.SSLContext, handler: Handler | None = None) -> AsyncIterator[FakeNode]:
    node = FakeNode(name, handler)
    await node.start(context=context)
    try:
        yield node
    finally:
        await node.stop()
