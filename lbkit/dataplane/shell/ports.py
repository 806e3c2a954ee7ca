"""Listening sockets: bound here, or inherited from systemd or from the process before this one."""

from __future__ import annotations

import errno
import os
import socket

from lbkit.errors import OperationError, Problem
from lbkit.spec import Listener

_BACKLOG = 1024
_FIRST_FD = 3
_inherited: list[socket.socket] = []


def inherit(descriptors: list[int]) -> None:
    """Listening sockets of a predecessor: `bind` takes those that fit before it makes new ones."""
    for fd in descriptors:
        sock = socket.socket(fileno=fd)
        sock.setblocking(False)
        _inherited.append(sock)


def inherit_from_systemd() -> None:
    """Sockets of a systemd socket unit (sd_listen_fds(3))."""
    if os.environ.get("LISTEN_PID") == str(os.getpid()):
        count = int(os.environ.get("LISTEN_FDS", "0"))
        inherit(list(range(_FIRST_FD, _FIRST_FD + count)))
        del os.environ["LISTEN_PID"]


def close_inherited() -> None:
    """Those that no listener wanted."""
    while _inherited:
        _inherited.pop().close()


def _taken_over(family: socket.AddressFamily, host: str, port: int) -> socket.socket | None:
    for sock in _inherited:
        if sock.family == family and sock.getsockname()[:2] == (host, port):
            _inherited.remove(sock)
            return sock
    return None


def bind(name: str, spec: Listener) -> list[socket.socket]:
    """Listening sockets for a listener: its address, or all of IPv4 and IPv6. Raises OperationError."""
    hosts = [spec.address] if spec.address else ["0.0.0.0", "::"]
    sockets: list[socket.socket] = []
    try:
        for host in hosts:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            try:
                sockets.append(_listen(family, host, spec.port))
            except OSError as error:
                missing = error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
                if family == socket.AF_INET6 and len(hosts) == 2 and missing:
                    continue  # a machine without IPv6
                raise _not_bound(name, spec, host, error) from None
    except OperationError:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def _listen(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    if (taken := _taken_over(family, host, port)) is not None:
        return taken
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # what it accepts inherits this
        sock.setblocking(False)
        sock.bind((host, port))
        sock.listen(_BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def _not_bound(name: str, spec: Listener, host: str, error: OSError) -> OperationError:
    remedies = {
        errno.EADDRINUSE: "Stop the process that holds it, or choose another port.",
        errno.EACCES: "Ports below 1024 need CAP_NET_BIND_SERVICE; choose a higher one.",
        errno.EADDRNOTAVAIL: "Choose an address of this machine.",
    }
    field = "address" if error.errno == errno.EADDRNOTAVAIL else "port"
    problem = Problem(
        f"listeners.{name}.{field}",
        f"Can't listen on {host}: {error.strerror}.",
        remedies.get(error.errno or 0, "Choose an address of this machine, and a free port."),
        str(getattr(spec, field)),
    )
    return OperationError("The balancer can't listen", [problem])
