"""lbkit: one load balancer spec, three homes. Pulumi loads on the first touch of `LoadBalancer`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lbkit.errors import LbkitError, OperationError, Problem, SpecError, Unsupported
from lbkit.release import VERSION as __version__
from lbkit.spec import (
    Answer,
    Certificate,
    ClientTimeouts,
    ErrorCodes,
    Fleet,
    HealthCheck,
    Hook,
    Input,
    Limits,
    Listener,
    Node,
    NodeTls,
    PassiveCheck,
    Pool,
    Queue,
    Redirect,
    RequestLimits,
    Route,
    Spec,
    Standby,
    Sticky,
    Timeouts,
    Tls,
)

if TYPE_CHECKING:
    from lbkit.component import LoadBalancer

__all__ = [
    "Answer",
    "Certificate",
    "ClientTimeouts",
    "ErrorCodes",
    "Fleet",
    "HealthCheck",
    "Hook",
    "Input",
    "LbkitError",
    "Limits",
    "Listener",
    "LoadBalancer",
    "Node",
    "NodeTls",
    "OperationError",
    "PassiveCheck",
    "Pool",
    "Problem",
    "Queue",
    "Redirect",
    "RequestLimits",
    "Route",
    "Spec",
    "SpecError",
    "Standby",
    "Sticky",
    "Timeouts",
    "Tls",
    "Unsupported",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name != "LoadBalancer":
        raise AttributeError(f"module 'lbkit' has no attribute {name!r}")
    from lbkit.component import LoadBalancer

    return LoadBalancer


def __dir__() -> list[str]:
    return sorted(__all__)
