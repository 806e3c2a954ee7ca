"""TLS: certificates of a listener, chosen by the name a client asks for, and the trust in nodes.

Files are read again when they change; a set that can't be used leaves the old one in place.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from lbkit.dataplane.shell.loop import READ, WRITE, Loop
from lbkit.dataplane.shell.stream import Stream, User, log
from lbkit.dataplane.wire.x509 import names_of
from lbkit.errors import OperationError, Problem
from lbkit.spec import Certificate, NodeTls, Tls

if TYPE_CHECKING:
    from lbkit.dataplane.shell.upstream import NodeConnection

_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"  # forward secrecy and authenticated encryption only, for TLS 1.2
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


class Certificates:
    """The certificates of one listener."""

    def __init__(self, spec: Tls, at: str) -> None:
        """`at`: the path of the field in the spec. Raises OperationError when a file can't be used."""
        self._spec, self._at = spec, at
        self._stamps = self._stamp()
        self.context, self._by_name = self._load()

    def reload_if_changed(self) -> bool:
        """Whether newer files were taken. Raises OperationError when they can't be used; the old ones stay."""
        stamps = self._stamp()
        if stamps == self._stamps:
            return False
        self._stamps = stamps
        self.context, self._by_name = self._load()
        return True

    def _load(self) -> tuple[ssl.SSLContext, dict[str, ssl.SSLContext]]:
        by_name: dict[str, ssl.SSLContext] = {}
        for name, certificate in self._spec.names.items():
            at = f"{self._at}.names.{name}"
            context = self._context(certificate, at)
            for host in self._names(certificate, at):
                by_name.setdefault(host, context)
        default = self._context(self._spec.default, f"{self._at}.default")
        default.sni_callback = lambda sock, name, _: _choose(sock, name, self._by_name)
        return default, by_name

    def _context(self, certificate: Certificate, at: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = _VERSIONS[self._spec.min_version]
        context.set_ciphers(_CIPHERS)
        context.set_alpn_protocols(["http/1.1"])
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
        chain, key = str(certificate.certificate), str(certificate.key) if certificate.key else None
        try:
            context.load_cert_chain(chain, key, password=lambda: b"")
        except (OSError, ValueError) as error:
            raise _unusable(f"{at}.certificate", chain, error) from None
        if self._spec.client_ca is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            _trust(context, str(self._spec.client_ca), f"{self._at}.client_ca")
        return context

    def _names(self, certificate: Certificate, at: str) -> list[str]:
        path = str(certificate.certificate)
        try:
            found = _PEM.search(Path(path).read_text("ascii", "replace"))
            names = names_of(ssl.PEM_cert_to_DER_cert(found[0])) if found else []
        except (OSError, ValueError) as error:
            raise _unusable(f"{at}.certificate", path, error) from None
        if not names:
            raise OperationError(
                "A certificate can't be used",
                [Problem(f"{at}.certificate", "It names no host, so no client would ever get it.",
                         "Use one with a subject alternative name.", path)],
            )  # fmt: skip
        return names

    def _stamp(self) -> list[tuple[str, float, int]]:
        files = [str(self._spec.client_ca)] if self._spec.client_ca else []
        for certificate in (self._spec.default, *self._spec.names.values()):
            files += [str(file) for file in (certificate.certificate, certificate.key) if file]
        return [(file, found.st_mtime, found.st_ino) for file in files if (found := _stat(file))]


class NodeSecurity:
    """How connections to an https pool's nodes are encrypted and whom they trust."""

    def __init__(self, spec: NodeTls, at: str) -> None:
        """Raises OperationError when the authorities' file can't be used."""
        self.spec = spec
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.set_alpn_protocols(["http/1.1"])
        if not spec.verify:
            self.context.check_hostname = False
            self.context.verify_mode = ssl.CERT_NONE
        elif spec.ca is not None:
            _trust(self.context, str(spec.ca), f"{at}.ca")
        else:
            self.context.load_default_certs()

    def name_for(self, address: str) -> str:
        """The name to ask a node for, and to find in its certificate."""
        return str(self.spec.server_name or address)

    def stream(
        self, loop: Loop, sock: socket.socket, user: NodeConnection, receive: Callable[[bytes], None], address: str
    ) -> Stream:
        wrapped = self.context.wrap_socket(
            sock, do_handshake_on_connect=False, suppress_ragged_eofs=False, server_hostname=self.name_for(address)
        )
        return TlsStream(loop, wrapped, user, receive)


class SecureUser(User, Protocol):
    """Whoever a TLS stream belongs to."""

    def secured(self) -> None:
        """The handshake is done."""

    def insecure(self, error: str) -> None:
        """It failed; `connection_lost` follows."""


class TlsStream(Stream):
    """A stream inside TLS."""

    __slots__ = ("_established", "_owner", "tls")

    def __init__(
        self, loop: Loop, sock: ssl.SSLSocket, user: SecureUser, receive: Callable[[bytes], None]
    ) -> None:  # fmt: skip
        super().__init__(loop, sock, user, receive)
        self.tls, self._owner = sock, user
        self._established = False

    def start(self, notice_leaving: bool = False) -> None:
        super().start(notice_leaving)
        if not self.tls.server_side:
            self.ready(WRITE)  # the client speaks first

    def ready(self, mask: int) -> None:
        try:
            if not self._established:
                self._handshake()
            elif mask & ~WRITE and not self._mask & READ:
                self._ended_while_paused(mask)
            else:
                self._read_rest()
                if mask & WRITE:
                    self.flush()
        except Exception:
            log.exception("a connection's handler failed")
            self._finish(None)

    def resume_reading(self) -> None:
        super().resume_reading()
        if self._established and not self.closed and self.tls.pending():
            self._loop.call_soon(self._read_rest)

    def close(self) -> None:
        if not self.closing and not self.unsent:
            self._shutdown()
        self._eof = True
        super().close()

    def _handshake(self) -> None:
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            self._want(READ)
        except ssl.SSLWantWriteError:
            self._want(WRITE)
        except OSError as error:
            self._owner.insecure(handshake_error(error))
            self._finish(error)
        else:
            self._established = True
            self._want(READ)
            self._owner.secured()
            self._read_rest()

    def _read_rest(self) -> None:
        if not self.closed and self._mask & READ:
            self._read()

    def _read(self) -> None:
        """All that is decrypted: the poller does not see what waits inside OpenSSL."""
        while not self.closed and self._mask & READ:
            try:
                data = self.tls.recv(self._size)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            except OSError as error:
                self._finish(error)
                return
            if not data:
                self._end_of_input()
                return
            self.receive(data)
            if not self.tls.pending():
                return

    def flush(self) -> None:
        """OpenSSL takes one record at a time."""
        data = memoryview(self.unsent)
        if self.closed or not data or not self._established:
            return
        try:
            while data:
                data = data[self.tls.send(data) :]
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        except OSError as error:
            self._finish(error)
            return
        self.unsent = bytes(data)
        if data:
            self._still_unsent()
        else:
            self._all_sent()

    def _shutdown(self) -> None:
        """Say that nothing more comes; the peer's own word is not awaited."""
        if not self._established or self.closed:
            return
        with contextlib.suppress(OSError, ValueError):
            self.tls.unwrap()


def _choose(sock: ssl.SSLObject, name: str | None, by_name: dict[str, ssl.SSLContext]) -> None:
    if not name or not by_name:
        return
    asked = name.lower()
    found = by_name.get(asked) or by_name.get("*." + asked.partition(".")[2])
    if found is not None:
        sock.context = found


def _trust(context: ssl.SSLContext, path: str, at: str) -> None:
    try:
        context.load_verify_locations(path)
    except OSError as error:
        raise _unusable(at, path, error) from None


def _unusable(at: str, path: str, error: Exception) -> OperationError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return OperationError(
        "A certificate can't be used", [Problem(at, f"{reason}.", "Give a PEM file that this user may read.", path)]
    )


def handshake_error(error: OSError) -> str:
    """What went wrong in a handshake, in words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"no TLS: {(error.reason or str(error)).replace('_', ' ').lower()}"
    return f"no TLS: {error.strerror or error}"


def _stat(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except OSError:
        return None
