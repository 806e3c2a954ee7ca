"""Certificates and keys: files of this machine that are uploaded, or objects that the device has already.

`/etc/ssl/site.pem` is a file here; `device:/Common/site.crt` is on the device, and so is what a late reference names.
A key is never shown, and is a secret in Pulumi's state.
"""

from __future__ import annotations

import hashlib
import re
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lbkit.dataplane.wire.x509 import names_of
from lbkit.errors import Problem
from lbkit.spec import Certificate, Spec
from lbkit.spec.base import shown
from lbkit.spec.inputs import is_output

ON_DEVICE = "device:"
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_KEY = re.compile(r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----.*?-----END (?:[A-Z]+ )?PRIVATE KEY-----", re.DOTALL)
_LOCKED = re.compile(r"-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: 4,ENCRYPTED")


@dataclass(slots=True)
class Pem:
    """What a certificate's file holds."""

    leaf: str
    chain: str
    names: tuple[str, ...]
    key: str = field(repr=False, default="")

    @property
    def digest(self) -> str:
        """Part of the objects' names: a renewed certificate is a new object, for one in use can't be changed with its key."""
        return hashlib.sha256((self.leaf + self.chain).encode()).hexdigest()[:10]


Reader = Callable[[str, str | None], Pem]


def read(certificate: str, key: str | None = None) -> Pem:
    """The files' content; the key may stand in the certificate's file. Raises ValueError with a reason for people."""
    found = _CERTIFICATE.findall(_text(certificate))
    if not found:
        raise ValueError("The file holds no certificate in PEM form.")
    try:
        names = tuple(names_of(ssl.PEM_cert_to_DER_cert(found[0])))
    except ValueError:
        raise ValueError("The file's first certificate can't be read.") from None
    private = _text(key or certificate)
    if _LOCKED.search(private):
        raise ValueError("The key is encrypted; write it without a passphrase, readable by you alone.")
    keys = _KEY.findall(private)
    return Pem(found[0] + "\n", "".join(f"{item}\n" for item in found[1:]), names, f"{keys[0]}\n" if keys else "")


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii", errors="replace")
    except OSError as error:
        raise ValueError(f"The file {Path(path).absolute()} can't be read: {error.strerror}.") from None


def on_device(reference: Any) -> bool:
    """Whether the device has it already."""
    return is_output(reference) or str(reference).startswith(ON_DEVICE)


def name_on_device(reference: Any) -> Any:
    """The full path that a reference to the device holds."""
    return reference.apply(_bare) if is_output(reference) else _bare(str(reference))


def _bare(reference: str) -> str:
    return reference.removeprefix(ON_DEVICE)


def certificates(spec: Spec) -> Iterator[tuple[str, Certificate]]:
    """(path, certificate) of all that end TLS."""
    for name, listener in spec.listeners.items():
        if listener.tls:
            yield f"listeners.{name}.tls.default", listener.tls.default
            for key, item in listener.tls.names.items():
                yield f"listeners.{name}.tls.names.{key}", item


def authorities(spec: Spec) -> Iterator[tuple[str, Any]]:
    """(path, reference) of all authorities to trust."""
    for name, listener in spec.listeners.items():
        if listener.tls and listener.tls.client_ca is not None:
            yield f"listeners.{name}.tls.client_ca", listener.tls.client_ca
    for name, pool in spec.pools.items():
        if pool.tls and pool.tls.ca:
            yield f"pools.{name}.tls.ca", pool.tls.ca


def misnamed(spec: Spec) -> Iterator[Problem]:
    """References that can't be right, whatever the files hold."""
    for at, item in certificates(spec):
        for field_, value in (("certificate", item.certificate), ("key", item.key)):
            yield from _bad_path(f"{at}.{field_}", value)
        if item.key is None and on_device(item.certificate):
            yield Problem(f"{at}.key", "A certificate that is on the device has its key in another object there.",
                          "Give it, such as key='device:/Common/site.key'.")  # fmt: skip
        if ".names." in at and on_device(item.certificate):
            yield Problem(f"{at}.certificate", "lbkit can't see which host names a certificate on the device has.",
                          "Give the file's path.", shown(item.certificate))  # fmt: skip
    for at, value in authorities(spec):
        yield from _bad_path(at, value)


def _bad_path(at: str, value: Any) -> Iterator[Problem]:
    if value is None or is_output(value):
        return
    if str(value).startswith(ON_DEVICE) and not re.fullmatch(r"(/[A-Za-z0-9_.-]+){2,3}", _bare(str(value))):
        yield Problem(at, "This is not the full path of an object on the device.", "Such as device:/Common/site.crt.",
                      shown(value))  # fmt: skip
    elif str(value).startswith("arn:"):
        yield Problem(
            at, "This is a certificate of AWS.", "Give a file's path, or device:/Common/site.crt.", shown(value)
        )


def unreadable(spec: Spec) -> Iterator[Problem]:
    """Files that are not there or do not hold what they should."""
    served: dict[tuple[str, str], str] = {}
    for at, item in certificates(spec):
        if on_device(item.certificate):
            yield from _lone_key(f"{at}.key", item.key)
            continue
        key = None if item.key is None or on_device(item.key) else str(item.key)
        try:
            found = read(str(item.certificate), key)
        except ValueError as error:
            yield Problem(f"{at}.certificate", str(error), "A PEM file on the machine that runs `pulumi up`.",
                          shown(item.certificate))  # fmt: skip
            continue
        if not found.key and not (item.key is not None and on_device(item.key)):
            yield Problem(f"{at}.key", "There is no private key in the file.", "Give the key's file.", shown(item.key))
        if found.key and not _belong(str(item.certificate), key):
            yield Problem(f"{at}.key", "This key belongs to another certificate.", "Give the certificate's own key.",
                          shown(item.key))  # fmt: skip
        listener, _, name = at.partition(".names.")
        if name and not found.names:
            yield Problem(f"{at}.certificate", "No host name stands in this certificate, so no client would ever get it.",
                          "Use one with subject alternative names.", shown(item.certificate))  # fmt: skip
        for host in found.names if name else ():
            if (other := served.setdefault((listener, host), name)) != name:
                yield Problem(f"{at}.certificate", f"'{other}' is for {host} too, and the device takes one certificate for a name.",
                              "Leave one of them out, or use one with other names.", shown(item.certificate))  # fmt: skip
    for at, value in authorities(spec):
        if not on_device(value):
            try:
                read(str(value), None)
            except ValueError as error:
                yield Problem(at, str(error), "A PEM file on the machine that runs `pulumi up`.", shown(value))


def _belong(certificate: str, key: str | None) -> bool:
    """Whether the key is the certificate's. Whatever else a file may be is for others to judge."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except OSError as error:
        return getattr(error, "reason", None) not in ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH")
    return True


def _lone_key(at: str, key: Any) -> Iterator[Problem]:
    if key is not None and not on_device(key):
        yield Problem(at, "The certificate is on the device and its key is not.", "Keep both there, or both here.",
                      shown(key))  # fmt: skip
