"""TLS towards clients and nodes in F5's words, and the files it needs on the device.

Names of uploaded files hold a digest: a certificate in use can't be changed together with its key, so a renewed one
comes up beside the old and the profile moves.
"""

from __future__ import annotations

from typing import Any

from lbkit.spec import Certificate, Listener, Pool
from lbkit.targets.bigip.certificates import Pem, Reader, name_on_device, on_device
from lbkit.targets.bigip.parts import SUFFIX, Args, Plan, Ref, Text

_OPTIONS = ["dont-insert-empty-fragments", "no-sslv3", "no-tlsv1", "no-tlsv1.1"]


def client_profiles(plan: Plan, place: str, listener: Listener, read: Reader) -> list[Ref]:
    """One profile for clients without a known name, and one for each host name of the further certificates."""
    if not listener.tls:
        return []
    common = _versions(listener.tls.min_version) | _clients(plan, place, listener, read)
    cert, _ = _files(plan, f"{place}--default", listener.tls.default, read)
    made = [plan.add("client_tls", place, {**cert, **common, "sni_default": "true", "server_name": ""})]
    for key, item in listener.tls.names.items():
        cert, pem = _files(plan, f"{place}--{key}", item, read)
        for host in dict.fromkeys(pem.names if pem else ()):
            args = {**cert, **common, "sni_default": "false", "server_name": host}
            made.append(plan.add("client_tls", f"{place}--{key}--{host.replace('*', '_')}", args))
    return made


def server_profile(plan: Plan, key: str, pool: Pool, read: Reader) -> Ref:
    """TLS towards the nodes of a pool."""
    tls = pool.tls
    verify = tls is None or tls.verify
    return plan.add("server_tls", key, {
        "defaults_from": "/Common/serverssl",
        "peer_cert_mode": "require" if verify else "ignore",
        "ca_file": _authority(plan, f"{key}--nodes", tls.ca, read) if tls and tls.ca and verify else "none",
        **({"server_name": tls.server_name} if tls and tls.server_name else {}),
    })  # fmt: skip


def _versions(oldest: str) -> Args:
    newest_only = oldest == "1.3"
    return {
        "defaults_from": "/Common/clientssl",
        "tm_options": [*_OPTIONS, *(["no-tlsv1.2"] if newest_only else [])],
        "ciphers": "TLSv1_3" if newest_only else "TLSv1_3:DEFAULT",
    }


def _clients(plan: Plan, place: str, listener: Listener, read: Reader) -> Args:
    asked = listener.tls.client_ca if listener.tls else None
    ca = "none" if asked is None else _authority(plan, f"{place}--clients", asked, read)
    return {
        "peer_cert_mode": "ignore" if asked is None else "require",
        "authenticate": "once",
        "ca_file": ca,
        "client_cert_ca": ca,
    }


def _files(plan: Plan, key: str, item: Certificate, read: Reader) -> tuple[Args, Pem | None]:
    """Certificate, chain and key as the profile names them, and what the file held."""
    if on_device(item.certificate):
        return {"cert": name_on_device(item.certificate), "key": name_on_device(item.key), "chain": "none"}, None
    key_file = None if item.key is None or on_device(item.key) else str(item.key)
    pem = read(str(item.certificate), key_file)
    at = f"{key}--{pem.digest}"
    private = name_on_device(item.key) if item.key is not None and on_device(item.key) else _key(plan, at, pem.key)
    return {"cert": _certificate(plan, at, pem.leaf), "key": private,
            "chain": _certificate(plan, f"{at}--chain", pem.chain) if pem.chain else "none"}, pem  # fmt: skip


def _authority(plan: Plan, key: str, reference: Any, read: Reader) -> Any:
    if on_device(reference):
        return name_on_device(reference)
    pem = read(str(reference), None)
    return _certificate(plan, f"{key}--{pem.digest}", pem.leaf + pem.chain)


def _certificate(plan: Plan, key: str, content: str) -> Text:
    return _file(plan, "certificates", key, "crt", content)


def _key(plan: Plan, key: str, content: str) -> Text:
    return _file(plan, "keys", key, "key", content)


def _file(plan: Plan, kind: str, key: str, ending: str, content: str) -> Text:
    name = f"{plan.name}--{key}--{SUFFIX[kind]}.{ending}"
    made = plan.add(kind, key, {"name": name, "partition": plan.partition, "content": content})
    return Text((f"/{plan.partition}/", made))
