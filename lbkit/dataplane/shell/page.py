"""The status page: one file that carries no data and loads nothing from elsewhere; its policy names its own parts by hash."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from pathlib import Path

_FILE = Path(__file__).with_name("page.html")


@cache
def body() -> bytes:
    return _FILE.read_bytes()


@cache
def headers() -> tuple[str, ...]:
    """Fields that keep a browser from running or loading anything else, should a name ever become markup."""
    policy = (
        f"default-src 'none'; style-src {_hash('style')}; script-src {_hash('script')}; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return f"Content-Security-Policy: {policy}", "Referrer-Policy: no-referrer"


def _hash(tag: str) -> str:
    (inside,) = re.findall(rf"<{tag}>(.*?)</{tag}>".encode(), body(), re.DOTALL)
    return f"'sha256-{base64.b64encode(hashlib.sha256(inside).digest()).decode()}'"
