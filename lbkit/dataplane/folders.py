"""Where this user's running balancers keep their sockets."""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path:
    """In the user's runtime folder, which ends with the session as they do; without one, in /tmp."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return Path(runtime) / "lbkit" if runtime and Path(runtime).is_dir() else Path(f"/tmp/lbkit-{os.getuid()}")
