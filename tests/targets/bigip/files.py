"""Files that need not be there: what a certificate's path would hold, by the path alone."""

from __future__ import annotations

from lbkit.targets.bigip.certificates import Pem


def file_of(certificate: str, key: str | None = None) -> Pem:
    host = certificate.strip("/").removesuffix(".pem")
    return Pem(f"certificate {certificate}\n", "", (f"{host}.example",), f"key {key or certificate}\n")
