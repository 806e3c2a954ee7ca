"""A pool: nodes of one kind, how work is spread over them, and what each may carry."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from lbkit.errors import Belated, Problem
from lbkit.spec.base import Model, default, shown, wrong
from lbkit.spec.fleet import Fleet
from lbkit.spec.health import HealthCheck, PassiveCheck
from lbkit.spec.inputs import Input, Inputs, arriving, is_output, origin
from lbkit.spec.presets import Preset, breaches, filled
from lbkit.spec.values import (
    Address,
    CookieName,
    Count,
    Duration,
    Host,
    Name,
    Number,
    Port,
    Reference,
    Seconds,
    Status,
    Url,
    Weight,
)

Algorithm = Literal["round_robin", "least_connections", "source_hash", "random_two"]


class Node(Model):
    """One server of a pool: an address, or an id that the home knows it by, and a port."""

    address: Input[Address] | None = None
    """IPv4 or IPv6 address; may be a Pulumi Output. A public one needs `public=True`."""
    instance: Input[Reference] | None = None
    """Instead of an address: the id of a machine of the home, on AWS of an EC2 instance; may be a Pulumi Output."""
    port: Port | None = None
    """Unset: the pool's port."""
    weight: Weight = 1
    """Share relative to the pool's other nodes, 1 to 256."""
    standby: bool = False
    """Rests until the running nodes reach their soft limit; then it is woken."""
    backup: bool = False
    """Gets work only while no other node of the pool is healthy."""
    admin_state: Literal["ready", "drain", "maintenance"] = "ready"
    """`drain`: nothing new, running work ends. `maintenance`: running work is cut too and probes stop."""
    public: bool = False
    """Accept a public address: traffic to it leaves the private network."""

    @model_validator(mode="after")
    def _private(self) -> Self:
        if (self.address is None) == (self.instance is None):
            raise wrong(Problem("address", "A node is known by an address or an instance id.", "Give exactly one."))
        address: Any = self.address
        if is_output(address) and not self.public:
            self.__dict__["address"] = arriving(address, _arrived, "address")
        elif address is not None and not self.public and (problem := _public(address, shown(address))):
            raise wrong(problem)
        return self


def _public(address: str, value: str = "") -> Problem | None:
    if not ipaddress.ip_address(address).is_global:
        return None
    return Problem("address", "This is a public address: traffic to the node would leave the private network.",
                   "Use its private address, or say public=True.", value)  # fmt: skip


def _arrived(address: str) -> str:
    """A late address, which may be secret and is not shown."""
    if problem := _public(address):
        raise Belated(replace(problem, path=""))
    return address


class Queue(Model):
    """First in, first out, for requests that find every node at its hard limit."""

    size: Count = 256
    """Requests that may wait; the next one is refused at once."""
    timeout: Duration = 100
    """Seconds a request may wait; then it is answered with an error and never sent. SaladCloud's default."""


class Limits(Model):
    """What each node may carry: requests in flight for HTTP pools, open connections for TCP pools."""

    soft: Count | None = None
    """Per node: one more request wakes a standby node. Unset: no node is woken by load."""
    hard: Count | None = None
    """Per node: never exceeded. Unset: no limit."""
    queue: Queue | None = None
    """Unset: what exceeds the limits is refused at once."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.soft and self.hard and self.soft > self.hard:
            raise wrong(
                Problem("soft", "The soft limit is above the hard limit.", f"At most {self.hard}.", shown(self.soft))
            )
        return self


class Timeouts(Model):
    """Timers of one request, each with its own answer. The wait in the queue is `limits.queue.timeout`."""

    connect: Duration = 5
    """Seconds to connect to a node."""
    first_byte: Duration = 100
    """Seconds from sending the request to the first byte of the answer. SaladCloud's default."""
    idle: Duration = 300
    """Seconds without a byte in either direction while an answer, a WebSocket or a TCP connection is open."""
    total: Duration | None = None
    """Seconds for the whole request. Unset: a stream may last for ever."""
    keep_alive: Seconds = 4
    """Seconds an unused connection to a node is kept; 0: never. Below uvicorn's 5 s, so that we close first."""


class ErrorCodes(Model):
    """Status codes of the balancer's own answers. A node's own answer is never changed."""

    overflow: Status = 503
    """Every node is at its limit and nothing may wait, or the queue is full."""
    queue: Status = 504
    """The wait in the queue took too long."""
    refused: Status = 502
    """The node refused the connection."""
    connect: Status = 504
    """The node did not accept the connection in time."""
    first_byte: Status = 504
    """The node did not answer in time: none of `first_byte`, `idle` and `total` may pass before an answer begins."""
    died: Status = 502
    """The node closed the connection before its answer began, or answered no HTTP."""


class Sticky(Model):
    """A client returns to the node it had, while that node is there and below its hard limit."""

    cookie: CookieName = "lbkit"
    """Name of the cookie that the balancer sets."""
    ttl: Duration | None = None
    """Seconds the client keeps it. Unset: until the browser closes."""


class Hook(Model):
    """How a node is told to wake or to rest: a command or an HTTP POST. Both must be harmless when repeated.

    `{node}`, `{address}` and `{port}` in either are replaced.
    """

    command: Annotated[Inputs[str], Field(min_length=1)] | None = None
    """Program and arguments, run without a shell; exit status 0 is success."""
    post: Input[Url] | None = None
    """URL that gets an empty POST; 2xx is success. vLLM's /wake_up and /sleep fit."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.command is None) == (self.post is None):
            raise wrong(Problem("", "A hook is either a `command` or a `post`.", "Give exactly one."))
        return self


class Standby(Model):
    """How standby nodes wake and rest."""

    wake: Hook | None = None
    """Unset: a node wakes by itself when traffic reaches it."""
    rest: Hook | None = None
    """Unset: a node rests by itself."""
    min_awake: Seconds = 0
    """Seconds a woken node stays awake at least."""


class NodeTls(Model):
    """TLS from the balancer to the nodes of an `https` pool."""

    verify: bool = True
    """Check the node's certificate."""
    ca: Input[Reference] | None = None
    """PEM file of the authorities to trust. Unset: the machine's own."""
    server_name: Input[Host] | None = None
    """Name to ask for and to check. Unset: the node's address."""


class Pool(Model):
    """Nodes of one kind behind one algorithm."""

    port: Port
    """Port of every node that names none."""
    protocol: Literal["http", "https", "tcp"] = "http"
    """What the nodes speak. `tcp`: bytes pass unmodified."""
    algorithm: Algorithm = "round_robin"
    """`round_robin`: in turn. `least_connections`: fewest in flight for its weight. `source_hash`: one client address,
    one node, while the set stands and that node has room. `random_two`: the better of two."""
    nodes: dict[Name, Node] = Field(default_factory=dict)
    """Keyed by the names you choose; a name keeps its identity when the order changes."""
    fleet: Fleet | None = None
    """Machines that the target starts by itself, instead of `nodes`."""
    limits: Limits = Limits()
    health_check: HealthCheck | None = HealthCheck()
    """None: no probe, every node counts as healthy."""
    passive_check: PassiveCheck | None = None
    timeouts: Timeouts = Timeouts()
    codes: ErrorCodes = ErrorCodes()
    retries: Number = Field(default=1, ge=0, le=10)
    """Further attempts when nothing of a request reached a node, or an idempotent one got no answer."""
    sticky: Sticky | None = None
    standby: Standby = Standby()
    slow_start: Seconds = 0
    """Seconds over which the share of a node that came back grows to its full weight."""
    drain: Seconds = 300
    """Seconds that running work of a node being removed may take; then it is cut."""
    tls: NodeTls | None = None
    """Only with protocol `https`. Unset there: certificates are verified."""
    proxy_protocol: Literal["v1", "v2"] | None = None
    """Tell the nodes the client's address in a PROXY protocol header."""
    firewall: bool = False
    """Make firewall rules that admit the balancer to the nodes."""
    preset: Preset | None = None
    """Another service's settings: fills what you leave out and refuses what that service can't do."""

    @model_validator(mode="before")
    @classmethod
    def _preset(cls, data: Any) -> Any:
        return filled(data)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        problems = [*_members(self), *_modes(self), *breaches(self)]
        if problems:
            raise wrong(*problems)
        return self


def _members(pool: Pool) -> list[Problem]:
    problems = []
    if pool.nodes and pool.fleet:
        problems.append(Problem("fleet", "A pool has either `nodes` or a `fleet`.", "Make two pools."))
    if not pool.nodes and not pool.fleet:
        problems.append(
            Problem("nodes", "The pool has no nodes.", "Add a node, such as nodes={'a': Node(address='10.0.0.5')}.")
        )
    seen: dict[tuple[str | int, int], str] = {}
    for name, node in pool.nodes.items():
        field = "address" if node.instance is None else "instance"
        known = getattr(node, field)
        server = id(origin(known)) if is_output(known) else str(known)
        other = seen.setdefault((server, node.port or pool.port), name)
        if other != name:
            problems.append(
                Problem(f"nodes.{name}.{field}", f"Node '{other}' has the same {field} and port.",
                        "One entry per server; use `weight` for a larger share.", shown(known))
            )  # fmt: skip
    if pool.nodes and all(node.backup for node in pool.nodes.values()):
        problems.append(
            Problem("nodes", "Every node is a backup, so there is nothing to back up.", "Leave `backup` off one.")
        )
    return problems


def _modes(pool: Pool) -> list[Problem]:
    """Settings that would have no effect beside the others."""
    problems = []
    rests = any(node.standby for node in pool.nodes.values())
    if pool.limits.queue and not pool.limits.hard and not rests:
        problems.append(
            Problem(
                "limits.queue", "Without a hard limit nothing ever waits.", "Add limits.hard, or leave `queue` out."
            )
        )
    if rests and not pool.limits.soft:
        problems.append(
            Problem("limits.soft", "Standby nodes wake when the soft limit is reached, and there is none.", "Add it.")
        )
    if pool.standby != Standby() and not rests:
        problems.append(Problem("standby", "No node of the pool is a standby node.", "Mark one with standby=True."))
    for name, node in pool.nodes.items():
        if node.standby and node.backup:
            problems.append(
                Problem(f"nodes.{name}.backup", "A node is either a standby or a backup.", "Leave one of both out.")
            )
    if pool.slow_start and pool.algorithm == "source_hash":
        problems.append(
            Problem("slow_start", "source_hash gives every client its node, whatever the node's share.",
                    "Use another algorithm, or leave `slow_start` out.", shown(pool.slow_start))
        )  # fmt: skip
    if pool.tls and pool.protocol != "https":
        problems.append(
            Problem("tls", "The nodes of this pool don't speak TLS.", "Set protocol='https', or leave `tls` out.")
        )
    return [*problems, *(_only_http(pool) if pool.protocol == "tcp" else [])]


def _only_http(pool: Pool) -> list[Problem]:
    """What a pool of plain TCP has no use for."""
    problems = [
        Problem(
            name,
            "A TCP pool only carries bytes; this belongs to HTTP.",
            "Leave it out.",
            shown(getattr(pool, name)),
        )
        for name in ("sticky", "codes")
        if getattr(pool, name) != default(pool, name)
    ]
    if pool.passive_check and pool.passive_check.codes:
        problems.append(
            Problem("passive_check.codes", "A TCP pool sees no status codes.", "Leave it out.",
                    shown(pool.passive_check.codes))
        )  # fmt: skip
    problems += [
        Problem(f"timeouts.{name}", "A TCP pool knows no requests, only bytes.", "Use `idle`.", shown(value))
        for name in ("first_byte", "keep_alive")
        if (value := getattr(pool.timeouts, name)) != default(pool.timeouts, name)
    ]
    return problems
