"""Who holds a port: said before anything is started."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from pathlib import Path

from lbkit.errors import Problem


def taken(name: str, address: str | None, port: int) -> Problem | None:
    """Why this process could not listen there; None when it could."""
    for host in [address] if address else ["0.0.0.0", "::"]:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            with socket.socket(family, socket.SOCK_STREAM) as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                sock.bind((host, port))
                sock.listen(1)
        except OSError as error:
            if problem := _problem(name, host, port, error, several=address is None):
                return problem
    return None


def _problem(name: str, host: str, port: int, error: OSError, several: bool) -> Problem | None:
    path = f"listeners.{name}"
    if error.errno == errno.EADDRINUSE:
        return Problem(
            f"{path}.port", f"The port is in use by {holder(port)}.", "Stop it, or choose another port.", str(port)
        )
    if error.errno == errno.EACCES:
        return Problem(
            f"{path}.port", "This user may not listen on a port below 1024.", "Choose a higher port.", str(port)
        )
    if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT) and several:
        return None
    return Problem(
        f"{path}.address", f"Can't listen here: {error.strerror}.", "Choose an address of this machine.", host
    )


def ours(port: int, home: Path) -> bool:
    """Whether one of this user's own background processes holds the port: it may be about to be replaced."""
    return f"{home}/" in holder(port)


def holder(port: int) -> str:
    """The process that listens on the port, as far as this user can see."""
    inodes = {inode for table in ("tcp", "tcp6") for inode in _listening(table, port)}
    for entry in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            target = os.readlink(entry)
            if target.startswith("socket:[") and target[8:-1] in inodes:
                pid = entry.parts[2]
                command = (
                    Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                )
                return f"process {pid} ({command})"
    return "another process"


def _listening(table: str, port: int) -> list[str]:
    try:
        lines = Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    except OSError:
        return []
    rows = [line.split() for line in lines]
    return [row[9] for row in rows if row[3] == "0A" and int(row[1].rpartition(":")[2], 16) == port]
