"""WHAT a load balancer is: pydantic models, no Pulumi, no IO."""

from lbkit.spec.balancer import Spec
from lbkit.spec.fleet import Fleet
from lbkit.spec.health import HealthCheck, PassiveCheck
from lbkit.spec.inputs import Input
from lbkit.spec.listener import Answer, Certificate, ClientTimeouts, Listener, Redirect, RequestLimits, Route, Tls
from lbkit.spec.pool import ErrorCodes, Hook, Limits, Node, NodeTls, Pool, Queue, Standby, Sticky, Timeouts

__all__ = [
    "Answer",
    "Certificate",
    "ClientTimeouts",
    "ErrorCodes",
    "Fleet",
    "HealthCheck",
    "Hook",
    "Input",
    "Limits",
    "Listener",
    "Node",
    "NodeTls",
    "PassiveCheck",
    "Pool",
    "Queue",
    "Redirect",
    "RequestLimits",
    "Route",
    "Spec",
    "Standby",
    "Sticky",
    "Timeouts",
    "Tls",
]
